import { isSluiceError, type ErrorCode } from '@sluice/core'
import { check, refuses, rejects, resolves, same } from '../../../check.js'
import { posingAs } from '../../../odd-values.js'
import type { QueueCase } from '../../queue-harness.js'
import { bring, getOne, settingsOf, taken, written } from '../../queue-walk.js'
import { everyCall } from './every-call.js'

const BOUND_MS = 40_000

/** Q-CLOSE-1 and Q-DOWN-1. */
export const endCases: readonly QueueCase[] = [
  {
    id: 'Q-CLOSE-1',
    title: 'after close every call rejects SLUICE_QUEUE_CLOSED, and nothing is done',
    async run(harness) {
      const [queue, other] = [await harness.open(), await harness.open()]
      await bring(queue, 'a', 'PROCESSING')
      const kept = await written(queue, 'kept', 'before')
      const [lease, syncs] = [await taken(queue, 'me', 600_000), (await queue.control.read()).syncs]
      const document = queue.document('kept')
      await queue.close()
      for (const [name, call] of everyCall(queue, { lease })) {
        await rejectsWith(name, call, 'SLUICE_QUEUE_CLOSED')
      }
      await rejectsWith('a document from before', () => document.read(), 'SLUICE_QUEUE_CLOSED')
      same(await other.sizes(), { WAITING: 0, PROCESSING: 1, SUCCESS: 0, FAIL: 0 }, 'nothing came or moved')
      same(await settingsOf(other), { paused: false, limits: {} }, 'nothing was paused or limited')
      same((await other.control.read()).syncs, syncs, 'nor was a sync asked for')
      same(await other.document('kept').read(), kept, 'no document was written or removed')
      same(await other.documents(), ['kept'], 'and none came')
    },
  },
  {
    id: 'Q-CLOSE-1/a',
    title: 'close may be called again, and at once several times',
    async run(harness) {
      const queue = await harness.open()
      await queue.put('a', 1)
      await resolves(Promise.all([queue.close(), queue.close()]), 'two closes at once')
      await resolves(queue.close(), 'a third one later')
      await rejects(queue.get(1), 'SLUICE_QUEUE_CLOSED', 'it is closed')
    },
  },
  {
    id: 'Q-CLOSE-1/b',
    title: 'closing one Queue object leaves the others and the items alone',
    async run(harness) {
      const [first, second] = [await harness.open(), await harness.open()]
      await first.put('a', 1)
      await first.close()
      same((await getOne(second)).id, 'a', 'the other Queue object goes on')
      await second.success('a')
      const third = await harness.open()
      same(
        await third.lookupStatus('a'),
        'SUCCESS',
        'and one that is opened afterwards finds what was stored',
      )
    },
  },
  {
    id: 'Q-DOWN-1',
    title:
      'with the storage out of reach every call rejects SLUICE_QUEUE_UNAVAILABLE, retryable, in bounded time',
    needs: (_, harness) =>
      harness.openUnreachable === undefined ? 'the harness can’t put the storage out of reach' : undefined,
    async run(harness) {
      const queue = await harness.openUnreachable?.()
      if (queue === undefined) return
      const healthy = await harness.open()
      const lease = await taken(healthy, 'me', 600_000)
      await inTime(
        Promise.all(
          everyCall(queue, { lease }).map(([name, call]) =>
            rejectsWith(name, call, 'SLUICE_QUEUE_UNAVAILABLE'),
          ),
        ),
      )
      await resolves(queue.close(), 'it can still be closed')
      same(await healthy.sizes(), { WAITING: 0, PROCESSING: 0, SUCCESS: 0, FAIL: 0 }, 'nothing was stored')
      same(await healthy.documents(), [], 'no document either')
    },
  },
  {
    id: 'Q-DOWN-1/a',
    title: 'with the storage out of reach a wrong argument is a TypeError all the same',
    needs: (_, harness) =>
      harness.openUnreachable === undefined ? 'the harness can’t put the storage out of reach' : undefined,
    async run(harness) {
      const queue = await harness.openUnreachable?.()
      if (queue === undefined) return
      const end = await queue.put('', 1).then(
        () => 'it resolved',
        (error: unknown) => error,
      )
      check(end instanceof TypeError, 'put of an empty id is the caller’s mistake, not the storage’s', end)
      const document = queue.document('d')
      await refuses(() => document.write(posingAs(1n), { ifVersion: undefined }), 'a write of a BigInt too')
      await refuses(() => queue.release('a', { keepPlace: true, delayMs: 1 }), 'and a release that can’t be')
      await queue.close()
    },
  },
]

async function rejectsWith(name: string, call: () => Promise<unknown>, code: ErrorCode): Promise<void> {
  const pending = call()
  await rejects(pending, code, `${name} rejects with ${code}`)
  await pending.catch((error: unknown) => {
    const retryable = isSluiceError(error) && error.retryable
    same(retryable, code === 'SLUICE_QUEUE_UNAVAILABLE', `${name}: ${code} says whether to try again`)
  })
}

async function inTime(work: Promise<unknown>): Promise<void> {
  const late = Promise.withResolvers<never>()
  const timer = setTimeout(
    () => late.reject(new Error(`some call had not ended after ${BOUND_MS} ms: has the queue a timeout?`)),
    BOUND_MS,
  )
  try {
    await Promise.race([work, late.promise])
  } finally {
    clearTimeout(timer)
  }
}
