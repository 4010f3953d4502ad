import type { JobReports, Logger } from '@sluice/core'
import { isComplete } from './running-jobs.js'
import type { WorkEvent } from '../work-event.js'

export interface PollStateOptions {
  readonly logger: Logger
  readonly emit: (event: WorkEvent) => void
}

/** What is known of the worker's polls: whether jobs may start on them, and whether a spell of incomplete ones is under way. */
export class PollState {
  readonly #options: PollStateOptions
  #isIncomplete = false
  #mayStart = false

  constructor(options: PollStateOptions) {
    this.#options = options
  }

  /**
   * Whether a complete poll was read since this engine became the dispatcher. Before that, jobs may run that it has never heard of, and
   * the cap can't be held to.
   */
  get mayStart(): boolean {
    return this.#mayStart
  }

  /** Another engine has worked in between. A spell that goes on is told of again: now it keeps jobs from starting. */
  noteNewDispatcher(): void {
    this.#mayStart = false
    this.#isIncomplete = false
  }

  /** Tells once when a spell begins, and once when it is over. */
  note(reports: JobReports): void {
    const isIncomplete = !isComplete(reports)
    this.#mayStart ||= !isIncomplete
    if (isIncomplete === this.#isIncomplete) return
    this.#isIncomplete = isIncomplete
    if (isIncomplete) this.#tellBegin(reports)
    else this.#tellEnd()
  }

  #tellBegin({ incompleteReason: reason }: JobReports): void {
    const { logger, emit } = this.#options
    const then = this.#mayStart
      ? 'what it lacks counts as last known'
      : 'nothing starts before the first complete one'
    logger.warn({ reason }, `the worker’s poll is not complete: ${then}`)
    emit({ kind: 'poll-incomplete', ...(reason === undefined ? {} : { reason }) })
  }

  #tellEnd(): void {
    this.#options.logger.info({}, 'the worker’s poll is complete again')
    this.#options.emit({ kind: 'poll-complete' })
  }
}
