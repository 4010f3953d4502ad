import { isSluiceError, type Lease, type Queue } from '@sluice/core'
import { rejects, same } from '../../../check.js'
import type { QueueHarness } from '../../queue-harness.js'
import { spanOf, taken } from '../../queue-walk.js'

const LONG_MS = 600_000
const SHORT_MS = 100

/** A lease that `me` had, and who holds it now, if anybody does. */
export interface LostLease {
  readonly lost: Lease
  readonly held?: Lease
}

/** One way to lose a lease. */
export interface LeaseLoss {
  /** Such as `was released`. */
  readonly how: string
  readonly lose: (queue: Queue, harness: QueueHarness) => Promise<LostLease>
}

/** Every way to lose a lease: by one's own word, by time, to another holder, and to oneself. */
export const leaseLosses: readonly LeaseLoss[] = [
  {
    how: 'was released',
    lose: async (queue) => {
      const lost = await taken(queue, 'me', LONG_MS)
      await lost.release()
      return { lost }
    },
  },
  {
    how: 'has run out',
    lose: async (queue, harness) => {
      const lost = await taken(queue, 'me', SHORT_MS)
      await harness.passTime(spanOf(queue, SHORT_MS))
      return { lost }
    },
  },
  {
    how: 'has run out and is held by another process',
    lose: async (queue, harness) => {
      const lost = await taken(queue, 'me', SHORT_MS)
      await harness.passTime(spanOf(queue, SHORT_MS))
      return { lost, held: await taken(await harness.open(), 'you', LONG_MS) }
    },
  },
  {
    how: 'is held by a holder of the same name, with another token',
    lose: async (queue, harness) => {
      const lost = await taken(queue, 'me', LONG_MS)
      await lost.release()
      const between = await taken(queue, 'you', LONG_MS)
      await between.release()
      return { lost, held: await taken(await harness.open(), 'me', LONG_MS) }
    },
  },
]

/** Throws unless the call rejects SLUICE_LEASE_LOST, as what is not to be tried again. */
export async function rejectsLost(call: Promise<unknown>, what: string): Promise<void> {
  const end = call.catch((error: unknown) => isSluiceError(error) && error.retryable)
  await rejects(call, 'SLUICE_LEASE_LOST', what)
  same(await end, false, `${what}, and not as what may be tried again`)
}

/**
 * Does something under a lease that was renewed and would have ended without. On a slow machine time may run
 * out all the same: then nothing is proven, and a longer lease is tried.
 *
 * @param use names what it does at each try by the number of the try
 */
export async function underRenewedLease(
  harness: QueueHarness,
  use: (queue: Queue, lease: Lease, round: number) => Promise<void>,
): Promise<void> {
  const queue = await harness.open()
  for (const [round, slackMs] of [400, 1_600, 6_400].entries()) {
    const ttlMs = slackMs + 5 * queue.supports.orderPrecisionMs
    const lease = await taken(queue, `me for ${ttlMs}`, ttlMs)
    await harness.passTime(ttlMs * 0.6)
    const renewed = await lease.renew()
    const renewedAt = await queue.now()
    await harness.passTime(ttlMs * 0.6)
    const failure = await use(queue, lease, round).then(
      () => undefined,
      (error: unknown) => ({ error }),
    )
    if (renewed && failure === undefined) return
    const spentMs = (await queue.now()) - renewedAt
    if (renewed && spentMs < ttlMs - queue.supports.orderPrecisionMs) throw failure?.error
    await lease.release()
  }
  throw new Error(
    'the storage is too slow to tell whether a lease is kept: 6 s were not enough for a few calls',
  )
}
