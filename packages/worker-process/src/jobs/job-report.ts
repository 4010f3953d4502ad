import { hostname } from 'node:os'
import { pathToFileURL } from 'node:url'
import type { FailureClass, FailureKind, JobReport, JsonValue } from '@sluice/core'
import type { Claim, JobState } from './claim.js'
import { isSuccess, parseEnding, stageOfGone, type Ending, type EndingWithoutCode } from './ending.js'
import type { JobFile } from './job-file.js'
import type { JobPlace } from '../disk/layout.js'
import type { ProcessWorkerSettings } from '../options.js'
import { lastLines, readResult, type ReadResult } from './output-tail.js'
import { readRecord, type FileRecord } from '../disk/record.js'

/** What is on the disk of a job that has ended. */
export interface EndedJob {
  readonly place: JobPlace
  readonly file: JobFile
  readonly claim: Claim | undefined
  readonly ending: Ending
  readonly endedAt: number
  readonly stop: FileRecord | undefined
  /** The kernel is known to have ended it because memory ran out. */
  readonly oom: boolean
  /** Why the program can't be started, where its exit code says that it was not. */
  readonly unstartable?: string | undefined
  /** How much is in the files of its outputs, where that is known. */
  readonly written?: { readonly stdoutBytes: number; readonly stderrBytes: number }
}

/** What the worker says of a job that has ended. */
export async function reportEnded(job: EndedJob, settings: ProcessWorkerSettings): Promise<JobReport> {
  const report = {
    ...heading(job.place, job.file, job.claim),
    finishedAt: job.endedAt,
    details: detailsOf(job),
    ...(job.ending.exitCode === undefined ? {} : { exitCode: job.ending.exitCode }),
  }
  if (isSuccess(job.ending)) {
    const { value, note } = await resultOf(job, settings)
    return {
      ...report,
      stage: 'SUCCESS',
      ...(value === undefined ? {} : { result: value }),
      ...(note === undefined ? {} : { leftOut: [note] }),
    }
  }
  // The shell that was to start the program reports the program itself as missing.
  const stderr =
    job.unstartable ??
    (job.written?.stderrBytes === 0 ? '' : await lastLines(job.place.stderr, settings.stderrTailBytes))
  const { failureClass, message } = explain(job, settings)
  return {
    ...report,
    stage: 'FAIL',
    failureClass,
    message: stderr === '' ? message : `${message}: ${stderr}`,
  }
}

/** What the worker says of a job that has not ended. */
export function reportRunning(
  place: JobPlace,
  file: JobFile,
  { claim, ...more }: { readonly claim: Claim | undefined } & Pick<JobReport, 'message' | 'details'>,
): JobReport {
  return { ...heading(place, file, claim), stage: 'PROCESSING', ...more }
}

function heading(place: JobPlace, file: JobFile, claim: Claim | undefined) {
  const startedAt = claim === undefined ? {} : { startedAt: claim.at }
  const jobUid = file.jobUid === undefined ? {} : { jobUid: file.jobUid }
  return {
    uid: file.uid,
    attempt: file.attempt,
    url: pathToFileURL(place.home).href,
    ...jobUid,
    ...startedAt,
    ...(file.overrides === undefined ? {} : { overrides: file.overrides }),
  }
}

function detailsOf({ place, claim, ending, endedAt }: EndedJob): Readonly<Record<string, JsonValue>> {
  const { exitCode, signal } = ending
  return {
    ...(exitCode === undefined ? {} : { exitCode }),
    ...(signal === undefined ? {} : { signal }),
    host: hostname(),
    stdoutFile: place.stdout,
    stderrFile: place.stderr,
    outputDir: place.output,
    ...(claim === undefined ? {} : { durationMs: Math.max(0, endedAt - claim.at) }),
  }
}

async function resultOf({ place, written }: EndedJob, settings: ProcessWorkerSettings): Promise<ReadResult> {
  if (settings.result === 'none' || written?.stdoutBytes === 0) return {}
  return readResult(place.stdout, settings.maxResultBytes)
}

interface Explanation {
  readonly failureClass: FailureClass
  readonly message: string
}

function explain({ ending, stop, oom }: EndedJob, settings: ProcessWorkerSettings): Explanation {
  if (oom) {
    const message = `${endingText(ending)}: the kernel ended it, since memory ran out`
    return { failureClass: 'oom', message }
  }
  if (ending.stopped && stop?.text === 'timeout') {
    return { failureClass: 'timeout', message: `timed out${spanText(settings)} (${endingText(ending)})` }
  }
  if (ending.stopped) {
    const reason = stop?.text.replace(/^cancel:/u, '') ?? 'no reason given'
    // A reason such as "cancelled by an operator" says it by itself.
    const why = /^cancel/iu.test(reason) ? reason : `cancelled: ${reason}`
    return { failureClass: 'killed', message: `${why} (${endingText(ending)})` }
  }
  return { failureClass: classOf(ending), message: endingText(ending) }
}

function spanText({ timeoutMs }: ProcessWorkerSettings): string {
  return timeoutMs === undefined ? '' : ` after ${timeoutMs} ms`
}

/**
 * The ways in which jobs fail. A program that is told to end chooses its exit code itself: `killed`,
 * `timeout` and `oom` come with any.
 */
export const FAILURES: readonly FailureKind[] = [
  { failureClass: 'failed', exitCodes: exitCodesOf('failed') },
  { failureClass: 'error', exitCodes: exitCodesOf('error') },
  { failureClass: 'killed' },
  { failureClass: 'timeout' },
  { failureClass: 'oom' },
]

function exitCodesOf(failureClass: FailureClass): readonly number[] {
  const codes = Array.from({ length: 255 }, (_, at) => at + 1)
  return codes.filter((code) => classOf(parseEnding(String(code))) === failureClass)
}

function classOf(ending: Ending): FailureClass {
  if (ending.how === 'unstartable') return 'error'
  if (ending.how !== 'exited') return 'killed'
  // By the convention of shells, env, nice, docker: the program is missing, or can't be run.
  return isUnstartable(ending) ? 'error' : 'failed'
}

/** Whether the exit code is that of a program that is missing or can't be run. */
export function isUnstartable({ how, exitCode }: Ending): boolean {
  return how === 'exited' && (exitCode === 126 || exitCode === 127)
}

const WITHOUT_CODE: Readonly<Record<EndingWithoutCode, string>> = {
  unstartable: 'the command could not be started',
  restarted: 'the machine restarted before the job had ended',
  vanished:
    'the supervisor of the job was killed before the job had ended: ' +
    'its exit code is unknown, and what was left of it was ended',
}

function endingText(ending: Ending): string {
  if (ending.how === 'exited') return `exit code ${ending.exitCode}`
  if (ending.how === 'signalled') return `killed by ${ending.signal}`
  return WITHOUT_CODE[ending.how]
}

/** What a report says of a job that was told to end and has not ended. */
interface StopNote {
  readonly message: string
  readonly details: JsonValue
}

/**
 * A job that runs this much longer than it may, in ms, is overdue: its supervisor was killed, or there was no
 * room to record that it is to end.
 */
const OVERDUE_MS = 5_000

/**
 * When a job that was told to end was told so, and by when it has ended. Its own supervisor ends it; one of
 * an earlier version does not, and nor does that of a job whose canceller was killed right after the record
 * in `stopping`.
 */
export function stopNote({ killAfterMs }: JobFile, stop: FileRecord, nowAt: number): StopNote {
  const stopText = `told to end at ${new Date(stop.at).toISOString()} (${reasonOf(stop)})`
  const details = { toldToEndAt: stop.at }
  if (killAfterMs === undefined) {
    const message = `${stopText}; if it ignores that, SIGKILL follows at the next poll of a service or \`sluice cancel\``
    return { message, details }
  }
  const endsBy = stop.at + killAfterMs
  const by = new Date(endsBy).toISOString()
  const end =
    nowAt > endsBy + OVERDUE_MS
      ? `should have ended by ${by}: cancel it again`
      : `ends by ${by} at the latest`
  return { message: `${stopText}, ${end}`, details: { ...details, endsBy } }
}

function reasonOf({ text }: FileRecord): string {
  return text === 'timeout' ? 'its time is over' : text.replace(/^cancel:/u, '')
}

/** A job and its report. */
interface ReportedJob {
  readonly file: JobFile
  readonly report: JobReport | undefined
}

/**
 * Of the jobs of one item the later attempt, or, of an item that was removed and put again, the one accepted
 * later; with the others that have not ended [W-POLL-1].
 */
export function byItem(reported: readonly ReportedJob[]): Map<string, JobReport> {
  const items = new Map<string, { readonly file: JobFile; readonly report: JobReport }[]>()
  for (const { file, report } of reported) {
    if (report === undefined) continue
    items.set(file.id, [...(items.get(file.id) ?? []), { file, report }])
  }
  return new Map([...items].map(([id, jobs]) => [id, together(jobs)]))
}

function together(jobs: readonly { readonly file: JobFile; readonly report: JobReport }[]): JobReport {
  const [latest, ...others] = jobs.toSorted((one, other) => (isLater(one.file, other.file) ? -1 : 1))
  if (latest === undefined) throw new RangeError('an item without a job')
  const earlier = others.flatMap(({ report }) => (report.stage === 'PROCESSING' ? [report] : []))
  return earlier.length === 0 ? latest.report : { ...latest.report, earlier }
}

function isLater(job: JobFile, other: JobFile): boolean {
  return job.uid === other.uid ? job.attempt > other.attempt : job.acceptedAt > other.acceptedAt
}

/** What a worker that only reads says of a job of which nothing runs. */
export const UNCONCLUDED: Readonly<Record<Exclude<JobState, 'ended' | 'running'>, string>> = {
  unstarted: 'it has not begun; the service starts it',
  restarted: 'the machine restarted before it had ended; the service records that it failed',
  unstartable: 'its command could not be started; the service records that it failed',
  vanished: 'its supervisor was killed; the service ends what is left of it, and records that it failed',
}

/** Of a job whose files were removed there is just the stage. */
export async function reportGone(
  place: JobPlace,
  { uid, attempt }: { readonly uid: string; readonly attempt: number },
): Promise<JobReport | undefined> {
  const gone = await readRecord(place.gone)
  if (gone === undefined) return undefined
  return { stage: stageOfGone(gone), uid, attempt, finishedAt: gone.at }
}

/** What is said of a job that can't begin. */
export function unbegun(why: string): string {
  return `it has not begun: ${why}; it is started as soon as that is over`
}
