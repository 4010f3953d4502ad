import type { ArgoTrouble } from './trouble.js'

/** The behaviour of a server that many unfinished workflows overload. */
export interface Overload {
  /** Up to this many unfinished workflows it is well. */
  readonly above: number
  /** How much longer each request takes for each workflow more, in ms. Default 10. */
  readonly latencyMs?: number
  /**
   * Above this many it refuses new workflows, alternately with 429 and 503: for each one more a fiftieth of
   * them, and above 50 more all. Default 1.25 times `above`.
   */
  readonly refusesAbove?: number
}

/** What an overloaded server does to a request. */
export interface OverloadEffect {
  readonly latencyMs: number
  /** Absent: it is carried out. */
  readonly trouble?: Extract<ArgoTrouble, 'rate-limited' | 'unavailable'>
}

/** By so many workflows the share of refusals grows from none to all. */
const REFUSED_RANGE = 50

/** The same requests are refused in every run: shares add up to whole refusals. */
export class OverloadState {
  /** `undefined`: the server is well with any number of workflows. */
  overload: Overload | undefined
  #share = 0
  #refusals = 0

  constructor(overload: Overload | undefined) {
    this.overload = overload
  }

  effectOn(isNew: boolean, unfinished: number): OverloadEffect {
    if (this.overload === undefined || unfinished <= this.overload.above) return { latencyMs: 0 }
    const { above, latencyMs = 10, refusesAbove = 1.25 * above } = this.overload
    const effect = { latencyMs: latencyMs * (unfinished - above) }
    if (!isNew || unfinished <= refusesAbove) return effect
    this.#share += Math.min(1, (unfinished - refusesAbove) / REFUSED_RANGE)
    if (this.#share < 1) return effect
    this.#share -= 1
    this.#refusals += 1
    return { ...effect, trouble: this.#refusals % 2 === 1 ? 'rate-limited' : 'unavailable' }
  }
}
