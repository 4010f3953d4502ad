import { isSluiceError, type JsonValue, type Queue } from '@sluice/core'
import type { Tick } from '../tick/tick.js'
import { leftOutOf, type JobSettlement } from '../settling/settlement.js'
import { LEFT_OUT_DOCUMENT } from './document-names.js'

/** Outcomes of jobs that were not stored whole, such as results that are too large. */
export interface LeftOut {
  /** Since the queue was made, those of items that were tried again or removed since too. Fewer where a process was killed right after it stored an outcome. */
  readonly count: number
  /** Id of the latest such item. */
  readonly example: string
}

/** Another process may write between a read and a write, in rare cases again. */
const MAX_TRIES = 3

/**
 * How many outcomes were not stored whole: so that nobody has to read every item to know that there are any.
 *
 * @returns `undefined`: none
 * @throws SluiceError of the queue
 */
export async function readLeftOut(queue: Pick<Queue, 'document'>): Promise<LeftOut | undefined> {
  return parse((await queue.document(LEFT_OUT_DOCUMENT).read())?.value)
}

/** Counts those of outcomes that were just stored. The items are settled, and their details say it too: a count that can't be written stops nothing. */
export async function countLeftOut(tick: Tick, settled: readonly JobSettlement[]): Promise<void> {
  const affected = settled.filter((settlement) => leftOutOf(settlement).length > 0)
  const example = affected.at(-1)?.id
  if (example === undefined) return
  try {
    await add(tick, { count: affected.length, example })
  } catch (error) {
    if (!isSluiceError(error)) throw error
    tick.logger.debug({ err: error, items: affected.length }, 'outcomes that were left out are not counted')
  }
}

async function add({ queue }: Tick, more: LeftOut): Promise<void> {
  const document = queue.document(LEFT_OUT_DOCUMENT)
  for (let tries = 0; tries < MAX_TRIES; tries++) {
    const stored = await document.read()
    const count = (parse(stored?.value)?.count ?? 0) + more.count
    if (await document.write({ count, example: more.example }, { ifVersion: stored?.version })) return
  }
}

/** What is not of this shape counts as absent: another version may have written it. */
function parse(value: JsonValue | undefined): LeftOut | undefined {
  if (typeof value !== 'object' || value === null || !('count' in value) || !('example' in value))
    return undefined
  const { count, example } = value
  return typeof count === 'number' && typeof example === 'string' ? { count, example } : undefined
}
