import type { JsonValue, NewItem, Queue, QueueSupports } from '@sluice/core'
import { check, resolves } from '../../../check.js'
import type { CallSize, LinkOptions, QueueCase, QueueHarness, SlowQueue } from '../../queue-harness.js'

/** A busy machine may be so much late. */
const SLACK_MS = 5_000
/** So much of what a call moves may be sent again, and as protocol beside it. */
const MOST_TIMES = 1.25
const PROTOCOL_BYTES = 300_000

/** Of each body, result or details, as JSON. */
export const LARGE_BYTES = 1_000_000

/** A link, and how many large values it carries in well under ten seconds. */
export interface TestedLink extends LinkOptions {
  readonly id: string
  readonly name: string
  readonly count: number
}

export const testedLinks: readonly TestedLink[] = [
  { id: '5mb', name: '5 MB/s', bytesPerSecond: 5_000_000, latencyMs: 5, count: 30 },
  { id: '1mb', name: '1 MB/s', bytesPerSecond: 1_000_000, latencyMs: 5, count: 8 },
]

/** What a case does on a link. */
export type OnLink = (link: LinkedQueue, healthy: Queue) => Promise<void>

/** One case for each link. */
export function linkCase(verb: string, title: string, onLink: OnLink): readonly QueueCase[] {
  return testedLinks.map((tested) => ({
    id: `Q-END-1/${verb}-${tested.id}`,
    title: `over a link of ${tested.name}, ${title}`,
    needs: needsLink,
    run: async (harness) => {
      const healthy = await harness.open()
      const slow = await harness.openSlow?.(tested)
      if (slow === undefined) throw new Error('the harness can’t put a queue behind a link')
      await onLink(new LinkedQueue(slow, tested.count), healthy)
    },
  }))
}

function needsLink(_: QueueSupports, harness: QueueHarness): string | undefined {
  return harness.openSlow === undefined ? 'there is no link between the queue and its storage' : undefined
}

/** Calls over a link, each of which must succeed within the time that the queue states. */
export class LinkedQueue {
  /** How many large values the link carries in the time of a case. */
  readonly count: number
  readonly #slow: SlowQueue

  constructor(slow: SlowQueue, count: number) {
    this.#slow = slow
    this.count = count
  }

  /** @param what of the promise, such as `putMany` */
  async call<T>(what: string, size: CallSize, run: (queue: Queue) => Promise<T>): Promise<T> {
    const { queue, timeMs } = this.#slow
    const limitMs = timeMs(size) + SLACK_MS
    const late = Promise.withResolvers<never>()
    const message = `${what} of ${size.bytes} bytes ends within its documented time, ${Math.round(limitMs)} ms`
    const timer = setTimeout(() => late.reject(new Error(message)), limitMs)
    try {
      return await resolves(
        Promise.race([run(queue), late.promise]),
        `${what} of ${size.bytes} bytes succeeds`,
      )
    } finally {
      clearTimeout(timer)
    }
  }

  /** Throws unless what went one way, since `before` bytes, is about what had to. */
  checkSentOnce(way: 'up' | 'down', bytes: number, before: number): void {
    const sent = this.passed(way) - before
    check(sent <= bytes * MOST_TIMES + PROTOCOL_BYTES, `${bytes} bytes are sent about once`, sent)
  }

  passed(way: 'up' | 'down'): number {
    return this.#slow.passedBytes()[way]
  }
}

/** A large value that no other item has. */
export function largeOf(id: string): JsonValue {
  return `${id}:`.padEnd(LARGE_BYTES - 2, '.')
}

export function largeItems(count: number): NewItem[] {
  return Array.from({ length: count }, (_, index) => ({ id: `i${index}`, body: largeOf(`i${index}`) }))
}
