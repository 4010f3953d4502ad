import { isSluiceError, type Clock, type Logger } from '@sluice/core'
import type { JobName } from './job-name.js'
import type { ArgoWorkerSettings } from './options.js'

/** How many workflows wait at most. The others stay where they are, to be found by a look at what has finished. */
const MAX_WAITING = 10_000
/** How long it rests after a deletion that failed. */
const REST_MS = 5_000

export interface DeletionParts {
  readonly settings: Pick<ArgoWorkerSettings, 'deletionsPerSecond'>
  readonly clock: Clock
  readonly logger: Logger
  /** Deletes one workflow. @throws SluiceError when that failed */
  readonly remove: (job: JobName) => Promise<void>
}

/**
 * Deletes finished workflows one after the other, so many a second and never in a burst: each deletion costs Argo's controller a listing of
 * pods, of the few calls a second that it has. What still waits when the process ends is deleted by the next one.
 */
export class DeletionQueue {
  readonly #parts: DeletionParts
  readonly #closing = new AbortController()
  readonly #waiting = new Map<string, JobName>()
  #isRunning = false
  #isFailing = false
  #hasLeftSome = false
  #nextMs = Number.NEGATIVE_INFINITY

  constructor(parts: DeletionParts) {
    this.#parts = parts
  }

  /** Whether nothing waits. */
  get isIdle(): boolean {
    return this.#waiting.size === 0
  }

  /** Whether some were too many to wait, since this was asked last. */
  takeLeftSome(): boolean {
    const left = this.#hasLeftSome
    this.#hasLeftSome = false
    return left
  }

  /** It is deleted when its turn comes. */
  add(job: JobName): void {
    if (this.#waiting.size >= MAX_WAITING) {
      this.#hasLeftSome = true
      return
    }
    this.#waiting.set(job.workflow, job)
    if (this.#isRunning) return
    this.#isRunning = true
    void this.#run()
  }

  /** Nothing more is deleted. */
  close(): void {
    this.#closing.abort()
    this.#waiting.clear()
  }

  /** It never rejects: what fails is told, and tried again. */
  async #run(): Promise<void> {
    const { settings, clock } = this.#parts
    const gapMs = 1_000 / settings.deletionsPerSecond
    for (const job of this.#inTurn()) {
      const restMs = this.#nextMs - clock.monotonicMs()
      if (restMs > 0) await clock.sleep(restMs, this.#closing.signal)
      if (this.#closing.signal.aborted) break
      this.#nextMs = clock.monotonicMs() + gapMs
      await this.#delete(job)
    }
    this.#isRunning = false
  }

  *#inTurn(): Generator<JobName> {
    for (;;) {
      const [job] = this.#waiting.values()
      if (job === undefined) return
      yield job
    }
  }

  async #delete(job: JobName): Promise<void> {
    const { remove, logger, clock } = this.#parts
    this.#waiting.delete(job.workflow)
    try {
      await remove(job)
      this.#isFailing = false
    } catch (error) {
      if (this.#closing.signal.aborted) return
      const level = this.#isFailing ? 'debug' : 'warn'
      this.#isFailing = true
      logger[level](
        { err: error, workflow: job.workflow },
        'a finished workflow could not be deleted; it is tried again',
      )
      // To the end, behind those that may do better.
      this.#waiting.set(job.workflow, job)
      const askedMs = isSluiceError(error) ? (error.retryAfterMs ?? 0) : 0
      this.#nextMs = clock.monotonicMs() + Math.max(REST_MS, askedMs)
    }
  }
}
