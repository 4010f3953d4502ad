import { setTimeout as pause } from 'node:timers/promises'
import { makeItems } from '../../adapter.ts'
import { answer, type Calls } from './helper.ts'
import { usage, type FeederReading } from './readings.ts'

/**
 * `depth`: keeps so many items that are not done · `rate`: puts so many each second · `bursts`: puts so many
 * at once whenever fewer than `below` are left · `off`: puts nothing.
 */
export type Feed =
  | { readonly kind: 'depth'; readonly items: number }
  | { readonly kind: 'rate'; readonly perSecond: number }
  | { readonly kind: 'bursts'; readonly items: number; readonly below: number }
  | { readonly kind: 'off' }

/** What is fed. */
export interface Fed {
  /** Resolves once they are stored, however often that was tried. */
  put(items: readonly { readonly id: string; readonly body: FedBody }[]): Promise<void>
  close(): Promise<void>
}

/** `at`: when it was put, by the clock of this machine. */
export type FedBody = Readonly<Record<string, string | number>> & { readonly at: number }

export interface FeedOptions {
  /** Of a body as JSON. Default: some 300 bytes, as `makeItems` gives them. */
  readonly bodyBytes?: number
  /** Items of one put. Default 1,000. */
  readonly batch?: number
  /** Puts that are under way together. Default 1, and 4 in a burst. */
  readonly together?: number
}

/** From one look to the next, where there is nothing to put. */
const STEP_MS = 5

/** Answers the calls of a feeder, and feeds. */
export function feedAll(fed: Fed, options: FeedOptions, more: Calls = {}): void {
  const feeding = new Feeding(fed, options)
  const running = feeding.run()
  answer({
    feed: (next: Feed) => feeding.turnTo(next),
    done: (count: number) => feeding.noteDone(count),
    putNow: (count: number) => feeding.putNow(count, 4),
    read: (): FeederReading => ({ put: feeding.put, cpuUs: usage().cpuUs }),
    end: async () => {
      feeding.end()
      await running
      await fed.close()
    },
    ...more,
  })
}

class Feeding {
  put = 0
  readonly #fed: Fed
  readonly #batch: number
  readonly #together: number
  readonly #bodyBytes: number | undefined
  #feed: Feed = { kind: 'off' }
  #done = 0
  #isEnded = false
  #step: Promise<void> = Promise.resolve()

  constructor(fed: Fed, { bodyBytes, batch = 1_000, together = 1 }: FeedOptions) {
    this.#fed = fed
    this.#batch = batch
    this.#together = together
    this.#bodyBytes = bodyBytes
  }

  /** Turned off, it resolves once nothing is being put any more. */
  async turnTo(feed: Feed): Promise<void> {
    this.#feed = feed
    if (feed.kind === 'off') await this.#step
  }

  noteDone(count: number): void {
    this.#done = count
  }

  end(): void {
    this.#isEnded = true
  }

  async run(): Promise<void> {
    while (!this.#isEnded) {
      this.#step = this.#putNext(this.#feed)
      await this.#step
    }
  }

  async #putNext(feed: Feed): Promise<void> {
    const left = this.put - this.#done
    if (feed.kind === 'rate') await this.#putAtRate(feed)
    else if (feed.kind === 'depth' && left < feed.items)
      await this.putNow(Math.min(this.#batch * this.#together, feed.items - left), this.#together)
    else if (feed.kind === 'bursts' && left < feed.below) await this.putNow(feed.items, 4)
    else await pause(STEP_MS)
  }

  async putNow(count: number, together: number): Promise<void> {
    let left = count
    const one = async (): Promise<void> => {
      while (left > 0) {
        const mine = Math.min(left, this.#batch)
        left -= mine
        await this.#putBatch(mine)
      }
    }
    await Promise.all(Array.from({ length: together }, one))
  }

  /** Until the feed changes. What it is behind by is put in the next batches. */
  async #putAtRate(feed: Feed & { readonly kind: 'rate' }): Promise<void> {
    const [startedAt, from] = [performance.now(), this.put]
    while (this.#feed === feed && !this.#isEnded) {
      const spent = (performance.now() - startedAt) / 1_000
      const due = Math.floor(spent * feed.perSecond) - (this.put - from)
      if (due > 0) await this.putNow(Math.min(due, this.#batch * this.#together), this.#together)
      else await pause(STEP_MS)
    }
  }

  async #putBatch(count: number): Promise<void> {
    const items = makeItems(count).map(({ id, body }) => ({ id, body: this.#bodyOf(body) }))
    await this.#fed.put(items)
    this.put += count
  }

  #bodyOf(body: Readonly<Record<string, string | number>>): FedBody {
    const at = Date.now()
    if (this.#bodyBytes === undefined) return { ...body, at }
    const pad = 'x'.repeat(Math.max(0, this.#bodyBytes - JSON.stringify({ at, pad: '' }).length))
    return { at, pad }
  }
}
