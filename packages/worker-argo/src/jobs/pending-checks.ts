import { isSluiceError, type Runtime } from '@sluice/core'
import { outsideCalls } from '../api/call-time.js'
import type { JobKeeper } from './job-keeper.js'
import type { JobLedger, KnownJob } from './job-ledger.js'
import type { JobName } from './job-name.js'
import type { RateGate } from '../api/rate-gate.js'
import type { WorkflowReader } from '../workflow/workflow-reader.js'

/** How long a job is unfinished before its nodes are read: most begin by then, or are over. */
const UNKNOWN_MS = 10_000
/** How often the nodes of one that was pending are read again. */
const AGAIN_MS = 60_000

export interface PendingParts {
  readonly ledger: JobLedger
  readonly keeper: JobKeeper
  readonly reader: WorkflowReader
  readonly runtime: Runtime
  /** The budget of all look-ups. */
  readonly lookups: RateGate
  /** The part of it that may go into this: a few a second. */
  readonly pace: RateGate
  /** The worker was closed. */
  readonly closing: AbortSignal
}

/** Which jobs it is about, and which of them the queue waits for. */
export interface PendingWish {
  readonly isWanted: (job: JobName) => boolean
  readonly isAwaited: (job: JobName) => boolean
}

/**
 * Finds out which jobs don't begin: a list shows a workflow whose pod has no image, no ConfigMap or no node
 * as Running, with an empty message; only the nodes show the cause. So the nodes of each job that has been
 * unfinished for a while are read once, the oldest first; again at times where nothing of it runs, and never
 * where something was seen to run.
 */
export class PendingChecks {
  readonly #parts: PendingParts
  #wish: PendingWish = { isWanted: () => true, isAwaited: () => false }
  #goesOn = false

  constructor(parts: PendingParts) {
    this.#parts = parts
  }

  /** Reads what may be read now; the rest follows by itself, at its pace. */
  async round(wish: PendingWish): Promise<void> {
    this.#wish = wish
    if ((await this.#some()) === 'more' && !this.#goesOn) {
      // It ends with the worker, and by itself; the polls report its errors, which they meet too.
      void outsideCalls(() => this.#goOn())
    }
  }

  async #goOn(): Promise<void> {
    const { runtime, pace, closing } = this.#parts
    this.#goesOn = true
    try {
      do await runtime.sleep(Math.max(1, pace.waitMs), closing)
      while (!closing.aborted && (await this.#some()) === 'more')
    } catch (error) {
      if (!isSluiceError(error)) throw error
    } finally {
      this.#goesOn = false
    }
  }

  /** As many as the pace allows at this instant. */
  async #some(): Promise<'more' | 'done'> {
    const due = this.#due()
    const asked = await Promise.all(due.map((known) => this.#parts.pace.try(() => this.#ask(known))))
    return asked.includes(false) ? 'more' : 'done'
  }

  #due(): readonly KnownJob[] {
    const nowMonotonic = this.#parts.runtime.monotonicMs()
    const due = this.#parts.ledger
      .unfinished()
      .filter((known) => isDue(known, nowMonotonic) && this.#wish.isWanted(known.job))
    return due.toSorted((a, b) => a.sinceAtMonotonic - b.sinceAtMonotonic)
  }

  async #ask(known: KnownJob): Promise<void> {
    const { lookups, reader, keeper, ledger, runtime } = this.#parts
    await lookups.try(async () => {
      known.nodesAskedAtMonotonic = runtime.monotonicMs()
      try {
        const found = await reader.findByName(known.job, known.seen)
        if (found.kind === 'ours')
          await keeper.noteAnswer(known, found.workflow, this.#wish.isAwaited(known.job))
      } catch (error) {
        if (!isSluiceError(error, 'SLUICE_WORKER_UNAVAILABLE')) throw error
        // It is asked again after a while, as one that is pending.
        if (error.retryAfterMs !== undefined) ledger.noteUnanswered(known, error.retryAfterMs)
      }
    })
  }
}

function isDue(known: KnownJob, nowMonotonic: number): boolean {
  const { sinceAtMonotonic, report, nodes, nodesAskedAtMonotonic, notBeforeMonotonic } = known
  if (notBeforeMonotonic > nowMonotonic) return false
  if (nowMonotonic - sinceAtMonotonic < UNKNOWN_MS || nowMonotonic - nodesAskedAtMonotonic < AGAIN_MS)
    return false
  // One that waits for a slot or a lock says so in every list.
  return report?.pending === undefined || (report.pending && nodes !== undefined)
}
