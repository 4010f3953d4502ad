import type { ItemSummary } from '@sluice/core'
import type { Tick } from '../tick/tick.js'
import { nameOf } from '../reconcile/running-jobs.js'
import { settleUnsent } from './known-unsent.js'
import { givenBack } from '../settling/send-settlements.js'

/** The items that this engine has claimed and not begun to send: they have no job. */
export class UnsentClaims {
  readonly #claims = new Map<string, ItemSummary>()

  noteClaimed(items: readonly ItemSummary[]): void {
    for (const item of items) this.#claims.set(nameOf(item), item)
  }

  /** Its send begins: from now on it may have a job. */
  noteBegun(item: Pick<ItemSummary, 'uid' | 'attempt'>): void {
    this.#claims.delete(nameOf(item))
  }

  has(item: Pick<ItemSummary, 'uid' | 'attempt'>): boolean {
    return this.#claims.has(nameOf(item))
  }

  /** Drops those that are no longer in PROCESSING: they were moved. */
  keepOnly(items: ReadonlyMap<string, ItemSummary>): void {
    for (const [name, claim] of this.#claims) {
      if (items.get(claim.id)?.attempt !== claim.attempt) this.#claims.delete(name)
    }
  }

  /** Another engine had the lease in the meantime, and may have sent them. */
  clear(): void {
    this.#claims.clear()
  }

  /** All of them, once: the caller gives them back. */
  take(): ItemSummary[] {
    const claims = [...this.#claims.values()]
    this.#claims.clear()
    return claims
  }
}

/** The reason in the item's history. */
const STOPPED = 'not sent: the engine that had claimed it was stopped'

/**
 * Gives the unsent claims of an engine that stops back, to their places in the order and uncounted. It never
 * rejects: a claim that can't be given back stays in PROCESSING, and is sent by the next engine.
 */
export async function giveBackUnsent(tick: Tick): Promise<void> {
  const claims = tick.unsent.take()
  if (claims.length === 0) return
  const before = tick.tally.settled.waiting
  try {
    const decided = claims.map(
      (item) => ({ settlement: givenBack(tick, item, STOPPED), why: 'unsent' }) as const,
    )
    await settleUnsent(tick, decided)
    const items = tick.tally.settled.waiting - before
    if (items > 0) tick.logger.info({ items }, 'items that were claimed and not sent are WAITING again')
  } catch (error) {
    const what = 'items that were claimed and not sent stay in PROCESSING: the next engine sends them'
    tick.logger.warn({ err: error, items: claims.length }, what)
  }
}
