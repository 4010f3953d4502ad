import { isSluiceError, type Runtime, type Logger } from '@sluice/core'
import { outsideCalls } from '../api/call-time.js'
import type { JobName } from './job-name.js'
import type { ArgoWorkerSettings } from '../options.js'
import { MAX_REST_MS } from '../api/rate-gate.js'

/** How many workflows wait at most. The others are found later, among the finished ones. */
const MAX_WAITING = 10_000
/**
 * The pause after a deletion that failed, in ms, and after one that is not permitted: that takes an
 * administrator.
 */
const REST_MS = 5_000
const DENIED_REST_MS = 300_000

/** Of the role of the worker's account. */
export const DELETE_RULE = '`{ apiGroups: [argoproj.io], resources: [workflows], verbs: [delete] }`'

export interface DeletionParts {
  readonly settings: Pick<ArgoWorkerSettings, 'deletionsPerSecond' | 'deleteGraceMs'>
  readonly runtime: Runtime
  readonly logger: Logger
  /** Deletes one workflow. @throws SluiceError when that failed */
  readonly remove: (job: JobName) => Promise<void>
}

interface Waiting {
  readonly job: JobName
  readonly dueAtMonotonic: number
}

/**
 * Deletes finished workflows one after the other, `deletionsPerSecond` and never in a burst: each deletion
 * costs Argo's controller a listing of pods, of the few calls a second that it has. None is deleted before
 * its grace is over: while the workflow is there, its name keeps a dispatcher that lags behind from starting
 * the job again [W-SEND-1]. What still waits when the process ends is deleted by the next one.
 */
export class DeletionQueue {
  readonly #parts: DeletionParts
  readonly #closing = new AbortController()
  readonly #waiting = new Map<string, Waiting>()
  #isRunning = false
  #isFailing = false
  #hasLeftSome = false
  #nextAtMonotonic = Number.NEGATIVE_INFINITY

  constructor(parts: DeletionParts) {
    this.#parts = parts
  }

  /** Whether more may wait. */
  get hasRoom(): boolean {
    return this.#waiting.size < MAX_WAITING
  }

  has(workflow: string): boolean {
    return this.#waiting.has(workflow)
  }

  /** Whether some were too many to wait, since this was asked last. */
  takeLeftSome(): boolean {
    const left = this.#hasLeftSome
    this.#hasLeftSome = false
    return left
  }

  /** It is deleted when its grace is over and its turn has come. */
  add(job: JobName): void {
    if (this.#waiting.has(job.workflow)) return
    if (!this.hasRoom) {
      this.#hasLeftSome = true
      return
    }
    const { settings, runtime } = this.#parts
    this.#waiting.set(job.workflow, { job, dueAtMonotonic: runtime.monotonicMs() + settings.deleteGraceMs })
    if (this.#isRunning) return
    this.#isRunning = true
    void outsideCalls(() => this.#run())
  }

  /** Nothing more is deleted. */
  close(): void {
    this.#closing.abort()
    this.#waiting.clear()
  }

  /** It never rejects: what fails is logged, and tried again. */
  async #run(): Promise<void> {
    const { settings, runtime } = this.#parts
    const gapMs = 1_000 / settings.deletionsPerSecond
    for (const { job, dueAtMonotonic } of this.#inTurn()) {
      const restMs = Math.max(dueAtMonotonic, this.#nextAtMonotonic) - runtime.monotonicMs()
      if (restMs > 0) await runtime.sleep(restMs, this.#closing.signal)
      if (this.#closing.signal.aborted) break
      this.#nextAtMonotonic = runtime.monotonicMs() + gapMs
      await this.#delete(job)
    }
    this.#isRunning = false
  }

  /** In the order in which they were added, which is that in which they are due. */
  *#inTurn(): Generator<Waiting> {
    for (;;) {
      const [first] = this.#waiting.values()
      if (first === undefined) return
      yield first
    }
  }

  async #delete(job: JobName): Promise<void> {
    const { remove, logger, runtime } = this.#parts
    this.#waiting.delete(job.workflow)
    try {
      await remove(job)
      this.#isFailing = false
    } catch (error) {
      if (this.#closing.signal.aborted) return
      const level = this.#isFailing ? 'debug' : 'warn'
      this.#isFailing = true
      const isDenied = isSluiceError(error, 'SLUICE_WORKER_DENIED')
      const hint = isDenied ? `: deleteFinished needs the rule ${DELETE_RULE}` : ''
      logger[level](
        { err: error, workflow: job.workflow },
        `a finished workflow could not be deleted; it is tried again${hint}`,
      )
      // To the end of the queue, behind those that may succeed.
      const nowMonotonic = runtime.monotonicMs()
      this.#waiting.set(job.workflow, { job, dueAtMonotonic: nowMonotonic })
      const askedMs = isSluiceError(error) ? Math.min(error.retryAfterMs ?? 0, MAX_REST_MS) : 0
      this.#nextAtMonotonic = nowMonotonic + Math.max(isDenied ? DENIED_REST_MS : REST_MS, askedMs)
    }
  }
}
