import { SluiceError, type JobOverrides, type JobRef, type JobReport, type Runtime } from '@sluice/core'
import { jobFate, type JobRule } from './job-rule.js'
import type { DummyJob, JobTable } from './job-table.js'

/** How a job is to end. */
export type JobEnd = Pick<
  JobReport,
  'message' | 'result' | 'details' | 'leftOut' | 'url' | 'failureClass' | 'exitCode'
> & {
  readonly stage: 'SUCCESS' | 'FAIL'
}

/** One of several jobs of an item. */
export type WhichJob = Pick<JobRef, 'uid' | 'attempt'>

interface QueueJobsParts {
  readonly queue: string
  readonly table: JobTable
  readonly rule: JobRule | undefined
  readonly runtime: Runtime
}

/** The jobs of one queue, as one worker sees them: what a rule says of them is found out by its runtime. */
export class QueueJobs {
  readonly #parts: QueueJobsParts
  #maxRunning = Number.POSITIVE_INFINITY

  constructor(parts: QueueJobsParts) {
    this.#parts = parts
  }

  /** No job starts while this many run. */
  limit(maxRunning: number): void {
    this.#maxRunning = maxRunning
  }

  find(job: WhichJob): DummyJob | undefined {
    return this.#parts.table.find(this.#parts.queue, job)
  }

  /** Starts a job unless it was started before; one that was needs no capacity. */
  start({ id, uid, attempt, overrides }: JobRef & { readonly overrides?: JobOverrides }): void {
    const { queue, table, runtime } = this.#parts
    if (this.find({ uid, attempt }) === undefined) this.assertCapacity(`send item ${JSON.stringify(id)}`)
    const given = overrides === undefined ? {} : { overrides }
    table.start({ id, uid, attempt, queue, startedAt: runtime.now(), ...given })
  }

  /** @throws SluiceError SLUICE_WORKER_UNAVAILABLE when as many jobs run as the limit allows */
  assertCapacity(attempted: string): void {
    // Without a limit they are not counted: each send would read all of tens of thousands of jobs.
    if (this.#maxRunning === Number.POSITIVE_INFINITY || this.running().length < this.#maxRunning) return
    const why = `${this.#maxRunning} jobs run, the most that it takes`
    throw new SluiceError('SLUICE_WORKER_UNAVAILABLE', `Cannot ${attempted}: ${why}`, {
      concerns: 'capacity',
    })
  }

  /** Those that are not acknowledged, oldest first. */
  *all(): Iterable<DummyJob> {
    for (const job of this.#parts.table.jobs()) if (job.queue === this.#parts.queue) yield job
  }

  /** Those of an item, acknowledged ones included. */
  ofItem(id: string): DummyJob[] {
    const { table, queue } = this.#parts
    return [...table.known()].filter((job) => job.queue === queue && job.id === id)
  }

  running(): JobRef[] {
    const running = [...this.all()].filter((job) => this.report(job).stage === 'PROCESSING')
    return running.map(({ id, uid, attempt }) => ({ id, uid, attempt }))
  }

  /** @throws TypeError when no such job of the item runs */
  runningOf(id: string, wanted: Partial<WhichJob> = {}): DummyJob {
    const { uid, attempt } = wanted
    const running = this.running().findLast(
      (one) => one.id === id && one.uid === (uid ?? one.uid) && one.attempt === (attempt ?? one.attempt),
    )
    const job = running && this.find(running)
    if (job === undefined) throw new TypeError(`no job of item ${JSON.stringify(id)} runs: send one first`)
    return job
  }

  end(job: DummyJob, end: JobEnd): void {
    const { uid, attempt, startedAt } = job
    const finishedAt = this.#parts.runtime.now()
    job.report = { ...end, ...present(job), uid, attempt, startedAt, finishedAt }
    this.#parts.table.changes.notify()
  }

  /** Of a job that has ended: so that no rule can say anything else later. */
  acknowledge(job: DummyJob): void {
    job.report = this.report(job)
    this.#parts.table.acknowledge(this.#parts.queue, job)
  }

  lose(job: DummyJob): void {
    this.#parts.table.lose(this.#parts.queue, job)
  }

  report(job: DummyJob): JobReport {
    if (job.report !== undefined) return job.report
    const { uid, attempt, startedAt, pending } = job
    const running: JobReport = { stage: 'PROCESSING', uid, attempt, startedAt, ...present(job) }
    if (typeof pending === 'string') return { ...running, pending: true, message: pending }
    const begun: JobReport = pending === false ? { ...running, pending } : running
    const { rule, runtime } = this.#parts
    return rule === undefined ? begun : ruled(job, { begun, running, rule, nowAt: runtime.now() })
  }
}

interface Ruled {
  readonly begun: JobReport
  readonly running: JobReport
  readonly rule: JobRule
  readonly nowAt: number
}

function ruled({ id, attempt, startedAt }: DummyJob, { begun, running, rule, nowAt }: Ruled): JobReport {
  const fate = jobFate(rule, id, attempt)
  const finishedAt = startedAt + fate.afterMs
  if (startedAt + fate.pendingMs > nowAt) return { ...running, pending: true, message: 'pending by the rule' }
  if (finishedAt > nowAt) return rule.pendingMs === undefined ? begun : { ...running, pending: false }
  if (!fate.fails) return { ...running, stage: 'SUCCESS', finishedAt }
  return { ...running, stage: 'FAIL', finishedAt, message: 'failed by the rule', failureClass: 'failed' }
}

function present({ jobUid, overrides }: DummyJob): Pick<JobReport, 'jobUid' | 'overrides'> {
  return { ...(jobUid === undefined ? {} : { jobUid }), ...(overrides === undefined ? {} : { overrides }) }
}
