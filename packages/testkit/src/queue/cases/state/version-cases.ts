import { STAGES, isSluiceError, type ItemRecord, type Queue } from '@sluice/core'
import { check, rejects, resolves, same } from '../../../check.js'
import type { QueueCase, QueueHarness } from '../../queue-harness.js'
import { oneInEach, settingsOf, taken } from '../../queue-walk.js'
import { everyCall } from '../troubles/every-call.js'

const LONG_MS = 600_000

/** Q-VERSION-1. */
export const versionCases: readonly QueueCase[] = [
  metCase({
    id: 'Q-VERSION-1',
    title:
      'a newer release has upgraded the storage: taking a lease rejects, every later call too, and nothing has changed',
    meet: async (queue) => {
      await rejectsAsNewer(queue.lease('dispatch', 'me', LONG_MS), 'a lease is refused')
    },
  }),
  metCase({
    id: 'Q-VERSION-1/a',
    title: 'renewing one that is held rejects, every later call too, and nothing has changed',
    prepare: async (queue) => {
      const lease = await taken(queue, 'me', LONG_MS)
      return async () => {
        await rejectsAsNewer(lease.renew(), 'a renewal is refused')
      }
    },
  }),
  metCase({
    id: 'Q-VERSION-1/b',
    title: 'a standby, which gets no lease anyway, is refused too',
    prepare: async (queue, harness) => {
      await taken(await harness.open(), 'another', LONG_MS)
      return async () => {
        await rejectsAsNewer(queue.lease('dispatch', 'me', LONG_MS), 'a standby is refused')
      }
    },
  }),
  {
    id: 'Q-VERSION-1/c',
    title: 'a queue that a newer release has upgraded cannot be opened',
    needs,
    async run(harness) {
      await oneInEach(await harness.open())
      const takeBack = await upgraded(harness)
      await rejectsAsNewer(harness.open(), 'opening is refused')
      await takeBack()
      await resolves(harness.open(), 'of its own version it can be opened')
    },
  },
]

interface Meeting {
  readonly id: string
  readonly title: string
  /** Done before the upgrade; it returns what is done after it. */
  readonly prepare?: (queue: Queue, harness: QueueHarness) => Promise<() => Promise<void>>
  readonly meet?: (queue: Queue) => Promise<void>
}

function metCase({ id, title, prepare, meet }: Meeting): QueueCase {
  return {
    id,
    title,
    needs,
    async run(harness) {
      const queue = await harness.open()
      await oneInEach(queue)
      const before = await stateOf(queue)
      const prepared = await prepare?.(queue, harness)
      const other = await (await harness.open()).lease('another', 'an older one', LONG_MS)
      if (other === undefined) throw new Error('a lease without a holder must be free')
      const takeBack = await upgraded(harness)
      await prepared?.()
      await meet?.(queue)
      for (const [name, call] of everyCall(queue, { lease: other }))
        await rejectsAsNewer(call(), `${name} is refused`)
      await takeBack()
      same(await stateOf(await harness.open()), before, 'nothing has changed')
      await rejectsAsNewer(queue.sizes(), 'what has met a newer release goes on no more')
    },
  }
}

function needs(_: unknown, harness: QueueHarness): string | undefined {
  return harness.upgrade === undefined ? 'the harness can’t mark the store as upgraded' : undefined
}

async function upgraded(harness: QueueHarness): Promise<() => Promise<void>> {
  const takeBack = await harness.upgrade?.()
  if (takeBack === undefined) throw new Error('the harness can’t mark the store as upgraded')
  return takeBack
}

async function rejectsAsNewer(call: Promise<unknown>, what: string): Promise<void> {
  await rejects(call, 'SLUICE_QUEUE_CORRUPT', what)
  const error: unknown = await call.catch((reason: unknown) => reason)
  check(isSluiceError(error) && !error.retryable, `${what}, not to be tried again`)
}

async function stateOf(queue: Queue): Promise<unknown> {
  const records: ItemRecord[] = []
  for (const stage of STAGES) records.push(...(await queue.list(stage, { limit: 10 })).items)
  return { records, settings: await settingsOf(queue), documents: await queue.documents() }
}
