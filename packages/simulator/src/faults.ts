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
  readonly untilMs: number
}

/**
 * What goes wrong between the services and what they use: in spells, for a share of the calls. It knows
 * nothing of what the calls are for.
 */
export class Faults {
  #spells: Spell[] = []
  readonly #runtime: ManualRuntime
  readonly #choices: Choices

  constructor(runtime: ManualRuntime, choices: Choices) {
    this.#runtime = runtime
    this.#choices = choices
  }

  begin(spell: Omit<Spell, 'untilMs'>, ms: number): void {
    this.#spells.push({ ...spell, untilMs: this.#runtime.monotonicMs() + ms })
  }

  /** All is well from now on. */
  end(): void {
    this.#spells = []
  }

  /** What becomes of a call that a service makes now. */
  of(side: Side, service: number): 'well' | 'refused' | 'answer-lost' {
    const nowMs = this.#runtime.monotonicMs()
    this.#spells = this.#spells.filter(({ untilMs }) => untilMs > nowMs)
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
