import type { JobReports, Logger } from '@sluice/core'
import { isComplete } from './running-jobs.js'
import type { WorkEvent } from '../work-event.js'

export interface PollStateOptions {
  readonly logger: Logger
  readonly emit: (event: WorkEvent) => void
}

/** The state of the worker's polls: whether jobs may start, and whether polls are incomplete. */
export class PollState {
  readonly #options: PollStateOptions
  #isIncomplete = false
  #mayStart = false

  constructor(options: PollStateOptions) {
    this.#options = options
  }

  /**
   * Whether a complete poll was read since this engine became the dispatcher. Before that, unknown jobs may
   * run, and the cap can't be kept.
   */
  get mayStart(): boolean {
    return this.#mayStart
  }

  /**
   * Another engine has worked in between. Incomplete polls are reported again: now they keep jobs from
   * starting.
   */
  noteNewDispatcher(): void {
    this.#mayStart = false
    this.#isIncomplete = false
  }

  /** Reports once when polls become incomplete, and once when they are complete again. */
  note(reports: JobReports): void {
    const isIncomplete = !isComplete(reports)
    this.#mayStart ||= !isIncomplete
    if (isIncomplete === this.#isIncomplete) return
    this.#isIncomplete = isIncomplete
    if (isIncomplete) this.#reportBegin(reports)
    else this.#reportEnd()
  }

  #reportBegin({ incompleteReason: reason }: JobReports): void {
    const { logger, emit } = this.#options
    const then = this.#mayStart
      ? 'missing jobs count as last known'
      : 'nothing starts before the first complete one'
    logger.warn({ reason }, `the worker’s poll is not complete: ${then}`)
    emit({ kind: 'poll-incomplete', ...(reason === undefined ? {} : { reason }) })
  }

  #reportEnd(): void {
    this.#options.logger.info({}, 'the worker’s poll is complete again')
    this.#options.emit({ kind: 'poll-complete' })
  }
}
