import { MAX_PROCESSING_LIMIT, type ControlState, type Logger } from '@sluice/core'
import type { Tally } from './tick-result.js'
import type { WorkEvent } from '../work-event.js'

export interface ControlLogOptions {
  readonly logger: Logger
  readonly emit: (event: WorkEvent) => void
  /** The queue reads as paused for this engine, without a pause by an operator. */
  readonly drain: boolean
}

/** Reports what operators have changed, whenever the control is read. */
export class ControlLog {
  #paused = false
  #limits = '{}'
  readonly #options: ControlLogOptions

  constructor(options: ControlLogOptions) {
    this.#options = options
  }

  note(tally: Tally, { paused, reason, limits }: ControlState): void {
    tally.paused = paused
    this.#noteLimits(limits)
    const { emit, drain } = this.#options
    if (paused === this.#paused || drain) return
    this.#paused = paused
    if (!paused) emit({ kind: 'resumed' })
    else emit({ kind: 'paused', ...(reason === undefined ? {} : { reason }) })
  }

  #noteLimits(limits: ControlState['limits']): void {
    const before = this.#limits
    this.#limits = JSON.stringify(limits)
    if (this.#limits !== before) this.#options.logger.info({ limits }, textOf(limits))
  }
}

function textOf({ [MAX_PROCESSING_LIMIT]: atMost, ...others }: ControlState['limits']): string {
  const all = Object.entries(others).map(([name, value]) => `live limit ${name}: ${value}`)
  if (atMost !== undefined)
    all.unshift(`live limit: at most ${jobs(atMost)} at once, set by \`sluice limit\``)
  if (atMost === 0) all.push('no job starts until it is raised, or taken away by `sluice limit --reset`')
  return all.length === 0 ? 'no live limit is set: the configured one holds' : all.join('; ')
}

function jobs(count: number): string {
  return count === 1 ? '1 job' : `${count} jobs`
}
