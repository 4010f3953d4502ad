import { STAGES, type ItemRecord, type Queue, type Stage } from '@sluice/core'
import { check, same } from '../../../check.js'
import { headsOf, idsOf, recordOf } from '../../queue-walk.js'

/** Throws unless the item is whole, and by lookup and by the lists in one and the same of these stages. */
export async function checkOneOf(queue: Queue, id: string, stages: readonly Stage[]): Promise<void> {
  await checkWhole(queue, id, { stages, attempt: 1 })
  await checkListed(queue, [id])
}

interface Expected {
  readonly stages: readonly Stage[]
  readonly attempt: number
}

/** Throws unless lookup finds the item whole, in one of these stages. */
export async function checkWhole(
  queue: Queue,
  id: string,
  { stages, attempt }: Expected,
): Promise<ItemRecord> {
  const record = await recordOf(queue, id)
  check(stages.includes(record.stage), `${id} is in ${stages.join(' or ')}`, record)
  same([record.attempt, record.body], [attempt, { of: id }], `attempt and body of ${id} are intact`)
  return record
}

/**
 * Throws unless the lists show each item once, in the stage where lookup finds it, and not where it finds
 * none.
 */
export async function checkListed(queue: Queue, ids: readonly string[]): Promise<void> {
  const listed = new Map<string, Stage[]>(ids.map((id) => [id, []]))
  for (const stage of STAGES) {
    for (const id of idsOf(await headsOf(queue, stage))) listed.get(id)?.push(stage)
  }
  const found = await Promise.all(ids.map(async (id) => (await queue.lookup(id))?.stage))
  for (const [index, id] of ids.entries()) {
    const stage = found[index]
    same(listed.get(id), stage === undefined ? [] : [stage], `${id} is listed once, where lookup finds it`)
  }
}
