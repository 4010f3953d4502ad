import { isSluiceError, type JsonValue, type Queue } from '@sluice/core'
import type { Tick } from '../tick/tick.js'
import { leftOutOf, type JobSettlement } from '../settling/settlement.js'
import { LEFT_OUT_DOCUMENT } from './document-names.js'

/** Outcomes that were not stored completely, such as results that are too large. */
export interface LeftOut {
  /**
   * Since the queue was created, including items that were retried or removed since. It may miss outcomes
   * that were stored right before a process was killed.
   */
  readonly count: number
  /** Id of the latest such item. */
  readonly example: string
}

/** Another process may write between a read and a write. */
const MAX_TRIES = 3

/**
 * How many outcomes were not stored completely, without reading every item.
 *
 * @returns `undefined`: none
 * @throws SluiceError of the queue
 */
export async function readLeftOut(queue: Pick<Queue, 'document'>): Promise<LeftOut | undefined> {
  return parse((await queue.document(LEFT_OUT_DOCUMENT).read())?.value)
}

/**
 * Counts those among outcomes that were just stored. The items are settled, and their details show it too: a
 * failed count stops nothing.
 */
export async function countLeftOut(tick: Tick, settled: readonly JobSettlement[]): Promise<void> {
  const affected = settled.filter((settlement) => leftOutOf(settlement).length > 0)
  const example = affected.at(-1)?.id
  if (example === undefined) return
  try {
    await add(tick, { count: affected.length, example })
  } catch (error) {
    if (!isSluiceError(error)) throw error
    tick.logger.debug({ err: error, items: affected.length }, 'incomplete outcomes could not be counted')
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

/** A value of another shape counts as absent: another version may have written it. */
function parse(value: JsonValue | undefined): LeftOut | undefined {
  if (typeof value !== 'object' || value === null || !('count' in value) || !('example' in value))
    return undefined
  const { count, example } = value
  return typeof count === 'number' && typeof example === 'string' ? { count, example } : undefined
}
