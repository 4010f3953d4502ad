import type { JobRef } from '@sluice/core'
import type { DummyCall, DummyFaults, FaultOptions, ItemTrouble } from './dummy-faults.js'
import type { JobTable } from './job-table.js'
import type { JobEnd, QueueJobs, WhichJob } from './queue-jobs.js'

/** What a test does to a dummy worker and its jobs. */
export interface DummyControls {
  /**
   * Ends a job of an item that runs.
   *
   * @param job which of them; default the one that was sent last
   * @throws TypeError when no such job of the item runs
   */
  settleJob(id: string, end: JobEnd, job?: WhichJob): void
  /**
   * Keeps the job of an item from beginning: it is pending, and `message` says what holds it up, until
   * {@link DummyControls.beginJob}.
   *
   * @throws TypeError when no job of the item runs
   */
  holdJob(id: string, message: string): void
  /**
   * Begins a job that was held.
   *
   * @throws TypeError when no job of the item runs
   */
  beginJob(id: string): void
  /**
   * Appends to the log of the job of an item that runs.
   *
   * @param job which of them; default the one that was sent last
   * @throws TypeError when no such job of the item runs
   */
  writeLog(id: string, bytes: string | Uint8Array, job?: WhichJob): void
  /** Removes the logs of an item's jobs; the jobs stay known. */
  loseLog(id: string): void
  /** Removes the jobs of an item without a trace: the next poll and `lookupJob` know nothing of them. */
  loseJob(id: string): void
  /** The jobs of this queue that run now, oldest first. */
  running(): JobRef[]
  /** The next calls reject with SLUICE_WORKER_DENIED before they have any effect. */
  denyNext(times?: number): void
  /** The next calls reject with SLUICE_WORKER_UNAVAILABLE before they have any effect. */
  unavailableNext(times?: number, retryAfterMs?: number, options?: Pick<FaultOptions, 'concerns'>): void
  /**
   * From now on every call for this item that the trouble names rejects with SLUICE_WORKER_UNAVAILABLE;
   * `none` ends that.
   */
  troubleItem(id: string, trouble?: ItemTrouble | 'none'): void
  /**
   * Takes no new job while this many run, as a quota does: sends and `probeSend` then reject, `concerns:
   * 'capacity'`.
   */
  limitJobs(maxJobs: number): void
  /** Calls of this kind don't answer from now on, and have no effect before `endTrouble`. */
  hang(call: DummyCall): void
  /** The next jobs, of `sendJob` or at their places of `sendMany`, are refused with SLUICE_JOB_REJECTED. */
  rejectNext(times?: number): void
  /**
   * The next calls of `sendJob` or `sendMany` start their jobs, and yet reject with
   * SLUICE_WORKER_UNAVAILABLE: the answer was lost.
   */
  loseAnswer(times?: number): void
  /**
   * The next polls can't ask for anything: they give the reports of the last one, and say that they are not
   * complete.
   */
  incompleteNext(times?: number): void
  /** All trouble that was ordered is over. */
  endTrouble(): void
}

interface Controlled {
  readonly table: JobTable
  readonly jobs: QueueJobs
  readonly faults: DummyFaults
}

export function controlsOf({ table, jobs, faults }: Controlled): DummyControls {
  const { changes } = table
  return {
    ...jobControls(table, jobs),
    running: () => jobs.running(),
    limitJobs: (maxJobs) => jobs.limit(maxJobs),
    denyNext: (times = 1) => faults.plan('denied', times),
    unavailableNext: (times = 1, retryAfterMs, options = {}) =>
      faults.plan('unavailable', times, {
        ...options,
        ...(retryAfterMs === undefined ? {} : { retryAfterMs }),
      }),
    troubleItem: (id, trouble = { concerns: 'item' }) =>
      faults.trouble(id, trouble === 'none' ? undefined : trouble),
    hang: (call) => faults.hang(call),
    rejectNext: (times = 1) => faults.plan('rejected', times),
    loseAnswer: (times = 1) => faults.plan('answer-lost', times),
    incompleteNext: (times = 1) => faults.plan('incomplete', times),
    endTrouble: () => faults.clear(),
    loseLog: (id) => {
      for (const job of jobs.ofItem(id)) job.log = 'gone'
      changes.notify()
    },
  }
}

type JobControls = Pick<DummyControls, 'settleJob' | 'holdJob' | 'beginJob' | 'writeLog' | 'loseJob'>

function jobControls({ changes }: JobTable, jobs: QueueJobs): JobControls {
  return {
    settleJob: (id, end, job) => jobs.end(jobs.runningOf(id, job), end),
    holdJob: (id, message) => {
      jobs.runningOf(id).pending = message
      changes.notify()
    },
    beginJob: (id) => {
      jobs.runningOf(id).pending = false
      changes.notify()
    },
    writeLog: (id, bytes, job) => {
      const running = jobs.runningOf(id, job)
      const before = running.log instanceof Buffer ? running.log : Buffer.alloc(0)
      running.log = Buffer.concat([before, Buffer.from(bytes)])
      changes.notify()
    },
    loseJob: (id) => {
      for (const job of jobs.ofItem(id)) jobs.lose(job)
    },
  }
}
