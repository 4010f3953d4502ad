import type { ItemHead, JsonValue, Settlement } from '@sluice/core'
import type { Engine } from '../engine.js'
import { nameOf } from '../running-jobs.js'
import type { Tally } from '../tick-result.js'

type Claimed = Pick<ItemHead, 'id' | 'uid' | 'attempt' | 'retryState'>

/** As many moves go to the queue in one call. */
const MAX_SETTLEMENTS = 1_000

/** The items that this engine has claimed and not begun to send: surely without a job. */
export class UnsentClaims {
  readonly #claims = new Map<string, Claimed>()

  noteClaimed(items: readonly Claimed[]): void {
    for (const item of items) this.#claims.set(nameOf(item), item)
  }

  /** Its send begins: from now on it may have a job. */
  noteBegun(item: Pick<Claimed, 'uid' | 'attempt'>): void {
    this.#claims.delete(nameOf(item))
  }

  /** Drops what isn't of these items in PROCESSING any more: somebody moved it. */
  keepOnly(items: ReadonlyMap<string, Claimed>): void {
    for (const [name, claim] of this.#claims) {
      if (items.get(claim.id)?.attempt !== claim.attempt) this.#claims.delete(name)
    }
  }

  /** Another engine had the lease in the meantime, and may have sent them. */
  clear(): void {
    this.#claims.clear()
  }

  /** All of them, once: the caller gives them back. */
  take(): Claimed[] {
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

async function giveBack({ queue, memory }: Engine, claims: readonly Claimed[]): Promise<number> {
  const { refused } = await queue.settle(claims.map(moveOf))
  const refusedIds = new Set(refused.map(({ id }) => id))
  const given = claims.filter(({ id }) => !refusedIds.has(id))
  for (const claim of given) memory.drop(claim)
  return given.length
}

function moveOf({ id, uid, attempt, retryState }: Claimed): Settlement {
  const handedOn = handOn(attempt, retryState)
  return {
    id,
    uid,
    attempt,
    stage: 'WAITING',
    unsent: true,
    keepPlace: true,
    reason: STOPPED,
    ...(handedOn === undefined ? {} : { retryState: handedOn }),
  }
}

/**
 * What the item brought along is handed on: no job of this attempt has changed it. A first attempt that was not sent leaves no job behind, and says so;
 * of a later one only what the one before it has said is known.
 */
function handOn(attempt: number, retryState: JsonValue | undefined): JsonValue | undefined {
  if (attempt > 1) return retryState
  return { ...(isObject(retryState) ? retryState : {}), ended: true }
}

function isObject(value: JsonValue | undefined): value is Readonly<Record<string, JsonValue>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}
