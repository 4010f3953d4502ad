import type { Runtime, Logger } from '@sluice/core'
import type { ArgoApi } from '../api/argo-api.js'
import { argoFailure } from '../api/argo-errors.js'
import { DeletionQueue } from './deletion-queue.js'
import type { JobKeeper } from './job-keeper.js'
import type { JobLedger } from './job-ledger.js'
import type { JobName } from './job-name.js'
import type { ArgoWorkerSettings } from '../options.js'
import { judgeAction } from '../api/verdict.js'
import { endedPhase, isArchived, type Workflow } from '../workflow/workflow.js'
import type { WorkflowReader } from '../workflow/workflow-reader.js'

export interface EnderParts {
  readonly settings: ArgoWorkerSettings
  readonly api: ArgoApi
  readonly ledger: JobLedger
  readonly keeper: JobKeeper
  readonly reader: WorkflowReader
  readonly runtime: Runtime
  readonly logger: Logger
}

/** Cancels jobs, and acknowledges those whose outcomes are stored. */
export class JobEnder {
  /** The finished workflows that are to be deleted. */
  readonly deletions: DeletionQueue
  readonly #parts: EnderParts

  constructor(parts: EnderParts) {
    this.#parts = parts
    this.deletions = new DeletionQueue({ ...parts, remove: (job) => this.#delete(job) })
  }

  /** @throws SluiceError SLUICE_WORKER_UNAVAILABLE, SLUICE_WORKER_DENIED: it may be called again */
  async cancel(job: JobName, reason: string): Promise<void> {
    const { settings, api, ledger, reader } = this.#parts
    const found = await reader.findByName(job, ledger.seenOf(job))
    if (found.kind !== 'ours') return
    // An archived one may have been retried since, and not be listed yet: only the live one can be told to
    // end.
    const inArchive = isArchived(found.workflow)
    if (!inArchive && endedPhase(found.workflow) !== undefined) return
    if (!inArchive) ledger.entry(job).cancelled = reason
    const path = `workflows/${settings.namespace}/${job.workflow}/${settings.cancel}`
    const verdict = judgeAction(await api.put(path, {}))
    if (verdict.kind === 'absent') return
    if (verdict.kind !== 'done')
      throw argoFailure(verdict, `${settings.cancel} workflow ${job.workflow}`, job.ref.id)
    const known = ledger.entry(job)
    known.cancelled = reason
    // Where there is no watch, the next poll asks.
    known.hints += 1
  }

  /** It is no longer reported; its workflow is deleted in its turn, if it is to be. */
  acknowledge(job: JobName): void {
    const { ledger } = this.#parts
    if (this.#mayDelete(job)) this.deletions.add(job)
    ledger.acknowledge(job)
  }

  #mayDelete(job: JobName): boolean {
    const { deleteFinished } = this.#parts.settings
    if (deleteFinished === 'never') return false
    return deleteFinished === 'all' || this.#parts.ledger.get(job)?.report?.stage !== 'FAIL'
  }

  /** A delete has no conditions: so the workflow is read first, and one that was retried just now is kept. */
  async #delete(job: JobName): Promise<void> {
    const { settings, api, reader } = this.#parts
    const found = await reader.findByName(job)
    // One in the archive is gone; or it runs again, and could not be read just now.
    if (found.kind !== 'ours' || isArchived(found.workflow) || !this.#isDone(found.workflow)) return
    const verdict = judgeAction(await api.delete(`workflows/${settings.namespace}/${job.workflow}`))
    if (verdict.kind === 'done' || verdict.kind === 'absent') return
    throw argoFailure(verdict, `delete workflow ${job.workflow}`, job.ref.id)
  }

  #isDone(workflow: Workflow): boolean {
    const phase = endedPhase(workflow)
    return phase === 'Succeeded' || (phase !== undefined && this.#parts.settings.deleteFinished === 'all')
  }
}
