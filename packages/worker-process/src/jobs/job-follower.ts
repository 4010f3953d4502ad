import { readdir, stat } from 'node:fs/promises'
import { isSluiceError, type JobReport, type JobReports, type Runtime } from '@sluice/core'
import pMap from 'p-map'
import { judgeJob, readClaim, type Claim, type JobState } from './claim.js'
import { parseEnding, type EndingWithoutCode } from './ending.js'
import { readJobFile, type JobFile } from './job-file.js'
import {
  UNCONCLUDED,
  byItem,
  isUnstartable,
  reportEnded,
  reportGone,
  reportRunning,
  stopNote,
  unbegun,
  type EndedJob,
} from './job-report.js'
import { enterIndex, isArchived, leaveIfArchived, tidyIndex } from './job-index.js'
import type { JobRunner } from './job-runner.js'
import { isJobAlive, signalJob } from '../processes/job-signals.js'
import type { JobStopper } from './job-stopper.js'
import type { JobPlace, Layout } from '../disk/layout.js'
import type { OomKills } from '../processes/oom-kills.js'
import type { ProcessWorkerSettings } from '../options.js'
import { isNoRoom } from '../process-errors.js'
import type { ProcessTable } from '../processes/process-table.js'
import { hasRecord, readRecord, removeIfThere, writeOnce, type FileRecord } from '../disk/record.js'
import { hasRoomFor, type Room } from '../disk/room.js'
import type { ObservedEnd } from '../supervisor/messages.js'

/** Files that are open at once at most. */
const CONCURRENCY = 32
/**
 * A supervisor ends what is left of its job right after it has recorded the end: it is checked at these
 * intervals, in ms, before that counts.
 */
const LEFT_CHECKS_MS = [0, 1, 2, 4, 8, 16, 32]

/** What a follower is made of. */
export interface FollowerParts {
  readonly layout: Layout
  readonly settings: ProcessWorkerSettings
  readonly runtime: Pick<Runtime, 'now' | 'sleep'>
  readonly bootId: string
  readonly table: ProcessTable
  readonly runner: JobRunner
  readonly stopper: JobStopper
  readonly room: Room
  readonly oomKills: OomKills
  /** It reports on jobs, and starts, ends and concludes none. */
  readonly reading: boolean
  /**
   * Called when processes of a job that has ended still live: they are being ended, and a later poll may find
   * them gone.
   */
  readonly onLeft: () => void
}

/** What was read of a job and no longer changes. */
interface KnownJob {
  readonly place: JobPlace
  readonly file: JobFile
  claim?: Claim
  final?: JobReport
  /** What the supervisor of this process said of its end. */
  end?: ObservedEnd | undefined
  /** How often this worker started it without its being claimed. */
  starts?: number
  /** Its program was killed just now, by an unknown sender. */
  isUnexplained?: boolean
}

/** A job and the part of the index that is about it. */
interface SeenJob {
  readonly job: KnownJob
  readonly ended: boolean
  readonly stopping: boolean
}

/** Reports on the jobs on the disk, those of earlier processes and of other processes included. */
export class JobFollower {
  readonly #parts: FollowerParts
  readonly #known = new Map<string, KnownJob>()

  constructor(parts: FollowerParts) {
    this.#parts = parts
  }

  /**
   * Every job whose outcome isn't stored, by item id. It is incomplete while there is no room for records:
   * jobs may have ended then without a record [W-POLL-2]. Three folders are listed, which hold no others
   * [W-POLL-1]; beyond that, a job that runs costs nothing if it is a child of this process and else a check
   * of one process, and a job that has ended is read once.
   */
  async poll(): Promise<JobReports> {
    const { layout, room } = this.#parts
    // In this order: a job is in `active` before it can be in the others, and leaves `active` before it
    // leaves them.
    const ended = new Set(await readdir(layout.ended))
    const stopping = new Set(await readdir(layout.stopping))
    const active = await readdir(layout.active)
    active.push(...(await this.#tidy(active, new Set([...ended, ...stopping]))))
    const known = await pMap(active, (key) => this.#load(key), { concurrency: CONCURRENCY })
    const seen = known.flatMap((job) => {
      if (job === undefined) return []
      const { key } = job.place
      const own = this.#isOwn(job) ? this.#parts.runner.own(key) : undefined
      job.end = own?.end
      // What the supervisor says of an end follows its record, and spares the reads.
      const hasEnded = ended.has(key) || job.end !== undefined
      return [{ job, ended: hasEnded, stopping: stopping.has(key) }]
    })
    const reports = await this.#reportAll(seen)
    const byId = byItem(seen.map(({ job: { file } }, index) => ({ file, report: reports[index] })))
    const running = reports.filter((report) => report?.stage === 'PROCESSING').length
    const lacking = running === 0 ? undefined : await room.lacking()
    if (lacking === undefined) return byId
    room.warn(lacking, running)
    const incompleteReason = `${lacking}: jobs may have ended whose end can't be recorded before there is room`
    return Object.assign(byId, { complete: false, incompleteReason })
  }

  /** The same for one job, archived ones included [W-POLL-2]. */
  async lookup(place: JobPlace, ref: { uid: string; attempt: number }): Promise<JobReport | undefined> {
    const file = await readJobFile(place)
    if (file === undefined || file === 'damaged') {
      // Where the folders themselves are gone, as after an unmount, nothing is known of the job: it rejects.
      await stat(this.#parts.layout.active)
      return reportGone(place, ref)
    }
    const job: KnownJob = { place, file }
    await readClaimOnce(job)
    const [ended, exit, stopping] = await Promise.all([
      hasRecord(place.ended),
      hasRecord(place.exit),
      hasRecord(place.stopping),
    ])
    const [report] = await this.#reportAll([{ job, ended: ended || exit, stopping }])
    return report
  }

  /** @returns the keys that were missing in `active` */
  async #tidy(active: readonly string[], others: ReadonlySet<string>): Promise<string[]> {
    const keys = new Set(active)
    for (const key of this.#known.keys()) {
      if (keys.has(key)) continue
      this.#known.delete(key)
      this.#parts.runner.forget(key)
    }
    return tidyIndex(
      this.#parts.layout,
      [...others].filter((key) => !keys.has(key)),
    )
  }

  async #load(key: string): Promise<KnownJob | undefined> {
    const job = this.#known.get(key) ?? this.#readOwn(key) ?? (await this.#read(key))
    if (job !== undefined) await readClaimOnce(job)
    return job
  }

  async #read(key: string): Promise<KnownJob | undefined> {
    const place = this.#parts.layout.placeOf(key)
    const file = await readJobFile(place)
    // The home is there before the index entry, and is removed before it: a process was killed while it
    // archived the job.
    if (file === undefined) await removeIfThere(place.active)
    if (file === undefined || file === 'damaged') return undefined
    const job: KnownJob = { place, file }
    this.#known.set(key, job)
    return job
  }

  /** A job that the supervisor of this process started is known without a read of the disk. */
  #readOwn(key: string): KnownJob | undefined {
    const own = this.#parts.runner.own(key)
    if (own === undefined) return undefined
    const job: KnownJob = { place: this.#parts.layout.placeOf(key), file: own.file, claim: own.claim }
    this.#known.set(key, job)
    return job
  }

  async #reportAll(seen: readonly SeenJob[]): Promise<(JobReport | undefined)[]> {
    const { table, oomKills } = this.#parts
    const starts = await table.starts(this.#pidsToAskFor(seen))
    const reports = await pMap(seen, (one) => this.#reportOrWait(one, starts), { concurrency: CONCURRENCY })
    // After the deaths, or a kill of just now would not be counted.
    await oomKills.read()
    const changed = await this.#explainKills(seen.map(({ job }) => job))
    return changed ? seen.map(({ job }, index) => job.final ?? reports[index]) : reports
  }

  /** Want of room for the record of one job must not fail the report of the others. */
  async #reportOrWait(seen: SeenJob, starts: ReadonlyMap<number, string>): Promise<JobReport | undefined> {
    try {
      return await this.#report(seen, starts)
    } catch (error) {
      if (!isNoRoom(error)) throw error
      this.#parts.room.noteRefused()
      const { place, file, claim } = seen.job
      return reportRunning(place, file, {
        claim,
        message: 'there is no room on the disk to record how it is',
      })
    }
  }

  /**
   * @returns whether some of the jobs that were killed are now known to have been killed by the kernel
   * because memory ran out
   */
  async #explainKills(jobs: readonly KnownJob[]): Promise<boolean> {
    const unexplained = jobs.filter((job) => job.isUnexplained === true)
    for (const job of unexplained) delete job.isUnexplained
    if (unexplained.length === 0 || !this.#parts.oomKills.explain(unexplained.length)) return false
    for (const job of unexplained) {
      // Without room for the record it stays "killed": all workers must say the same of an end.
      if (!(await hasRoomFor(() => writeOnce(job.place.oom, 'oom')))) continue
      delete job.final
      await this.#reportFinal(job)
    }
    return true
  }

  #pidsToAskFor(seen: readonly SeenJob[]): number[] {
    const running = seen.filter(({ job, ended }) => !ended && !this.#isOwn(job))
    return [...new Set(running.flatMap(({ job }) => (job.claim === undefined ? [] : [job.claim.pid])))]
  }

  async #report(seen: SeenJob, starts: ReadonlyMap<number, string>): Promise<JobReport | undefined> {
    const { job, ended } = seen
    const { place, file, claim } = job
    if (job.final !== undefined) {
      // A process that had found it unstarted was late, and put it back.
      if (!ended) await leaveIfArchived(place)
      return job.final
    }
    const state = judgeJob({
      ended,
      claim,
      sameBoot: file.bootId === this.#parts.bootId,
      startOfPid: this.#isOwn(job) ? claim?.start : starts.get(claim?.pid ?? 0),
    })
    if (state === 'ended') return this.#reportFinal(job)
    if (state !== 'running' && this.#parts.reading) return this.#describe(job, state)
    if (state === 'unstarted') return this.#resume(job, seen.stopping)
    if (state !== 'running') return this.#conclude(job, state)
    if (await this.#isStale(job)) return this.#reportFinal(job)
    const stop = seen.stopping ? await readRecord(place.stopping) : undefined
    if (stop === undefined) return reportRunning(place, file, { claim })
    if (!this.#parts.reading) await this.#parts.stopper.finish(place, { claim, sinceAt: stop.at })
    return reportRunning(place, file, { claim, ...stopNote(file, stop, this.#parts.runtime.now()) })
  }

  /** What a service would do about a job of which nothing runs is left to one. It may have ended just now. */
  async #describe(
    job: KnownJob,
    state: Exclude<JobState, 'ended' | 'running'>,
  ): Promise<JobReport | undefined> {
    const { place, file, claim } = job
    if ((await hasRecord(place.ended)) || (await isArchived(place))) return this.#reportFinal(job)
    return reportRunning(place, file, { claim, message: UNCONCLUDED[state] })
  }

  /** Whether the supervisor of this process runs it. */
  #isOwn({ claim }: KnownJob): boolean {
    return claim !== undefined && this.#parts.runner.isOwnClaim(claim)
  }

  /**
   * Whether a job is archived although the supervisor of its claim lives, which serves other jobs: it is in
   * the index because a process was killed after it had put it back.
   */
  async #isStale({ place, claim }: KnownJob): Promise<boolean> {
    if (claim?.isShared !== true || this.#parts.runner.own(place.key) !== undefined) return false
    return leaveIfArchived(place)
  }

  async #reportFinal(job: KnownJob): Promise<JobReport | undefined> {
    const { place, file, end: observed } = job
    if (observed !== undefined && !observed.isLeft) {
      const { ended, stop, stdoutBytes, stderrBytes } = observed
      return this.#finish(job, { end: ended, stop, written: { stdoutBytes, stderrBytes } })
    }
    // Read in the order in which they go and come when it is archived. What was kept counts more: a late
    // signal, as by a timer, can leave a record in `ended` once the true one is gone from there.
    const ended = await readRecord(place.ended)
    const exit = await readRecord(place.exit)
    const gone = exit === undefined ? await reportGone(place, file) : undefined
    const end = exit ?? ended
    if (gone !== undefined || end === undefined) return gone
    if (exit === undefined && (await this.#isLeft(job))) {
      const message = 'it has ended; what is left of its processes is being ended'
      return reportRunning(place, file, { claim: job.claim, message })
    }
    const stop = (await readRecord(place.stopping)) ?? (await readRecord(place.stop))
    // It may have begun and ended since the claim was read.
    await readClaimOnce(job)
    return this.#finish(job, { end, stop })
  }

  async #finish(
    job: KnownJob,
    { end, ...found }: { readonly end: FileRecord } & Pick<EndedJob, 'stop' | 'written'>,
  ): Promise<JobReport> {
    const { place, file } = job
    // One that was claimed for no process never began.
    const claim = job.claim?.pid === 0 ? undefined : job.claim
    const ending = parseEnding(end.text)
    const isKilled = ending.signal === 'SIGKILL' && !ending.stopped
    const oom = isKilled && (await hasRecord(place.oom))
    if (isKilled && !oom) job.isUnexplained = true
    const unstartable = isUnstartable(ending) ? await this.#parts.runner.unstartable() : undefined
    const facts = { place, file, claim, ending, endedAt: end.at, oom, unstartable, ...found }
    job.final = await reportEnded(facts, this.#parts.settings)
    return job.final
  }

  /**
   * Whether something of a job that has ended still lives: two attempts of one item could run side by side
   * otherwise.
   */
  async #isLeft({ place, file, claim }: KnownJob): Promise<boolean> {
    const { table, bootId, runtime, reading, onLeft } = this.#parts
    if (claim === undefined || file.bootId !== bootId) return false
    for (const ms of LEFT_CHECKS_MS) {
      if (ms > 0) await runtime.sleep(ms)
      if (!(await isJobAlive(table, { place, claim }))) return false
    }
    if (reading) return true
    // Its supervisor was killed just before it could.
    await signalJob(table, { place, claim }, 'SIGKILL')
    onLeft()
    return true
  }

  async #resume(job: KnownJob, stopping: boolean): Promise<JobReport | undefined> {
    const { place, file } = job
    const lacking = await this.#parts.room.lacking()
    if (lacking !== undefined)
      return reportRunning(place, file, { claim: undefined, message: unbegun(lacking) })
    if (await this.#isOver(place)) return this.#reportFinal(job)
    // Its canceller was killed before it could.
    if (stopping && (await this.#parts.stopper.forestall(place))) return this.#reportFinal(job)
    try {
      const earlier = job.starts ?? 0
      if (await this.#parts.runner.resume(place, file)) job.starts = earlier + 1
      if (earlier === 0) return reportRunning(place, file, { claim: undefined })
      const message = unbegun(
        `its process could not open its files, or start others, ${earlier} times so far`,
      )
      return reportRunning(place, file, { claim: undefined, message })
    } catch (error) {
      if (isSluiceError(error, 'SLUICE_JOB_REJECTED')) return this.#conclude(job, 'unstartable')
      // It was accepted and stays so; the next poll tries again.
      const message = error instanceof Error ? error.message : String(error)
      return reportRunning(place, file, { claim: undefined, message })
    }
  }

  /**
   * Settles for good how a job ended that left no exit code. It may have left one since it was read: then
   * that stands, since it can be written only once.
   */
  async #conclude(job: KnownJob, how: EndingWithoutCode): Promise<JobReport | undefined> {
    const { place, file, claim } = job
    const over = (await this.#isOver(place)) || (await this.#parts.stopper.bury(place, claim, how))
    return over ? this.#reportFinal(job) : reportRunning(place, file, { claim: undefined })
  }

  /**
   * Whether a job has ended, archived or not. If not, it is in the index afterwards, so that it may be
   * started or ended. In this order, a job that is archived just now is found to be, and taken out.
   */
  async #isOver(place: JobPlace): Promise<boolean> {
    await enterIndex(place)
    return (await leaveIfArchived(place)) || (await hasRecord(place.ended))
  }
}

async function readClaimOnce(job: KnownJob): Promise<void> {
  const claim = job.claim ?? (await readClaim(job.place))
  if (claim !== undefined) job.claim = claim
}
