import { SluiceError } from '@sluice/core'
import type { ManualRuntime } from '@sluice/testkit'
import type { Choices } from './choices.js'

export type Side = 'queue' | 'worker'

export interface Spell {
  readonly side: Side
  readonly what: 'refused' | 'answer-lost'
  /** Absent: for every service. */
  readonly service?: number
  readonly share: number
  readonly untilMonotonic: number
}

/**
 * Faults between the services and their queue and worker: for a time, and for a share of the calls, whatever
 * the calls are for.
 */
export class Faults {
  #spells: Spell[] = []
  readonly #runtime: ManualRuntime
  readonly #choices: Choices

  constructor(runtime: ManualRuntime, choices: Choices) {
    this.#runtime = runtime
    this.#choices = choices
  }

  begin(spell: Omit<Spell, 'untilMonotonic'>, ms: number): void {
    this.#spells.push({ ...spell, untilMonotonic: this.#runtime.monotonicMs() + ms })
  }

  /** Ends all faults. */
  end(): void {
    this.#spells = []
  }

  /** The fate of a call that a service makes now. */
  of(side: Side, service: number): 'well' | 'refused' | 'answer-lost' {
    const nowMonotonic = this.#runtime.monotonicMs()
    this.#spells = this.#spells.filter(({ untilMonotonic }) => untilMonotonic > nowMonotonic)
    for (const spell of this.#spells) {
      const isMeant = spell.side === side && (spell.service ?? service) === service
      if (isMeant && this.#choices.chance(spell.share)) return spell.what
    }
    return 'well'
  }
}

/** The error of a call that was refused, or whose answer was lost. */
export function outage(side: Side, method: string): SluiceError {
  const code = side === 'queue' ? 'SLUICE_QUEUE_UNAVAILABLE' : 'SLUICE_WORKER_UNAVAILABLE'
  return new SluiceError(
    code,
    `${method} of the ${side}: out of reach, as the play has it`,
    side === 'worker' ? { concerns: 'worker' } : {},
  )
}
