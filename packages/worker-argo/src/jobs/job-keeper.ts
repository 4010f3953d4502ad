import type { Runtime, JobReport, Logger } from '@sluice/core'
import type { ArgoApi } from '../api/argo-api.js'
import { HiddenCause } from '../workflow/hidden-cause.js'
import { holdUpOf } from '../workflow/hold-up.js'
import { jobOf } from './job-identity.js'
import type { JobLedger, KnownJob } from './job-ledger.js'
import { reportOf } from './job-report.js'
import type { ArgoWorkerSettings } from '../options.js'
import { seenAfter, seenAfterRetry } from '../workflow/seen-run.js'
import { judgeAction } from '../api/verdict.js'
import { toldToEnd, type Workflow } from '../workflow/workflow.js'

export interface KeeperParts {
  readonly settings: ArgoWorkerSettings
  readonly api: ArgoApi
  readonly ledger: JobLedger
  readonly runtime: Runtime
  readonly ioRuntime: Runtime
  readonly logger: Logger
}

const ACTION = 'workflows.argoproj.io/action'

/** Turns what is read of workflows into what is known of jobs, and logs manual changes at Argo. */
export class JobKeeper {
  readonly #parts: KeeperParts
  readonly #loggedForeign = new Set<string>()
  readonly #causes: HiddenCause

  constructor(parts: KeeperParts) {
    this.#parts = parts
    this.#causes = new HiddenCause({ ...parts, namespace: parts.settings.namespace })
  }

  /** The job of a row of a list: `undefined` when it is no job of this queue, such as a copy of one. */
  knownOf(workflow: Workflow): KnownJob | undefined {
    const { ledger, settings } = this.#parts
    const { name } = workflow.metadata
    const known = ledger.byWorkflow(name)
    if (known !== undefined) return known
    const job = jobOf(settings.name, workflow)
    if (job === undefined) {
      this.logForeign(name)
      return undefined
    }
    return ledger.entry(job)
  }

  report(workflow: Workflow, { job, cancelled, notes, nodes }: KnownJob, logEnd?: string): JobReport {
    const { namespace, uiUrl, baseUrl } = this.#parts.settings
    const url = (uiUrl ?? baseUrl).replace(/\/+$/u, '')
    const more = cancelled === undefined ? {} : { cancelled }
    return reportOf(workflow, { job, namespace, uiUrl: url, notes, lastHoldUp: nodes, logEnd, ...more })
  }

  /**
   * Notes Argo's answer about the job's workflow.
   *
   * @param retry whether it may be retried in place: only while its item is known to wait for it
   * @returns the report
   */
  async noteAnswer(known: KnownJob, workflow: Workflow, retry: boolean): Promise<JobReport> {
    const { ledger } = this.#parts
    this.#noteManualChanges(known, workflow)
    known.seen = seenAfter(known.seen, workflow)
    this.#noteNodes(known, workflow)
    const report = await this.#reportWithCause(known, workflow, retry)
    this.#logEndedAnyway(known, workflow, report)
    const retried = retry && (await this.#retryInPlace(known, report, workflow))
    const current = retried ? this.#running(known, workflow) : report
    if (current.stage === 'PROCESSING' && known.acknowledged) {
      ledger.revive(known)
      this.#note(known, 'retried at Argo after its outcome was stored')
    }
    ledger.noteAnswer(known, current)
    return current
  }

  /** @param isAwaited its item waits for it: only then is its reason stored */
  async #reportWithCause(known: KnownJob, workflow: Workflow, isAwaited: boolean): Promise<JobReport> {
    const report = this.report(workflow, known)
    if (report.stage !== 'FAIL' || !isAwaited) return report
    const logEnd = await this.#causes.find(known.job, workflow)
    return logEnd === undefined ? report : this.report(workflow, known, logEnd)
  }

  /** The name is taken by a workflow that isn't the job's: it is as if the job had none. */
  logForeign(workflow: string): void {
    if (this.#loggedForeign.has(workflow)) return
    if (this.#loggedForeign.size > 1_000) this.#loggedForeign.clear()
    this.#loggedForeign.add(workflow)
    const { logger, settings } = this.#parts
    logger.warn(
      { workflow, queue: settings.name },
      'a workflow bears the labels of this queue and is none of its jobs, such as a copy made by resubmit; it is left alone',
    )
  }

  /** Manual changes, as far as they show. */
  #noteManualChanges(known: KnownJob, { metadata }: Workflow): void {
    if (known.workflowUid !== undefined && known.workflowUid !== metadata.uid) {
      this.#note(known, `deleted and made again under its name at Argo (uid ${known.workflowUid} before)`)
      known.nodes = undefined
    }
    known.workflowUid = metadata.uid
  }

  /**
   * What its nodes say counts until they are read again. What has run, or ended, is never pending again, also
   * where it is retried in place.
   */
  #noteNodes(known: KnownJob, workflow: Workflow): void {
    if (known.nodes?.pending === false) return
    const { pending, message } = holdUpOf(workflow)
    const runs = workflow.status?.phase === 'Running'
    if (runs) known.nodesAskedAtMonotonic = this.#parts.runtime.monotonicMs()
    if (pending === false) known.nodes = { pending, message: undefined }
    else known.nodes = runs && pending !== undefined ? { pending, message } : undefined
  }

  #logEndedAnyway(known: KnownJob, workflow: Workflow, report: JobReport): void {
    const strategy = toldToEnd(workflow)
    if (strategy === undefined || report.stage !== 'SUCCESS' || known.report?.stage === 'SUCCESS') return
    const { workflow: name, ref } = known.job
    this.#parts.logger.warn(
      { ...ref, workflow: name, shutdown: strategy },
      'a job was told to end, and its program exited 0: it counts as a success',
    )
  }

  #note(known: KnownJob, what: string): void {
    known.notes.push(what)
    const { workflow, ref } = known.job
    this.#parts.logger.warn({ ...ref, workflow }, `the workflow of a job was ${what}`)
  }

  /** Asks Argo to retry a workflow that failed, its finished steps kept. */
  async #retryInPlace(known: KnownJob, report: JobReport, workflow: Workflow): Promise<boolean> {
    const { settings, api, ledger, logger } = this.#parts
    const { retryInPlace: policy, namespace } = settings
    if (policy === undefined || report.stage !== 'FAIL' || known.cancelled !== undefined) return false
    if (!policy.on.includes(report.failureClass ?? 'failed')) return false
    // How often another process or an operator retried it isn't known. That it was retried is on the
    // workflow: that counts as the limit.
    const before = known.retries === 0 && workflow.metadata.labels?.[ACTION] === 'Retry'
    if (before || known.retries >= policy.limit) return false
    const { workflow: name, ref } = known.job
    const verdict = judgeAction(await api.put(`workflows/${namespace}/${name}/retry`, {}))
    if (verdict.kind !== 'done') {
      const answered = verdict.kind !== 'unavailable'
      if (!answered) ledger.noteUnanswered(known, verdict.retryAfterMs)
      logger.warn(
        { ...ref, workflow: name, why: verdict.why },
        'a failed workflow could not be retried in place',
      )
      // Without an answer it may have been done, and is asked again. A refusal leaves the failure as it is.
      return !answered
    }
    known.retries += 1
    known.seen = seenAfterRetry(workflow, verdict.json)
    this.#note(known, `retried in place after it failed: ${report.message ?? 'no reason given'}`)
    return true
  }

  /** As it will be once Argo has retried it: running, with its old start. */
  #running(known: KnownJob, { metadata, spec, status }: Workflow): JobReport {
    const startedAt = status?.startedAt ?? metadata.creationTimestamp
    return this.report({ metadata, spec, status: { startedAt } }, known)
  }
}
