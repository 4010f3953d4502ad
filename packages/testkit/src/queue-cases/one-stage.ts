import { STAGES, type Queue, type Stage } from '@sluice/core'
import { check, same } from '../check.js'
import { idsOf, recordOf, recordsOf } from '../queue-walk.js'

/** Throws unless the item is whole, and by lookup and by the lists in one and the same of these stages. */
export async function checkOneOf(
  queue: Queue,
  id: string,
  stages: readonly Stage[],
  attempt = 1,
): Promise<void> {
  const record = await recordOf(queue, id)
  check(stages.includes(record.stage), `${id} is in ${stages.join(' or ')}`, record)
  same([record.attempt, record.body], [attempt, { of: id }], `attempt and body of ${id} are intact`)
  const listed: Stage[] = []
  for (const stage of STAGES) {
    const found = idsOf(await recordsOf(queue, stage)).filter((other) => other === id)
    listed.push(...found.map(() => stage))
  }
  same(listed, [record.stage], `${id} is listed once, in the stage where lookup finds it`)
}
