import {
  SluiceError,
  assertItemId,
  assertJson,
  checkOptions,
  isSluiceError,
  type Runtime,
  type JobRef,
  type JobReport,
  type JobReports,
  type JobSpec,
  type JsonValue,
  type NewJob,
  type ProbeSample,
  type ReadLogOptions,
  type CallOptions,
  type Worker,
  type WorkerSupports,
} from '@sluice/core'
import { DummyFaults, type DummyCall, type FaultOptions, type ItemTrouble } from './dummy-faults.js'
import { optionsSchema, type DummyWorkerOptions } from './dummy-options.js'
import { readJobLog } from './job-log.js'
import { jobFate, type JobRule } from './job-rule.js'
import { JobStore, type DummyJob } from './job-store.js'

/** How a job is to end. */
export type JobEnd = Pick<
  JobReport,
  'message' | 'result' | 'details' | 'leftOut' | 'url' | 'failureClass' | 'exitCode'
> & {
  readonly stage: 'SUCCESS' | 'FAIL'
}

/**
 * A worker that runs nothing: jobs are entries in a {@link JobStore}, and end by hand ({@link DummyWorker.settleJob}) or by a
 * rule. It keeps every promise of {@link Worker} within one process, and can be told to misbehave.
 *
 * @example
 * ```ts
 * import { DummyWorker } from '@sluice/worker-dummy'
 *
 * const worker = new DummyWorker({ name: 'tiles' })
 * await worker.sendJob('tile-1', null, { attempt: 1, uid: 'u1', queue: 'tiles' })
 * worker.settleJob('tile-1', { stage: 'SUCCESS', result: { bytes: 12 } })
 * const report = (await worker.pollAllStatus()).get('tile-1')
 * ```
 */
export class DummyWorker implements Worker {
  readonly name: string
  readonly supports: WorkerSupports
  /** As it was told: a store in memory is no place that another process could take for another one [W-ID-1]. */
  readonly identity: string | undefined
  readonly #store: JobStore
  readonly #rule: JobRule | undefined
  readonly #runtime: Pick<Runtime, 'now'>
  readonly #faults = new DummyFaults()
  /** What this object heard last: all that it knows of where a poll can't ask. */
  #lastKnown = new Map<string, JobReport>()
  #maxJobs = Number.POSITIVE_INFINITY
  #sentWell: ProbeSample | undefined
  readonly #closing = new AbortController()

  constructor(options: DummyWorkerOptions) {
    this.name = options.name
    this.identity = options.identity
    const { identity, maxJobsPerSend: maxJobs } = options
    this.supports = {
      ...SUPPORTS,
      identity: identity !== undefined,
      ...(maxJobs === undefined ? {} : { sendMany: { maxJobs } }),
    }
    this.#store = options.store ?? new JobStore()
    this.#runtime = options.runtime ?? Date
    this.#rule = ruleOf(options)
  }

  async sendJob(id: string, body: JsonValue, job: JobSpec): Promise<void> {
    assertItemId(id)
    assertJson(body)
    await this.#begin('sendJob', id)
    this.#start(id, job)
    this.#faults.after('sendJob', id)
    this.#sentWell = { id, body }
  }

  async sendMany(jobs: readonly NewJob[]): Promise<readonly (SluiceError | undefined)[]> {
    this.#checkMany(jobs)
    await this.#begin('sendMany')
    const outcomes = jobs.map(({ id, job }) => this.#faults.ofJob(id) ?? this.#tryStart(id, job))
    this.#faults.after('sendMany')
    this.#sentWell = jobs.findLast((_, index) => outcomes[index] === undefined) ?? this.#sentWell
    return outcomes
  }

  async probeSend(sample: ProbeSample | undefined = this.#sentWell): Promise<void> {
    await this.#begin('probeSend', sample?.id)
    if (sample === undefined) {
      const why = 'this object has sent none yet, and no sample was given'
      throw new SluiceError('SLUICE_WORKER_UNAVAILABLE', `Cannot probe the dummy worker: ${why}`)
    }
    this.#assertRoom('probe')
  }

  async pollAllStatus(): Promise<JobReports> {
    await this.#begin('pollAllStatus')
    if (this.#faults.isIncomplete()) return Object.assign(new Map(this.#lastKnown), INCOMPLETE)
    const jobs = new Map<string, JobReport[]>()
    for (const job of this.#ownJobs()) {
      const others = jobs.get(job.id) ?? []
      jobs.set(job.id, [...others, this.#report(job)])
    }
    const reports = new Map([...jobs].map(([id, all]) => [id, withEarlier(all)]))
    this.#lastKnown = new Map(reports)
    return reports
  }

  async lookupJob(job: JobRef): Promise<JobReport | undefined> {
    await this.#begin('lookupJob', job.id)
    const known = this.#store.find(this.name, job)
    return known === undefined ? undefined : this.#report(known)
  }

  async cancelJob(job: JobRef, reason: string): Promise<void> {
    await this.#begin('cancelJob', job.id)
    const known = this.#store.find(this.name, job)
    if (known === undefined || this.#report(known).stage !== 'PROCESSING') return
    this.#end(known, { stage: 'FAIL', message: reason, failureClass: 'killed' })
  }

  async acknowledgeJobs(jobs: readonly JobRef[]): Promise<void> {
    await this.#begin('acknowledgeJobs')
    for (const job of jobs) {
      const known = this.#store.find(this.name, job)
      // A job that runs is not forgotten, whoever asks: nobody would ever hear of its end.
      if (known === undefined || this.#report(known).stage === 'PROCESSING') continue
      known.report = this.#report(known)
      this.#store.forget(this.name, job)
      this.#forgetLastKnown(job)
    }
  }

  async *watch({ signal }: CallOptions = {}): AsyncGenerator<undefined, void, undefined> {
    this.#assertOpen('watch')
    const closing = this.#closing.signal
    const ended = signal === undefined ? closing : AbortSignal.any([signal, closing])
    let rung = false
    let answer = Promise.withResolvers<void>()
    const wake = (): void => {
      rung = true
      answer.resolve()
    }
    const unlisten = this.#store.listen(wake)
    ended.addEventListener('abort', wake)
    try {
      while (!ended.aborted) {
        if (!rung) await answer.promise
        rung = false
        answer = Promise.withResolvers<void>()
        if (!ended.aborted) yield undefined
      }
    } finally {
      unlisten()
      ended.removeEventListener('abort', wake)
    }
  }

  /** What was written by {@link DummyWorker.writeLog}, byte by byte [W-LOG-1]. */
  async *readLog(job: JobRef, options: ReadLogOptions = {}): AsyncGenerator<Uint8Array, void, undefined> {
    await this.#begin('readLog', job.id)
    yield* readJobLog(options, {
      job,
      closing: this.#closing.signal,
      assertOpen: () => this.#assertOpen('readLog'),
      find: () => this.#store.find(this.name, job),
      isOver: (known) => this.#report(known).stage !== 'PROCESSING',
      listen: (listener) => this.#store.listen(listener),
      endsByItself: this.#rule !== undefined,
    })
  }

  async check(): Promise<void> {
    await this.#begin('check')
  }

  async close(): Promise<void> {
    this.#closing.abort()
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close()
  }

  /**
   * Ends by hand a job of an item that runs.
   *
   * @param job which of them; default the one that was sent last
   * @throws TypeError when no such job of the item runs
   */
  settleJob(id: string, end: JobEnd, job?: Pick<JobRef, 'uid' | 'attempt'>): void {
    this.#end(this.#runningJob(id, job), end)
  }

  /**
   * Keeps the job of an item from beginning: it is pending, and `message` says what holds it up, until {@link DummyWorker.beginJob}.
   *
   * @throws TypeError when no job of the item runs
   */
  holdJob(id: string, message: string): void {
    this.#runningJob(id).pending = message
    this.#store.ring()
  }

  /**
   * Lets a job begin that was held.
   *
   * @throws TypeError when no job of the item runs
   */
  beginJob(id: string): void {
    this.#runningJob(id).pending = false
    this.#store.ring()
  }

  /**
   * Lets the job of an item that runs write so much more to its log.
   *
   * @param job which of them; default the one that was sent last
   * @throws TypeError when no such job of the item runs
   */
  writeLog(id: string, bytes: string | Uint8Array, job?: Pick<JobRef, 'uid' | 'attempt'>): void {
    const running = this.#runningJob(id, job)
    const before = running.log instanceof Buffer ? running.log : Buffer.alloc(0)
    running.log = Buffer.concat([before, Buffer.from(bytes)])
    this.#store.ring()
  }

  /** Takes the logs of an item's jobs away; the jobs stay known. */
  loseLog(id: string): void {
    for (const job of this.#store.known()) if (job.queue === this.name && job.id === id) job.log = 'gone'
    this.#store.ring()
  }

  /** Takes the jobs of an item away without a trace: the next poll and `lookupJob` know nothing of them. */
  loseJob(id: string): void {
    const known = [...this.#store.known()].filter((job) => job.queue === this.name && job.id === id)
    for (const job of known) this.#store.lose(this.name, job)
  }

  /** The jobs of this queue that run now, oldest first. */
  running(): JobRef[] {
    const running = [...this.#ownJobs()].filter((job) => this.#report(job).stage === 'PROCESSING')
    return running.map(({ id, uid, attempt }) => ({ id, uid, attempt }))
  }

  /** The next calls reject with SLUICE_WORKER_DENIED before they have any effect. */
  denyNext(times = 1): void {
    this.#faults.plan('denied', times)
  }

  /** The next calls reject with SLUICE_WORKER_UNAVAILABLE before they have any effect. */
  unavailableNext(times = 1, retryAfterMs?: number, options: Pick<FaultOptions, 'concerns'> = {}): void {
    this.#faults.plan('unavailable', times, {
      ...options,
      ...(retryAfterMs === undefined ? {} : { retryAfterMs }),
    })
  }

  /** From now on every call for this item that the trouble names rejects with SLUICE_WORKER_UNAVAILABLE; `none` ends that. */
  troubleItem(id: string, trouble: ItemTrouble | 'none' = { concerns: 'item' }): void {
    this.#faults.trouble(id, trouble === 'none' ? undefined : trouble)
  }

  /** Takes no new job while so many run, as a quota does: `sendJob` and `probeSend` then reject, `concerns: 'capacity'`. */
  limitJobs(maxJobs: number): void {
    this.#maxJobs = maxJobs
  }

  /** Calls of this kind don't answer from now on, and have no effect before `endTrouble`. */
  hang(call: DummyCall): void {
    this.#faults.hang(call)
  }

  /** The next jobs, of `sendJob` or at their places of `sendMany`, are refused with SLUICE_JOB_REJECTED. */
  rejectNext(times = 1): void {
    this.#faults.plan('rejected', times)
  }

  /** The next calls of `sendJob` or `sendMany` start their jobs, and yet reject with SLUICE_WORKER_UNAVAILABLE: the answer was lost. */
  loseAnswer(times = 1): void {
    this.#faults.plan('answer-lost', times)
  }

  /** The next polls can't ask for anything: they give what this object heard last, and say that they are not complete. */
  incompleteNext(times = 1): void {
    this.#faults.plan('incomplete', times)
  }

  /** All trouble that was ordered is over. */
  endTrouble(): void {
    this.#faults.clear()
  }

  async #begin(call: DummyCall, itemId?: string): Promise<void> {
    this.#assertOpen(call)
    this.#faults.before(call, itemId)
    await this.#faults.untilAnswered(call)
  }

  #checkMany(jobs: readonly NewJob[]): void {
    const { maxJobs = 0 } = this.supports.sendMany ?? {}
    if (jobs.length > maxJobs)
      throw new TypeError(`sendMany takes at most ${maxJobs} jobs, not ${jobs.length}`)
    for (const { id, body, job } of jobs) {
      assertItemId(id)
      assertJson(body)
      if (job.queue !== this.name) throw new TypeError(`this worker is of queue ${JSON.stringify(this.name)}`)
    }
  }

  /** @throws SluiceError where the job is not there yet and there is no capacity */
  #start(id: string, job: JobSpec): void {
    const { uid, attempt, queue } = job
    if (this.#store.find(this.name, job) === undefined) this.#assertRoom(`send item ${JSON.stringify(id)}`)
    this.#store.start({ id, uid, attempt, queue, startedAt: this.#runtime.now() })
    this.#lastKnown.set(id, { stage: 'PROCESSING', uid, attempt })
  }

  #tryStart(id: string, job: JobSpec): SluiceError | undefined {
    try {
      this.#start(id, job)
      return undefined
    } catch (error) {
      if (!isSluiceError(error)) throw error
      return error
    }
  }

  #assertRoom(attempted: string): void {
    // Not counted without need: of tens of thousands of jobs each send would look at all.
    if (this.#maxJobs === Number.POSITIVE_INFINITY || this.running().length < this.#maxJobs) return
    const why = `${this.#maxJobs} jobs run, as many as it takes`
    throw new SluiceError('SLUICE_WORKER_UNAVAILABLE', `Cannot ${attempted}: ${why}`, {
      concerns: 'capacity',
    })
  }

  #assertOpen(call: string): void {
    if (!this.#closing.signal.aborted) return
    const attempted = `${call} of the dummy worker of ${JSON.stringify(this.name)}`
    throw new SluiceError('SLUICE_WORKER_CLOSED', `${attempted}: it was closed; open another`)
  }

  *#ownJobs(): Iterable<DummyJob> {
    for (const job of this.#store.jobs()) if (job.queue === this.name) yield job
  }

  #runningJob(id: string, wanted?: Pick<JobRef, 'uid' | 'attempt'>): DummyJob {
    const { uid, attempt } = wanted ?? {}
    const running = this.running().findLast(
      (one) => one.id === id && one.uid === (uid ?? one.uid) && one.attempt === (attempt ?? one.attempt),
    )
    const job = running && this.#store.find(this.name, running)
    if (job === undefined) throw new TypeError(`no job of item ${JSON.stringify(id)} runs: send one first`)
    return job
  }

  #forgetLastKnown({ id, uid, attempt }: JobRef): void {
    const known = this.#lastKnown.get(id)
    if (known?.uid === uid && known.attempt === attempt) this.#lastKnown.delete(id)
  }

  #end(job: DummyJob, end: JobEnd): void {
    const { uid, attempt, startedAt, jobUid } = job
    job.report = { ...end, ...present(jobUid), uid, attempt, startedAt, finishedAt: this.#runtime.now() }
    this.#store.ring()
  }

  #report(job: DummyJob): JobReport {
    if (job.report !== undefined) return job.report
    const { id, uid, attempt, startedAt, pending, jobUid } = job
    const running: JobReport = { stage: 'PROCESSING', uid, attempt, startedAt, ...present(jobUid) }
    if (typeof pending === 'string') return { ...running, pending: true, message: pending }
    const begun: JobReport = pending === false ? { ...running, pending } : running
    if (this.#rule === undefined) return begun
    const fate = jobFate(this.#rule, id, attempt)
    const finishedAt = startedAt + fate.afterMs
    const nowMs = this.#runtime.now()
    if (startedAt + fate.pendingMs > nowMs)
      return { ...running, pending: true, message: 'pending by the rule' }
    if (finishedAt > nowMs) return this.#rule.pendingMs === undefined ? begun : { ...running, pending: false }
    if (!fate.fails) return { ...running, stage: 'SUCCESS', finishedAt }
    return { ...running, stage: 'FAIL', finishedAt, message: 'failed by the rule', failureClass: 'failed' }
  }
}

const SUPPORTS: WorkerSupports = {
  durable: false,
  lookupJob: true,
  cancelJob: true,
  watch: true,
  pending: true,
  incompletePolls: true,
  probeSend: true,
  readLog: true,
}

function present(jobUid: string | undefined): Pick<JobReport, 'jobUid'> {
  return jobUid === undefined ? {} : { jobUid }
}

/** The report of the uid that was sent last, at its latest attempt, with the others that are unfinished. */
function withEarlier(all: readonly JobReport[]): JobReport {
  const uid = all.at(-1)?.uid
  const own = all.filter((report) => report.uid === uid)
  const latest = own.reduce((one, other) => (other.attempt > one.attempt ? other : one))
  const earlier = all.filter((report) => report !== latest && report.stage === 'PROCESSING')
  return earlier.length === 0 ? latest : { ...latest, earlier }
}

const INCOMPLETE = { complete: false, incompleteReason: 'the dummy can ask for nothing, as a test ordered' }

function ruleOf({ rule, seed }: DummyWorkerOptions): JobRule | undefined {
  if (rule === undefined) return undefined
  const { afterMs, failRate = 0, pendingMs } = rule
  return {
    afterMs,
    failRate,
    seed: rule.seed ?? seed ?? 1,
    ...(pendingMs === undefined ? {} : { pendingMs }),
  }
}

/**
 * Opens a dummy worker, its options checked.
 *
 * @param options see {@link DummyWorkerOptions}
 * @throws SluiceError SLUICE_CONFIG_INVALID when they are wrong
 */
export async function openWorker(options: unknown): Promise<DummyWorker> {
  return new DummyWorker(await checkOptions(optionsSchema, options, '@sluice/worker-dummy'))
}
