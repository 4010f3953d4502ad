import { SluiceError, type Queue } from '@sluice/core'
import { testedLinks } from '../../cases/troubles/link-run.js'
import type { LinkOptions, QueueHarness, SlowQueue } from '../../queue-harness.js'
import { interceptQueue, wrapQueue } from '../../queue-wrapping.js'
import { rewritten, slowOf, type QueueMutant } from '../queue-mutant.js'

/** What a request has for its answer in the mutant that is impatient. */
const FIXED_MS = 2_500
/** Fewer than a case has on any link. */
const CUT_ITEMS = 3

function onLinks(...verbs: readonly string[]): readonly string[] {
  return verbs.flatMap((verb) => testedLinks.map(({ id }) => `Q-END-1/${verb}-${id}`))
}

/** Queues that a slow link is too much for. */
export const linkMutants: readonly QueueMutant[] = [
  {
    id: 'link-impatient',
    title: 'a call has the same time whatever its size',
    breaks: onLinks('put', 'get', 'settle', 'read'),
    wrap: (harness) =>
      linked(harness, (slow, { bytesPerSecond }) => ({
        ...slow,
        queue: interceptQueue(slow.queue, async (call, method) => {
          const before = bytesOf(slow)
          const value = await call()
          if (((bytesOf(slow) - before) * 1_000) / bytesPerSecond > FIXED_MS) throw late(method, slow.queue)
          return value
        }),
      })),
  },
  {
    id: 'link-cut-loses',
    title: 'of what a claim took only so much is given as goes over the link',
    breaks: onLinks('get'),
    wrap: (harness) =>
      linked(harness, (slow) => ({
        ...slow,
        queue: wrapQueue(slow.queue, { get: async (max) => (await slow.queue.get(max)).slice(0, CUT_ITEMS) }),
      })),
  },
  {
    id: 'link-cut-is-the-end',
    title: 'a claim that is cut by bytes is followed by an empty one although there is more',
    breaks: onLinks('get'),
    wrap: (harness) =>
      linked(harness, (slow) => {
        let claims = 0
        return {
          ...slow,
          queue: wrapQueue(slow.queue, {
            get: async () => (claims++ % 2 === 0 ? slow.queue.get(CUT_ITEMS) : []),
          }),
        }
      }),
  },
  {
    id: 'link-page-cut-ends',
    title: 'a page that is cut by bytes has no cursor',
    breaks: onLinks('read'),
    wrap: (harness) =>
      linked(harness, (slow) => ({
        ...slow,
        queue: wrapQueue(slow.queue, {
          list: async (stage) => ({ items: (await slow.queue.list(stage, { limit: CUT_ITEMS })).items }),
        }),
      })),
  },
  {
    id: 'link-sends-again',
    title: 'everything is sent six times until it is taken',
    breaks: onLinks('put', 'get', 'settle'),
    wrap: (harness) =>
      linked(harness, (slow) => ({
        ...slow,
        passedBytes: () => {
          const { up, down } = slow.passedBytes()
          return { up: 6 * up, down: 6 * down }
        },
      })),
  },
]

function linked(
  harness: QueueHarness,
  rewrite: (slow: SlowQueue, link: LinkOptions) => SlowQueue,
): QueueHarness {
  return {
    ...rewritten(harness, (queue) => queue),
    openSlow: async (link) => rewrite(await slowOf(harness, link), link),
  }
}

function bytesOf(slow: SlowQueue): number {
  const { up, down } = slow.passedBytes()
  return up + down
}

function late(method: string, { name }: Queue): SluiceError {
  return new SluiceError(
    'SLUICE_QUEUE_UNAVAILABLE',
    `Cannot ${method} of queue ${JSON.stringify(name)}: no answer came in time. Try again`,
  )
}
