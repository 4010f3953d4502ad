import { randomUUID } from 'node:crypto'
import { setImmediate as turn } from 'node:timers/promises'
import {
  SluiceError,
  isSluiceError,
  type JobOverrides,
  type JobRef,
  type JobReport,
  type JobSpec,
  type JsonValue,
  type NewJob,
  type Worker,
} from '@sluice/core'
import { assertCount, assertItemId } from '@sluice/core/backend'
import type { WorkerHarness } from '../src/index.js'

interface TinyJob {
  readonly ref: JobRef
  readonly queue: string
  report: JobReport
  acknowledged: boolean
  starts: number
  log: Buffer | undefined
}

/** What stands between one tiny worker and its place. */
interface Obstruction {
  isThere: boolean
}

type Call = 'sendJob' | 'probeSend' | 'other'
/** Called as each call begins, and as a send ends. */
type Trouble = (call: Call, itemId?: string) => void

const MAX_JOBS = 5
const REFUSED_BODY = 'a body that this worker can never accept'

/** Where the jobs of tiny workers run: it outlives them, as a cluster would. */
class TinyPlace {
  readonly identity = randomUUID()
  readonly jobs = new Map<string, TinyJob>()
  #started = 0

  find(queue: string, job: JobRef): TinyJob | undefined {
    return this.jobs.get(JSON.stringify([queue, job.id, job.uid, job.attempt]))
  }

  start(queue: string, { id, uid, attempt }: JobRef, overrides?: JobOverrides): void {
    if (this.find(queue, { id, uid, attempt })) return
    this.jobs.set(JSON.stringify([queue, id, uid, attempt]), {
      ref: { id, uid, attempt },
      queue,
      report: {
        stage: 'PROCESSING',
        uid,
        attempt,
        jobUid: `job ${++this.#started}`,
        ...(overrides && { overrides }),
      },
      acknowledged: false,
      starts: 1,
      log: Buffer.alloc(0),
    })
  }

  all(job: JobRef): TinyJob[] {
    return [...this.jobs.values()].filter(
      ({ ref }) => ref.id === job.id && ref.uid === job.uid && ref.attempt === job.attempt,
    )
  }
}

/** The smallest worker that keeps the contract. */
function tinyWorker(
  place: TinyPlace,
  name: string,
  trouble: Trouble = () => undefined,
  obstruction: Obstruction = { isThere: false },
): Worker {
  let closed = false
  let lastKnown = new Map<string, JobReport>()
  let sentWell = false
  const begin = (call: Call = 'other', itemId?: string) => {
    if (closed) throw new SluiceError('SLUICE_WORKER_CLOSED', 'it is closed')
    trouble(call, itemId)
  }
  const start = (id: string, body: JsonValue, job: JobSpec) => {
    const ref = { id, uid: job.uid, attempt: job.attempt }
    // One that is there needs no capacity.
    begin(place.find(name, ref) === undefined ? 'sendJob' : 'other', id)
    if (body === REFUSED_BODY) throw new SluiceError('SLUICE_JOB_REJECTED', 'never')
    place.start(name, ref, job.overrides)
    trouble('other')
    sentWell = true
  }
  const outcomeOf = ({ id, body, job }: NewJob) => {
    try {
      start(id, body, job)
      return undefined
    } catch (error) {
      if (!isSluiceError(error) || error.code === 'SLUICE_WORKER_CLOSED') throw error
      return error
    }
  }
  return {
    name,
    identity: place.identity,
    supports: {
      durable: true,
      lookupJob: true,
      cancelJob: true,
      watch: true,
      sendMany: { maxJobs: MAX_JOBS },
      pending: true,
      incompletePolls: true,
      probeSend: true,
      checkItem: true,
      identity: true,
      readLog: true,
      overrides: true,
    },
    async sendJob(id: string, body: JsonValue, job: JobSpec) {
      assertItemId(id)
      start(id, body, job)
    },
    async sendMany(jobs) {
      if (jobs.length > MAX_JOBS) throw new TypeError('too many jobs')
      for (const { id, job } of jobs) {
        assertItemId(id)
        if (job.queue !== name) throw new TypeError('another queue')
      }
      return jobs.map(outcomeOf)
    },
    async probeSend(sample) {
      begin('probeSend', sample?.id)
      if (sample === undefined && !sentWell) throw new SluiceError('SLUICE_WORKER_UNAVAILABLE', 'no sample')
    },
    async checkItem(id, body) {
      assertItemId(id)
      begin()
      if (body === REFUSED_BODY) throw new SluiceError('SLUICE_JOB_REJECTED', 'never')
    },
    async pollAllStatus(_, { signal } = {}) {
      begin()
      if (signal) await until(signal)
      if (obstruction.isThere)
        return Object.assign(new Map(lastKnown), { complete: false, incompleteReason: 'obstructed' })
      const reports = new Map<string, JobReport>()
      for (const { queue, ref, report, acknowledged } of place.jobs.values()) {
        if (queue !== name || acknowledged) continue
        const other = reports.get(ref.id)
        reports.set(ref.id, other === undefined ? report : together(other, report))
      }
      lastKnown = new Map(reports)
      return reports
    },
    async lookupJob(job, { signal } = {}) {
      begin()
      if (signal) await until(signal)
      return place.find(name, job)?.report
    },
    async cancelJob(job, reason) {
      begin()
      const found = place.find(name, job)
      if (found?.report.stage !== 'PROCESSING') return
      found.report = { ...found.report, stage: 'FAIL', message: reason, failureClass: 'killed' }
    },
    async acknowledgeJobs(jobs) {
      begin()
      for (const job of jobs) {
        const found = place.find(name, job)
        if (found) found.acknowledged = true
      }
    },
    async *readLog(job, { signal, tailBytes, follow } = {}) {
      if (tailBytes !== undefined) assertCount(tailBytes, 'tailBytes')
      let at: number | undefined
      for (;;) {
        signal?.throwIfAborted()
        begin()
        const found = place.find(name, job)
        if (found?.log === undefined) throw new SluiceError('SLUICE_ITEM_NOT_FOUND', 'no such log')
        at ??= Math.max(0, found.log.length - (tailBytes ?? found.log.length))
        const isOver = found.report.stage !== 'PROCESSING'
        if (found.log.length > at) yield found.log.subarray(at)
        at = found.log.length
        if (follow !== true || isOver) return
        await turn()
      }
    },
    async *watch({ signal = new AbortController().signal } = {}) {
      begin()
      if (signal.aborted) return
      await new Promise((resolve) => signal.addEventListener('abort', resolve, { once: true }))
      yield undefined
    },
    async check() {
      begin()
    },
    async close() {
      closed = true
    },
    async [Symbol.asyncDispose]() {
      closed = true
    },
  }
}

/** A moment in which a signal can abort. */
async function until(signal: AbortSignal): Promise<void> {
  await turn()
  signal.throwIfAborted()
}

/** Two of one item: a later attempt, or another uid, comes first. */
function together(one: JobReport, other: JobReport): JobReport {
  const isLater = one.uid !== other.uid || other.attempt > one.attempt
  const [{ earlier: _, ...first }, second] = isLater ? [other, one] : [one, other]
  const all = [...(one.earlier ?? []), { ...second, earlier: undefined }]
  const earlier = all.flatMap(({ earlier: __, ...report }) => (report.stage === 'PROCESSING' ? [report] : []))
  return earlier.length === 0 ? first : { ...first, earlier }
}

function failing(error: SluiceError): Trouble {
  return () => {
    throw error
  }
}

/** A fresh place and tiny workers on it, every kind of trouble included. */
export async function tinyHarness(): Promise<WorkerHarness> {
  const place = new TinyPlace()
  return {
    open: async (name = 'contract') => tinyWorker(place, name),
    openElsewhere: async () => tinyWorker(new TinyPlace(), 'contract'),
    body: () => null,
    finish: async (job, how) => {
      const exitCode = how === 'SUCCESS' ? 0 : 3
      for (const found of place.all(job)) {
        const { stage: _, ...kept } = found.report
        found.report = { ...kept, stage: how, exitCode }
      }
    },
    writeLog: async (job, bytes) => {
      for (const found of place.all(job)) found.log = Buffer.concat([found.log ?? Buffer.alloc(0), bytes])
    },
    loseLog: async (job) => {
      for (const found of place.all(job)) found.log = undefined
    },
    exactLogs: true,
    hasJobUids: true,
    exitCodes: { SUCCESS: 0, FAIL: 3 },
    loseJob: async (job) => {
      for (const { queue } of place.all(job))
        place.jobs.delete(JSON.stringify([queue, job.id, job.uid, job.attempt]))
    },
    openTroubledSends: async (concerns) => {
      let isThere = false
      const error = new SluiceError('SLUICE_WORKER_UNAVAILABLE', 'not now', { concerns })
      const trouble: Trouble = (call, itemId) => {
        const isHit = concerns === 'worker' || (concerns === 'capacity' && call !== 'other')
        if (isThere && (isHit || (concerns === 'item' && itemId === 'troubled'))) throw error
      }
      const set = (value: boolean) => async () => {
        isThere = value
      }
      return { worker: tinyWorker(place, 'contract', trouble), obstruct: set(true), restore: set(false) }
    },
    sendPending: async (worker, { id, uid, attempt }, message) => {
      await worker.sendJob(id, null, { uid, attempt, queue: worker.name })
      for (const found of place.all({ id, uid, attempt }))
        found.report = { ...found.report, pending: true, message }
    },
    begin: async (job) => {
      for (const found of place.all(job)) found.report = { ...found.report, pending: false, message: 'runs' }
    },
    openObstructed: async () => {
      const obstruction = { isThere: false }
      const set = (isThere: boolean) => async () => {
        obstruction.isThere = isThere
      }
      const worker = tinyWorker(place, 'contract', undefined, obstruction)
      return { worker, obstruct: set(true), restore: set(false) }
    },
    startedWith: async (job) => place.all(job)[0]?.report.overrides?.['memory'],
    starts: async (job) => place.all(job).reduce((sum, found) => sum + found.starts, 0),
    refusedItem: () => ({ id: 'refused', body: REFUSED_BODY }),
    openUnreachable: async () =>
      tinyWorker(
        place,
        'contract',
        failing(
          new SluiceError('SLUICE_WORKER_UNAVAILABLE', 'an unreachable server', { concerns: 'worker' }),
        ),
      ),
    openDenied: async () =>
      tinyWorker(place, 'contract', failing(new SluiceError('SLUICE_WORKER_DENIED', 'who are you?'))),
    openCrashing: async (point) => {
      let passed = 0
      const die = () => {
        if (passed++ >= point) throw new Error('the process died')
      }
      return { worker: tinyWorker(place, 'contract', die), crashed: () => passed > point }
    },
    close: async () => place.jobs.clear(),
  }
}
