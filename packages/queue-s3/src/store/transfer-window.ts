import { MIN_BYTES_PER_SECOND, requestTimeMs } from '@sluice/core'

/** So few bytes are no part of what a link carries: they wait for nothing. */
const SMALL_BYTES = 4_096
/** A transfer that took a smaller share of its time than the first lets the window grow, one that took more than the second makes it shrink. */
const QUICK_SHARE = 1 / 8
const SLOW_SHARE = 1 / 4
/** How far an expected size sinks with each smaller object: one large among some tens of small ones is still expected. */
const SINK = 0.97

export interface TransferEnd {
  /** From when it was sent until it ended. */
  readonly ms: number
  /** Both ways. */
  readonly bytes: number
  /** `late`: it was given up because its time was over. */
  readonly how: 'done' | 'late' | 'failed'
}

/** One request, from when it may be sent. */
export interface Transfer {
  /** Its answer has begun, and says how large it is. */
  answered(bytes: number): void
  ended(end: TransferEnd): void
}

/** What is known of a request's size beforehand: its own, or the kind of object that it reads. */
export type TransferSize = number | { readonly kind: string }

interface Waiting {
  readonly size: TransferSize
  /** @param reserved its bytes, as they are known by then */
  readonly admit: (reserved: number) => void
}

/**
 * Bounds the bytes that are under way at once, beside the bound on the number of requests, so that on a slow link each request goes on well within its
 * time, and what is sent is sent once. It starts with, and never falls below, what the slowest supported link ({@link MIN_BYTES_PER_SECOND}) carries
 * in half of `timeoutMs`; a single request goes in any case. From there it doubles while requests that fill it take a small share of their time, and
 * halves when one takes a large share. It goes by that share, not by latency as such: a storage that is slow to answer is no full link.
 *
 * Published limiters (Netflix' gradient, TCP Vegas, AIMD) bound a number of requests by their latency and know nothing of bytes: a claim's small
 * requests would be held up for the sake of large ones, and a limit learned from small ones would let a full window of large ones onto the link.
 */
export class TransferWindow {
  readonly #timeoutMs: number
  /** This and all other sizes here are whole numbers: sums of fractions don't come back to 0, and then nobody who waits for an empty window is let in. */
  readonly #leastBytes: number
  #bytes: number
  #underWay = 0
  #waiting: Waiting[] = []
  /** Counts shrinks: transfers that began before one say nothing of the window after it. */
  #epoch = 0
  /** Not even the least goes through: this is no full link, and waiting for one another would only make the outage longer. */
  #isSilent = false
  readonly #expected = new Map<string, number>()

  constructor(timeoutMs: number) {
    this.#timeoutMs = timeoutMs
    this.#leastBytes = Math.ceil((MIN_BYTES_PER_SECOND * timeoutMs) / 2_000)
    this.#bytes = this.#leastBytes
  }

  /** How many bytes may be under way at once. */
  get bytes(): number {
    return this.#bytes
  }

  /** Waits for room. Those who wait are let in in their order; what is small doesn't wait. */
  async enter(size: TransferSize): Promise<Transfer> {
    const kind = typeof size === 'number' ? undefined : size.kind
    const bytes = this.#reservedFor(size)
    if (bytes === 0 || (this.#waiting.length === 0 && this.#hasRoom(bytes))) {
      this.#underWay += bytes
      return this.#begun(bytes, kind)
    }
    const reserved = await new Promise<number>((admit) => {
      this.#waiting.push({ size, admit })
    })
    return this.#begun(reserved, kind)
  }

  #begun(reserved: number, kind: string | undefined): Transfer {
    const epoch = this.#epoch
    let held = reserved
    return {
      answered: (bytes) => {
        if (kind === undefined) return
        this.#expected.set(kind, Math.max(bytes, Math.floor((this.#expected.get(kind) ?? 0) * SINK)))
        const holds = bytes <= SMALL_BYTES ? 0 : bytes
        this.#underWay += holds - held
        held = holds
        this.#admit()
      },
      ended: (end) => {
        this.#underWay -= held
        if (kind !== undefined && !this.#expected.has(kind)) this.#expected.set(kind, this.#leastBytes)
        if (end.how === 'late' && held > 0) this.#shrink(epoch, this.#leastBytes)
        if (end.how === 'done') this.#judge(end, epoch)
        this.#admit()
      },
    }
  }

  /** Of a kind that is not known yet one goes alone: its answer says more when it begins. */
  #reservedFor(size: TransferSize): number {
    const bytes = typeof size === 'number' ? size : (this.#expected.get(size.kind) ?? this.#bytes)
    return bytes <= SMALL_BYTES ? 0 : bytes
  }

  #judge({ ms, bytes }: TransferEnd, epoch: number): void {
    this.#isSilent = false
    if (bytes <= SMALL_BYTES) return
    const share = ms / requestTimeMs(this.#timeoutMs, bytes)
    if (share > SLOW_SHARE && this.#bytes > this.#leastBytes) this.#shrink(epoch, this.#bytes / 2)
    if (share < QUICK_SHARE && this.#waiting.length > 0) this.#bytes += bytes
  }

  #shrink(epoch: number, bytes: number): void {
    if (epoch !== this.#epoch) return
    this.#isSilent = this.#bytes <= this.#leastBytes
    this.#bytes = Math.max(this.#leastBytes, Math.floor(bytes))
    this.#epoch += 1
  }

  #hasRoom(bytes: number): boolean {
    return this.#isSilent || this.#underWay === 0 || this.#underWay + bytes <= this.#bytes
  }

  #admit(): void {
    for (let next = this.#waiting[0]; next !== undefined; next = this.#waiting[0]) {
      const reserved = this.#reservedFor(next.size)
      if (reserved > 0 && !this.#hasRoom(reserved)) return
      this.#waiting.shift()
      this.#underWay += reserved
      next.admit(reserved)
    }
  }
}
