import { isWorkflowOf } from './job-identity.js'
import type { JobKeeper } from './job-keeper.js'
import type { KnownJob } from './job-ledger.js'
import { instantOf, endedPhase, isArchived, toldToEnd, type Workflow } from '../workflow/workflow.js'
import type { WorkflowLister } from '../workflow/workflow-lister.js'
import { succeededOf, type PageReading } from '../workflow/workflow-pages.js'

/** Of fewer each is asked for by name: that answers at once, whatever the lists are like. */
const LEAST = 3
/** Rows of one list at most: a hundred keys would not fit into the address that some proxies allow. */
const MOST = 50
/** Of the first list, whose rows are of an unknown size. */
const FIRST = 8
/** How large the answer of a list may be, in UTF-16 code units: workflows of many steps are large. */
const MOST_LENGTH = 2_000_000

export interface SuccessParts extends PageReading {
  readonly keeper: Pick<JobKeeper, 'noteAnswer'>
  readonly lister: Pick<WorkflowLister, 'listSome'>
}

/**
 * Reads jobs that have most likely succeeded, many by one list. A list comes from a cache that lags behind;
 * but a success is final at Argo, so that a row which shows one is as good as an answer about it alone. For
 * all else a list is no evidence: what failed, was cancelled or retried, was made again, or has no nodes in
 * its row, is left to be asked for by name.
 */
export class SuccessRows {
  readonly #parts: SuccessParts
  #rowLength: number | undefined

  constructor(parts: SuccessParts) {
    this.#parts = parts
  }

  /** @param isAwaited whether the queue waits for a job @returns those whose outcome isn't known now */
  async read(
    jobs: readonly KnownJob[],
    isAwaited: (known: KnownJob) => boolean,
  ): Promise<readonly KnownJob[]> {
    const left = [...jobs]
    const unread: KnownJob[] = []
    while (left.length >= LEAST && this.#most() >= LEAST) {
      const some = left.splice(0, this.#most())
      const outcome = await this.#parts.lister.listSome((signal) =>
        this.#readSome(some, { isAwaited, signal }),
      )
      unread.push(...some.filter(isOpen))
      if (outcome.kind !== 'read') break
    }
    return [...unread, ...left]
  }

  #most(): number {
    if (this.#rowLength === undefined) return FIRST
    return Math.min(MOST, Math.floor(MOST_LENGTH / this.#rowLength))
  }

  async #readSome(
    jobs: readonly KnownJob[],
    { isAwaited, signal }: { isAwaited: (known: KnownJob) => boolean; signal: AbortSignal },
  ): Promise<void> {
    const keys = jobs.map(({ job }) => job.key)
    const { rows, length } = await succeededOf({ ...this.#parts, signal }, keys)
    if (rows.length > 0) this.#rowLength = Math.max(1, length / rows.length)
    const found = new Map(rows.map((row) => [row.metadata.name, row]))
    for (const known of jobs) {
      const row = found.get(known.job.workflow)
      // A late list may have been overtaken.
      if (row === undefined || !isOpen(known) || !isFinal(row, known)) continue
      const { hints } = known
      await this.#parts.keeper.noteAnswer(known, row, isAwaited(known))
      known.hintsAnswered = Math.max(known.hintsAnswered, hints)
    }
  }
}

function isOpen({ report, acknowledged }: KnownJob): boolean {
  return report?.stage === 'PROCESSING' && !acknowledged
}

const ACTION = 'workflows.argoproj.io/action'

/** Whether a row proves how its job ended: it is of the latest run, and has the evidence. */
function isFinal(row: Workflow, { job, workflowUid, cancelled, retries, seen }: KnownJob): boolean {
  if (!isWorkflowOf(row, job) || row.metadata.uid !== workflowUid || isArchived(row)) return false
  if (endedPhase(row) !== 'Succeeded' || toldToEnd(row) !== undefined || !row.status?.nodes) return false
  if (cancelled !== undefined || retries > 0 || row.metadata.labels?.[ACTION] !== undefined) return false
  const startedAt = instantOf(row.status.startedAt)
  return startedAt !== undefined && startedAt >= (seen.startedAt ?? startedAt)
}
