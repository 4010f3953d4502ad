import { MIN_BYTES_PER_SECOND, requestTimeMs } from '@sluice/core/backend'

/** Transfers of fewer bytes are no load for a link, and do not wait. */
const SMALL_BYTES = 4_096
/**
 * A transfer that took a smaller share of its time limit than the first grows the window; one that took more
 * than the second shrinks it.
 */
const QUICK_SHARE = 1 / 8
const SLOW_SHARE = 1 / 4
/**
 * The factor by which an expected size falls with each smaller object: one large among some tens of small
 * ones is still expected.
 */
const SINK = 0.97

export interface TransferEnd {
  /** From its sending until its end. */
  readonly ms: number
  /** Both ways. */
  readonly bytes: number
  /** `late`: it ran into its time limit. */
  readonly how: 'done' | 'late' | 'failed'
}

/** One request, from when it may be sent. */
export interface Transfer {
  /** Its answer has begun, with its size. */
  answered(bytes: number): void
  ended(end: TransferEnd): void
}

/** What is known of a request's size in advance: its own, or the kind of object that it reads. */
export type TransferSize = number | { readonly kind: string }

interface Waiting {
  readonly size: TransferSize
  /** @param reserved its bytes, as known by then */
  readonly admit: (reserved: number) => void
}

/**
 * Limits the bytes in flight, in addition to the number of requests, so that on a slow link each request
 * proceeds well within its time and is sent once. It starts with, and never falls below, what the slowest
 * supported link ({@link MIN_BYTES_PER_SECOND}) carries in half of `timeoutMs`; a single request may always
 * proceed. From there it doubles while requests that fill it take a small share of their time limit, and
 * halves when one takes a large share. It is controlled by that share, not by latency: a slow store is no
 * full link.
 *
 * Published limiters (Netflix' gradient, TCP Vegas, AIMD) bound a number of requests by their latency and
 * ignore their bytes: a claim's small requests would wait for large ones, and a limit learned from small ones
 * would admit a full window of large ones.
 */
export class TransferWindow {
  readonly #timeoutMs: number
  /**
   * This and all other sizes here are integers: sums of fractions do not return to 0, and a request that
   * waits for an empty window would wait for ever.
   */
  readonly #leastBytes: number
  #bytes: number
  #underWay = 0
  #waiting: Waiting[] = []
  /** Counts shrinks: transfers that began before one say nothing about the window after it. */
  #epoch = 0
  /** Not even the minimum gets through: this is no full link, and queueing would only prolong the outage. */
  #isSilent = false
  readonly #expected = new Map<string, number>()

  constructor(timeoutMs: number) {
    this.#timeoutMs = timeoutMs
    this.#leastBytes = Math.ceil((MIN_BYTES_PER_SECOND * timeoutMs) / 2_000)
    this.#bytes = this.#leastBytes
  }

  /** How many bytes may be in flight. */
  get bytes(): number {
    return this.#bytes
  }

  /** Waits for room, in order; small transfers don't wait. */
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

  /** An object of an unknown kind is read alone: its answer gives the size. */
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
