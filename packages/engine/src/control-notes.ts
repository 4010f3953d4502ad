import type { ControlState, Logger } from '@sluice/core'
import type { Tally } from './tick-result.js'
import type { WorkEvent } from './work-event.js'

/** Tells of what operators have changed, whenever the control is read. */
export class ControlNotes {
  #paused = false
  #limits = '{}'
  readonly #logger: Logger
  readonly #emit: (event: WorkEvent) => void

  constructor(logger: Logger, emit: (event: WorkEvent) => void) {
    this.#logger = logger
    this.#emit = emit
  }

  note(tally: Tally, { paused, reason, limits }: ControlState): void {
    tally.paused = paused
    this.#noteLimits(limits)
    if (paused === this.#paused) return
    this.#paused = paused
    if (!paused) this.#emit({ kind: 'resumed' })
    else this.#emit({ kind: 'paused', ...(reason === undefined ? {} : { reason }) })
  }

  #noteLimits(limits: ControlState['limits']): void {
    const before = this.#limits
    this.#limits = JSON.stringify(limits)
    if (this.#limits !== before) this.#logger.info({ limits }, textOf(limits))
  }
}

function textOf(limits: ControlState['limits']): string {
  const all = Object.entries(limits).map(([name, value]) => `${name} ${value}`)
  return all.length === 0
    ? 'no live limit is set: the configured ones hold'
    : `live limits: ${all.join(', ')}`
}
