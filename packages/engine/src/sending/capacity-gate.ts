import type { SluiceError } from '@sluice/core'
import { backoffMs } from '../policies/backoff.js'

/** When a full worker gets another send although no job has ended. */
const ASK_AGAIN = { baseMs: 1_000, factor: 2, maxMs: 30_000, jitter: 0 }

/** A time in which the worker is full. */
interface Spell {
  message: string
  /** Refusals since the last accepted send. */
  refusals: number
  askAtMonotonic: number
  refusedAtMonotonic: number
  /** How many sends try it at once. */
  width: number
}

/**
 * Slows sends down while the worker is full, to about the rate at which it has room: as many sends as jobs
 * have ended, and now and then one more, which finds out whether there is more room. Each pass without a
 * refusal doubles these.
 */
export class CapacityGate {
  readonly #fullWidth: number
  #spell: Spell | undefined
  #ended = 0
  #refusedInPass = false
  #sentInPass = 0
  #endedBefore = 0

  /** @param fullWidth sends at once when there is no spell */
  constructor(fullWidth: number) {
    this.#fullWidth = fullWidth
  }

  /** The worker's message while it is full. */
  get message(): string | undefined {
    return this.#spell?.message
  }

  noteEnded(jobs: number): void {
    if (this.#spell !== undefined) this.#ended += jobs
  }

  beginPass(): void {
    this.#refusedInPass = false
    this.#sentInPass = 0
  }

  /** How many sends may be in flight, once ended jobs are settled. */
  places(nowMonotonic: number): number {
    this.#endedBefore = this.#ended
    if (this.#spell === undefined) return Number.POSITIVE_INFINITY
    return this.#ended + (nowMonotonic >= this.#spell.askAtMonotonic ? this.#spell.width : 0)
  }

  noteSent(): void {
    this.#sentInPass += 1
    this.#ended = Math.max(0, this.#ended - 1)
    if (this.#spell !== undefined) this.#spell.refusals = 0
  }

  /** @returns whether a spell begins by it */
  noteRefused({ message }: SluiceError, nowMonotonic: number): boolean {
    const begins = this.#spell === undefined
    const refusals = this.#refusedInPass ? (this.#spell?.refusals ?? 1) : (this.#spell?.refusals ?? 0) + 1
    const askAtMonotonic = nowMonotonic + backoffMs(ASK_AGAIN, refusals, () => 0)
    this.#spell = { message, refusals, askAtMonotonic, refusedAtMonotonic: nowMonotonic, width: 1 }
    this.#refusedInPass = true
    this.#ended = 0
    return begins
  }

  /**
   * @param leavesUnsent items are left that could not be sent
   * @returns whether the spell is over
   */
  endPass(leavesUnsent: boolean, nowMonotonic: number): boolean {
    if (this.#spell === undefined || this.#refusedInPass) return false
    // As many sends as jobs that ended do not show more room.
    if (this.#sentInPass > this.#endedBefore) this.#spell.width *= 2
    const isIdle = this.#sentInPass === 0 && !leavesUnsent
    const isLongAgo = nowMonotonic - this.#spell.refusedAtMonotonic > ASK_AGAIN.maxMs && !leavesUnsent
    if (this.#spell.width < this.#fullWidth && !isIdle && !isLongAgo) return false
    this.#spell = undefined
    this.#ended = 0
    return true
  }
}
