import { isSluiceError, type JobRef, type JobReports, type SluiceError } from '@sluice/core'
import type { DeletionQueue } from './deletion-queue.js'
import type { JobKeeper, KeeperParts } from './job-keeper.js'
import type { KnownJob } from './job-ledger.js'
import { nameJob, type JobName } from './job-name.js'
import type { PendingChecks } from './pending-checks.js'
import { SuccessRows } from './success-rows.js'
import type { RateGate } from '../api/rate-gate.js'
import { seenAfter } from '../workflow/seen-run.js'
import { WorkflowLister, type ListOutcome } from '../workflow/workflow-lister.js'
import { recentlyFinished, unfinishedWorkflows, type FinishedPage } from '../workflow/workflow-pages.js'
import { isArchived } from '../workflow/workflow.js'
import type { WorkflowReader } from '../workflow/workflow-reader.js'

/**
 * How old a list may be, in ms, while the watch reports every end: a wake signal then costs no list, only the
 * questions that it leads to.
 */
const LIST_EVERY_MS = 1_000
/** How many finished workflows are read for a caller that doesn't say which jobs are awaited. */
const RECENT_ROWS = 100
/** How many look-ups find out, where no list was answered, whether anything is. */
const SCOUTS = 2

export interface PollerParts extends KeeperParts {
  readonly keeper: JobKeeper
  readonly reader: WorkflowReader
  readonly lookups: RateGate
  readonly pending: PendingChecks
  /** Whether a watch is open that reports at once when a job ends. */
  readonly watching: () => boolean
  readonly deletions: Pick<DeletionQueue, 'has' | 'hasRoom' | 'takeLeftSome'>
  /** A poll `ms` later would find out more. */
  readonly wakeIn: (ms: number) => void
}

type NoList = Exclude<ListOutcome, { readonly kind: 'read' }>

/** A job to be asked for; what is known of it, if anything. */
interface Question {
  readonly job: JobName
  readonly known: KnownJob | undefined
}

interface Asking {
  readonly isAwaited: (job: JobName) => boolean
  /** How many are asked first; the others are only if one of them was answered. */
  readonly scouts: number
}

/**
 * Reports on the jobs: one list of what isn't finished, and a question by name for each job that should be in
 * it and isn't. So the cost of a poll grows with what runs, and not with what is kept [W-POLL-1].
 *
 * It does not depend on the list alone: where that fails or is late, the awaited jobs are asked for by name,
 * those first that were not heard of for longest, as far as the budget of look-ups allows; all others are
 * reported as last known [W-POLL-2]. A poll is complete if a list was read whole that began in it, or just
 * before it with a watch open since; single questions that were not asked, or not answered, don't change
 * that: the list showed their jobs, or they are reported as last known.
 */
export class JobPoller {
  readonly #parts: PollerParts
  readonly #lister: WorkflowLister
  readonly #successes: SuccessRows
  #awaited: readonly JobRef[] | undefined
  #listedAtMonotonic = Number.NEGATIVE_INFINITY
  #swept = false
  /** Where the search for what is to be deleted continues, and what this pass of it has found so far. */
  #sweep = { offset: 0, found: 0 }
  /** Whether the latest look-ups were answered, any of them. */
  #answered = false
  #lookupError: SluiceError | undefined

  constructor(parts: PollerParts) {
    this.#parts = parts
    this.#lister = new WorkflowLister({
      runtime: parts.runtime,
      ioRuntime: parts.ioRuntime,
      timeoutMs: parts.settings.listTimeoutMs,
      read: (signal) => this.#read(signal),
      onLate: () => parts.wakeIn(0),
    })
    this.#successes = new SuccessRows({ ...parts, lister: this.#lister })
  }

  /**
   * @param awaited the jobs that the queue waits for, where the caller knows them: then nothing else that has
   * finished is searched for
   * @throws SluiceError SLUICE_WORKER_UNAVAILABLE where neither a list nor a single question is answered
   */
  async poll(awaited: readonly JobRef[] | undefined): Promise<JobReports> {
    const { ledger, pending } = this.#parts
    this.#awaited = awaited
    const list = await this.#list(awaited)
    const isRead = list.kind === 'read'
    const isAwaited = awaitedBy(awaited)
    const questions = isRead ? await this.#due(isAwaited) : this.#unheard(awaited)
    const asked = await this.#askAll(questions, { isAwaited, scouts: isRead ? 0 : SCOUTS })
    if (!isRead) this.#assertAnswered(list, asked)
    if (isRead) await pending.round({ isAwaited, isWanted: awaited === undefined ? () => true : isAwaited })
    const reports = ledger.reports(awaited)
    return isRead ? reports : Object.assign(reports, { complete: false, incompleteReason: reasonOf(list) })
  }

  /** @throws SluiceError where nothing was answered */
  #assertAnswered(list: NoList, asked: number): void {
    if (this.#answered) return
    if (list.kind === 'failed') throw list.error
    const isTold = asked > 0 || this.#parts.lookups.restMs > 0
    if (isTold && this.#lookupError !== undefined) throw this.#lookupError
  }

  async #list(awaited: readonly JobRef[] | undefined): Promise<ListOutcome> {
    const { runtime, watching } = this.#parts
    const fresh = runtime.monotonicMs() - this.#listedAtMonotonic < LIST_EVERY_MS
    return awaited !== undefined && fresh && watching() ? { kind: 'read' } : this.#lister.list()
  }

  async #read(signal: AbortSignal): Promise<void> {
    const { ledger, keeper, runtime } = this.#parts
    const awaited = this.#awaited
    const beganAtMonotonic = runtime.monotonicMs()
    const rows = await unfinishedWorkflows({ ...this.#parts, signal })
    ledger.beginList()
    for (const row of rows) {
      const known = keeper.knownOf(row)
      if (known === undefined) continue
      known.seen = seenAfter(known.seen, row)
      ledger.noteListed(known, keeper.report(row, known))
    }
    this.#listedAtMonotonic = beganAtMonotonic
    if (this.#searchesFinished(awaited)) await this.#searchFinished(awaited, signal)
  }

  /**
   * A caller that waits for jobs asks for missing ones by name. Only what is not awaited must be searched
   * for: to be reported, or deleted.
   */
  #searchesFinished(awaited: readonly JobRef[] | undefined): boolean {
    const { settings, deletions } = this.#parts
    if (awaited === undefined) return true
    if (settings.deleteFinished === 'never' || !deletions.hasRoom) return false
    if (deletions.takeLeftSome()) this.#swept = false
    return !this.#swept
  }

  async #searchFinished(awaited: readonly JobRef[] | undefined, signal: AbortSignal): Promise<void> {
    const { settings, ledger, keeper, deletions } = this.#parts
    const isAwaited = awaitedBy(awaited)
    // To delete them, those that stay are of no use.
    const onlySucceeded = awaited !== undefined && settings.deleteFinished === 'succeeded'
    const reading = { ...this.#parts, signal }
    const offset = awaited === undefined ? 0 : this.#sweep.offset
    const page = await recentlyFinished(reading, { maxRows: RECENT_ROWS, onlySucceeded, offset })
    let found = 0
    for (const row of page.rows) {
      // To be deleted, it must be live; and what waits for deletion would only be found again.
      if (awaited !== undefined && (isArchived(row) || deletions.has(row.metadata.name))) continue
      const known = keeper.knownOf(row)
      // What this process has followed, or the queue waits for, is asked for by name instead: a row lacks
      // most of the evidence.
      if (known === undefined || known.report !== undefined || known.acknowledged) continue
      if (isAwaited(known.job)) continue
      found += 1
      ledger.noteAnswer(known, keeper.report(row, known))
    }
    if (awaited !== undefined) this.#sweptPage(page, found)
  }

  /**
   * One page a poll, until a pass over all pages has found nothing new: pages move while workflows end and
   * are deleted.
   */
  #sweptPage({ rows, isLast }: FinishedPage, found: number): void {
    const inPass = this.#sweep.found + found
    if (isLast) this.#swept = inPass === 0
    this.#sweep = isLast
      ? { offset: 0, found: 0 }
      : { offset: this.#sweep.offset + rows.length, found: inPass }
  }

  /** What the lists leave open. */
  async #due(isAwaited: (job: JobName) => boolean): Promise<readonly Question[]> {
    const due = this.#dueNow()
    const [likely, others] = [due.filter(hasLikelyEnded), due.filter((known) => !hasLikelyEnded(known))]
    const left = await this.#successes.read(likely, ({ job }) => isAwaited(job))
    return [...left, ...others].map(asQuestion)
  }

  #dueNow(): readonly KnownJob[] {
    return this.#parts.ledger.due(this.#parts.watching())
  }

  /** Without a list: the awaited jobs too, and where they are not given, all that aren't known to be over. */
  #unheard(awaited: readonly JobRef[] | undefined): readonly Question[] {
    const { ledger, settings, runtime, watching } = this.#parts
    const jobs =
      awaited?.map((ref) => nameJob(settings.name, ref)) ?? ledger.unfinished().map(({ job }) => job)
    if (jobs.length === 0) return this.#probe()
    const sinceAtMonotonic = watching() ? runtime.monotonicMs() - LIST_EVERY_MS : Number.POSITIVE_INFINITY
    const unheard = jobs
      .map((job) => ({ job, known: ledger.get(job) }))
      .filter(
        ({ known }) =>
          isUnheard(known, sinceAtMonotonic) && (known?.notBeforeMonotonic ?? 0) <= runtime.monotonicMs(),
      )
    // What is over and was in an older list is left for the next one.
    return [
      ...unheard,
      ...this.#dueNow()
        .filter((known) => isUnheard(known, sinceAtMonotonic))
        .map(asQuestion),
    ]
  }

  /**
   * Nothing is awaited, and still it must be found out whether anything is answered: else nothing more is
   * started.
   */
  #probe(): readonly Question[] {
    this.#answered = false
    const known = this.#parts.ledger.latest()
    return known === undefined ? [] : [{ job: known.job, known }]
  }

  /** @returns how many were asked */
  async #askAll(questions: readonly Question[], { isAwaited, scouts }: Asking): Promise<number> {
    const { lookups, wakeIn } = this.#parts
    const left = [...new Map(inTurn(questions).map((one) => [one.job.workflow, one])).values()]
    if (left.length === 0) return 0
    const before = this.#answered
    this.#answered = false
    const ask = (one: Question) => lookups.try(() => this.#ask(one, isAwaited(one.job)))
    const scouted = await Promise.all(left.splice(0, scouts).map(ask))
    // Without any answer more questions would only delay the poll, and load the server.
    const goesOn = scouts === 0 || this.#answered
    const asked = goesOn ? [...scouted, ...(await Promise.all(left.map(ask)))] : scouted
    // The budget is used up: whether anything is answered is as last known.
    if (!asked.includes(true)) this.#answered = before
    if (asked.includes(false)) wakeIn(lookups.waitMs)
    return asked.filter(Boolean).length
  }

  async #ask({ job, known }: Question, awaited: boolean): Promise<void> {
    const { reader, keeper, ledger, runtime } = this.#parts
    const hints = known?.hints ?? 0
    if (known !== undefined) known.askedAtMonotonic = runtime.monotonicMs()
    try {
      const found = await reader.findByName(job, ledger.seenOf(job))
      this.#answered = true
      if (found.kind === 'ours') await keeper.noteAnswer(known ?? ledger.entry(job), found.workflow, awaited)
      else if (known?.acknowledged === true) ledger.noteUnanswered(known)
      // Absence is no failure [W-POLL-2]: a caller that waits for it asks by lookupJob, which reads the
      // archive too.
      else if (known?.report !== undefined) ledger.drop(job)
      if (found.kind === 'foreign') keeper.logForeign(job.workflow)
      if (known !== undefined) known.hintsAnswered = Math.max(known.hintsAnswered, hints)
    } catch (error) {
      // One workflow that can't be read must not hide the others: it is as last known.
      if (!isSluiceError(error, 'SLUICE_WORKER_UNAVAILABLE')) throw error
      this.#lookupError = error
      if (known !== undefined) ledger.noteUnanswered(known, error.retryAfterMs)
    }
  }
}

/** The watch reported it, or it left the list of what is unfinished. */
function hasLikelyEnded(known: KnownJob): boolean {
  return known.report?.stage === 'PROCESSING' && !known.acknowledged && (isHinted(known) || !known.fresh)
}

function asQuestion(known: KnownJob): Question {
  return { job: known.job, known }
}

function isUnheard(known: KnownJob | undefined, sinceAtMonotonic: number): boolean {
  if (known === undefined) return true
  // Being sent, or over.
  if (known.report?.stage !== 'PROCESSING' || known.acknowledged) return false
  return isHinted(known) || known.askedAtMonotonic <= sinceAtMonotonic
}

function isHinted(known: KnownJob | undefined): boolean {
  return known !== undefined && known.hints > known.hintsAnswered
}

/**
 * Those first that the watch reported as ended; then the one not heard of for longest, and of the same, the
 * oldest.
 */
function inTurn(questions: readonly Question[]): readonly Question[] {
  return questions.toSorted(
    (a, b) =>
      Number(isHinted(b.known)) - Number(isHinted(a.known)) ||
      (a.known?.heardAtMonotonic ?? 0) - (b.known?.heardAtMonotonic ?? 0) ||
      (a.known?.sinceAtMonotonic ?? 0) - (b.known?.sinceAtMonotonic ?? 0),
  )
}

/** Whether the queue is known to wait for a job. */
function awaitedBy(refs: readonly JobRef[] = []): (job: JobName) => boolean {
  let names: ReadonlySet<string> | undefined
  return ({ ref }) => {
    // Most polls ask about none.
    names ??= new Set(refs.map(textOf))
    return names.has(textOf(ref))
  }
}

function textOf({ uid, attempt }: JobRef): string {
  return `${attempt} ${uid}`
}

function reasonOf(list: NoList): string {
  return list.kind === 'late' ? `no list of the workflows in time: ${list.why}` : list.error.message
}
