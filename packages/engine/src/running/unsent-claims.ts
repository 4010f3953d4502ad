import type { ItemHead } from '@sluice/core'
import type { Engine } from '../engine.js'
import { nameOf } from '../running-jobs.js'
import { givenBack } from '../sending/send-settlements.js'
import type { Tally } from '../tick-result.js'

/** As many moves go to the queue in one call. */
const MAX_SETTLEMENTS = 1_000

/** The items that this engine has claimed and not begun to send: surely without a job. */
export class UnsentClaims {
  readonly #claims = new Map<string, ItemHead>()

  noteClaimed(items: readonly ItemHead[]): void {
    for (const item of items) this.#claims.set(nameOf(item), item)
  }

  /** Its send begins: from now on it may have a job. */
  noteBegun(item: Pick<ItemHead, 'uid' | 'attempt'>): void {
    this.#claims.delete(nameOf(item))
  }

  has(item: Pick<ItemHead, 'uid' | 'attempt'>): boolean {
    return this.#claims.has(nameOf(item))
  }

  /** Drops what isn't of these items in PROCESSING any more: somebody moved it. */
  keepOnly(items: ReadonlyMap<string, ItemHead>): void {
    for (const [name, claim] of this.#claims) {
      if (items.get(claim.id)?.attempt !== claim.attempt) this.#claims.delete(name)
    }
  }

  /** Another engine had the lease in the meantime, and may have sent them. */
  clear(): void {
    this.#claims.clear()
  }

  /** All of them, once: the caller gives them back. */
  take(): ItemHead[] {
    const claims = [...this.#claims.values()]
    this.#claims.clear()
    return claims
  }
}

/** As history and `ls` show it. */
const STOPPED = 'not sent: the engine that had claimed it was stopped'

/**
 * Gives the claims of an engine that stops back, those that were not sent: to their places in the order, uncounted. It never rejects: what can't be
 * given back stays in PROCESSING, and is sent by the next engine.
 *
 * @param tally of the tick under way, if there is one
 */
export async function giveBackUnsent(engine: Engine, tally?: Tally): Promise<void> {
  const { unsent, lease, logger } = engine
  const claims = unsent.take()
  if (claims.length === 0) return
  try {
    // Another engine may have sent them since it was lost.
    if (!(await lease.keep())) return
    let given = 0
    for (let start = 0; start < claims.length; start += MAX_SETTLEMENTS)
      given += await giveBack(engine, claims.slice(start, start + MAX_SETTLEMENTS))
    if (tally !== undefined) {
      tally.processing -= given
      tally.settled.waiting += given
    }
    logger.info({ items: given }, 'items that were claimed and not sent are WAITING again')
  } catch (error) {
    const what = 'items that were claimed and not sent stay in PROCESSING: the next engine sends them'
    logger.warn({ err: error, items: claims.length }, what)
  }
}

async function giveBack(engine: Engine, claims: readonly ItemHead[]): Promise<number> {
  const { queue, memory } = engine
  const { refused } = await queue.settle(claims.map((claim) => givenBack(engine, claim, STOPPED)))
  const refusedIds = new Set(refused.map(({ id }) => id))
  const given = claims.filter(({ id }) => !refusedIds.has(id))
  for (const claim of given) memory.drop(claim)
  return given.length
}
