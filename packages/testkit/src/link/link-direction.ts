import { startTimer, type Timer } from '@sluice/core/backend'
import type { Runtime } from '@sluice/core'

/** The most that one timer passes on, where the process was busy for longer. */
const BURST_MS = 50
/**
 * Passed on at once, in turns: large enough to be cheap, small enough for a small message not to wait behind
 * a large one.
 */
const PART_BYTES = 16_384
const TIMER_MS = 2

export interface LinkSpeed {
  /** In each direction, shared by all connections. */
  readonly bytesPerSecond: number
  /** How much later than it was sent each byte arrives, each way. Default 0. */
  readonly latencyMs?: number
}

/** One connection's bytes that go one way. */
export interface Flow {
  /** Accepts what has arrived; `false`: it accepts no more until {@link LinkDirection.resume}. */
  readonly deliver: (bytes: Uint8Array) => boolean
  /** All that was sent before it has arrived. */
  readonly end: () => void
  /** Half of the waiting bytes have gone: more may be sent. */
  readonly drained: () => void
}

interface Queued {
  readonly flow: Flow
  parts: Uint8Array[]
  bytes: number
  isEnding: boolean
  isBlocked: boolean
}

interface OnItsWay {
  readonly queued: Queued
  /** Absent for the end of a flow. */
  readonly part?: Uint8Array
  readonly arrivesAtMonotonic: number
}

/**
 * One direction of a link: a token bucket that all flows share, each of them in turn, and then the latency.
 */
export class LinkDirection {
  readonly #bytesPerMs: number
  readonly #latencyMs: number
  readonly #flows = new Map<Flow, Queued>()
  /** Those with something to send, in the order of their turns. */
  #turns: Queued[] = []
  #onItsWay: OnItsWay[] = []
  #tokens = 0
  readonly #runtime: Runtime
  #filledAtMonotonic: number
  #timer: Timer | undefined
  #passed = 0

  constructor({ bytesPerSecond, latencyMs = 0 }: LinkSpeed, runtime: Runtime) {
    this.#runtime = runtime
    this.#filledAtMonotonic = runtime.monotonicMs()
    this.#bytesPerMs = bytesPerSecond / 1_000
    this.#latencyMs = latencyMs
  }

  /** Bytes that have gone through. */
  get passedBytes(): number {
    return this.#passed
  }

  /** @returns how many bytes of this flow wait for their turn now */
  send(flow: Flow, bytes: Uint8Array): number {
    const queued = this.#queuedOf(flow)
    for (let start = 0; start < bytes.byteLength; start += PART_BYTES)
      queued.parts.push(bytes.subarray(start, start + PART_BYTES))
    queued.bytes += bytes.byteLength
    this.#enter(queued)
    return queued.bytes
  }

  /** Ends a flow behind what it has sent. */
  end(flow: Flow): void {
    const queued = this.#queuedOf(flow)
    queued.isEnding = true
    this.#enter(queued)
  }

  /** Drops a flow with all that it has sent: its connection broke. */
  drop(flow: Flow): void {
    const queued = this.#flows.get(flow)
    this.#flows.delete(flow)
    this.#turns = this.#turns.filter((one) => one !== queued)
    this.#onItsWay = this.#onItsWay.filter((one) => one.queued !== queued)
  }

  resume(flow: Flow): void {
    const queued = this.#queuedOf(flow)
    queued.isBlocked = false
    this.#enter(queued)
  }

  #queuedOf(flow: Flow): Queued {
    const known = this.#flows.get(flow)
    if (known !== undefined) return known
    const queued = { flow, parts: [], bytes: 0, isEnding: false, isBlocked: false }
    this.#flows.set(flow, queued)
    return queued
  }

  #enter(queued: Queued): void {
    const hasWork = queued.parts.length > 0 || queued.isEnding
    if (!hasWork || queued.isBlocked || this.#turns.includes(queued)) return
    this.#turns.push(queued)
    this.#arm()
  }

  #arm(): void {
    if (this.#timer !== undefined) return
    this.#timer = startTimer(this.#runtime, { ms: TIMER_MS }, () => {
      this.#timer = undefined
      this.#pass()
    })
  }

  #pass(): void {
    const now = this.#runtime.monotonicMs()
    const mostTokens = Math.max(PART_BYTES, this.#bytesPerMs * BURST_MS)
    this.#tokens = Math.min(mostTokens, this.#tokens + (now - this.#filledAtMonotonic) * this.#bytesPerMs)
    this.#filledAtMonotonic = now
    for (let next = this.#turns[0]; next !== undefined && this.#tokens > 0; next = this.#turns[0]) {
      this.#turns.shift()
      this.#passOne(next, now)
    }
    this.#arrive(now)
    if (this.#turns.length > 0 || this.#onItsWay.length > 0) this.#arm()
  }

  #passOne(queued: Queued, now: number): void {
    const part = queued.parts.shift()
    const arrivesAtMonotonic = now + this.#latencyMs
    if (part !== undefined) {
      // What one part takes beyond the tokens, the next ones wait for.
      this.#tokens -= part.byteLength
      this.#passed += part.byteLength
      queued.bytes -= part.byteLength
      this.#onItsWay.push({ queued, part, arrivesAtMonotonic })
      if (queued.bytes < PART_BYTES * 2) queued.flow.drained()
    } else this.#onItsWay.push({ queued, arrivesAtMonotonic })
    if (part === undefined) queued.isEnding = false
    if (queued.parts.length > 0 || queued.isEnding) this.#turns.push(queued)
  }

  #arrive(now: number): void {
    for (let next = this.#onItsWay[0]; next && next.arrivesAtMonotonic <= now; next = this.#onItsWay[0]) {
      const { queued, part } = next
      this.#onItsWay.shift()
      if (part === undefined) queued.flow.end()
      else if (!queued.flow.deliver(part)) this.#block(queued)
    }
  }

  /** What is on its way to it still arrives, as with a window that has closed. */
  #block(queued: Queued): void {
    queued.isBlocked = true
    this.#turns = this.#turns.filter((one) => one !== queued)
  }
}
