import { isSluiceError, type JobRef, type JobReport } from '@sluice/core'
import pMap from 'p-map'
import type { DeletionQueue } from './deletion-queue.js'
import type { JobKeeper, KeeperParts } from './job-keeper.js'
import type { KnownJob } from './job-ledger.js'
import type { JobName } from './job-name.js'
import { recentlyFinished, unfinishedWorkflows } from './workflow-pages.js'
import type { WorkflowReader } from './workflow-reader.js'

/** How old a list may be while the watch tells of every end: a ring then costs no list, only the questions that it leads to. */
const LIST_EVERY_MS = 1_000
/** How many finished workflows are looked at for whoever doesn't say which jobs are awaited. */
const RECENT_ROWS = 100
const CONCURRENCY = 16

export interface PollerParts extends KeeperParts {
  readonly keeper: JobKeeper
  readonly reader: WorkflowReader
  /** Whether a watch is up that tells at once when a job ends. */
  readonly watching: () => boolean
  readonly deletions: Pick<DeletionQueue, 'isIdle' | 'takeLeftSome'>
}

/**
 * Finds out how the jobs are: one list of what isn't finished, and a question by name for each job that should be in it and isn't. So
 * a poll costs as much as there is going on, and not as much as is kept [W-POLL-1].
 */
export class JobPoller {
  readonly #parts: PollerParts
  #listedMs = Number.NEGATIVE_INFINITY
  #swept = false

  constructor(parts: PollerParts) {
    this.#parts = parts
  }

  /** @param awaited the jobs that the queue waits for, where the caller knows: then nothing else that has finished is looked for */
  async poll(awaited: readonly JobRef[] | undefined): Promise<ReadonlyMap<string, JobReport>> {
    const { ledger, clock, watching } = this.#parts
    const fresh = clock.monotonicMs() - this.#listedMs < LIST_EVERY_MS
    if (awaited === undefined || !fresh || !watching()) await this.#list(awaited)
    await this.#askForDue(awaited)
    return ledger.reports(awaited)
  }

  async #list(awaited: readonly JobRef[] | undefined): Promise<void> {
    const { api, settings, ledger, keeper, clock } = this.#parts
    const beforeMs = clock.monotonicMs()
    const rows = await unfinishedWorkflows(api, settings)
    ledger.beginList()
    for (const row of rows) {
      const known = keeper.knownOf(row)
      if (known !== undefined) ledger.noteListed(known, keeper.report(row, known))
    }
    this.#listedMs = beforeMs
    if (this.#looksBack(awaited)) await this.#lookBack(awaited)
  }

  /** Who waits for jobs asks for those it misses by name. Only what nobody waits for has to be looked for: to be told of, or deleted. */
  #looksBack(awaited: readonly JobRef[] | undefined): boolean {
    const { settings, deletions } = this.#parts
    if (awaited === undefined) return true
    // What waits to be deleted would only be found again.
    if (settings.deleteFinished === 'never' || !deletions.isIdle) return false
    if (deletions.takeLeftSome()) this.#swept = false
    return !this.#swept
  }

  async #lookBack(awaited: readonly JobRef[] | undefined): Promise<void> {
    const { api, settings, ledger, keeper, clock } = this.#parts
    const waitedFor = isAwaited(awaited)
    // Only to delete them, those that stay would be in the way.
    const onlySucceeded = awaited !== undefined && settings.deleteFinished === 'succeeded'
    const rows = await recentlyFinished(api, settings, { maxRows: RECENT_ROWS, onlySucceeded })
    let found = 0
    for (const row of rows) {
      const known = keeper.knownOf(row)
      // What this process has followed, or somebody waits for, is asked for by name instead: a row lacks most of the evidence.
      if (known === undefined || known.report !== undefined || known.forgotten) continue
      if (waitedFor(known.job)) continue
      found += 1
      ledger.noteAnswer(known, keeper.report(row, known), clock.monotonicMs())
    }
    // A page that was full, and had something new in it, hides others.
    this.#swept = found === 0 || rows.length < RECENT_ROWS
  }

  async #askForDue(awaited: readonly JobRef[] | undefined): Promise<void> {
    const { ledger, clock, watching } = this.#parts
    const waitedFor = isAwaited(awaited)
    const due = ledger.due(clock.monotonicMs(), watching())
    await pMap(due, (known) => this.#ask(known, waitedFor(known.job)), { concurrency: CONCURRENCY })
  }

  async #ask(known: KnownJob, awaited: boolean): Promise<void> {
    const { reader, keeper, ledger, clock } = this.#parts
    const { hints } = known
    try {
      const found = await reader.findByName(known.job)
      if (found.kind === 'ours') await keeper.noteAnswer(known, found.workflow, awaited)
      else if (known.forgotten) ledger.noteUnanswered(known, clock.monotonicMs())
      // Absence is no failure [W-POLL-2]: who waits for it asks by lookupJob, which looks into the archive too.
      else ledger.drop(known.job)
      if (found.kind === 'stranger') keeper.tellStranger(known.job.workflow)
      known.hintsAnswered = Math.max(known.hintsAnswered, hints)
    } catch (error) {
      // One workflow that can't be read must not hide the others: for it, what was known holds.
      if (!isSluiceError(error, 'SLUICE_WORKER_UNAVAILABLE')) throw error
      ledger.noteUnanswered(known, clock.monotonicMs())
    }
  }
}

/** Whether somebody is known to wait for a job. */
function isAwaited(refs: readonly JobRef[] = []): (job: JobName) => boolean {
  const names = new Set(refs.map(textOf))
  return ({ ref }) => names.has(textOf(ref))
}

function textOf({ uid, attempt }: JobRef): string {
  return `${attempt} ${uid}`
}
