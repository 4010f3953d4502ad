import { isSluiceError, type Clock, type JobSpec, type JsonValue, type Logger } from '@sluice/core'
import type { ArgoApi } from './argo-api.js'
import { argoFailure, type Trouble } from './argo-errors.js'
import { overridesFor } from './item-overrides.js'
import { isWorkflowOf } from './job-identity.js'
import type { JobKeeper } from './job-keeper.js'
import type { JobLedger } from './job-ledger.js'
import type { JobName } from './job-name.js'
import { rejectedItem, type ParameterMaker } from './job-parameters.js'
import { createBody, submitBody, type Manifest } from './manifest.js'
import type { ArgoWorkerSettings } from './options.js'
import { fitParameters, needsTemplate, type FitInput, type FittedParameters } from './parameter-fitter.js'
import type { TemplateSource } from './template-source.js'
import { judgeSend } from './verdict.js'
import { totalProblem } from './workflow-size.js'
import { workflowSchema } from './workflow.js'
import type { Found, WorkflowReader } from './workflow-reader.js'

/** How often one call sends, at most: a connection that was closed while it was idle, and a quota's conflict, are gone the next time. */
const MAX_SENDS = 3
const PAUSE_MS = 100

export interface SenderParts {
  readonly settings: ArgoWorkerSettings
  readonly api: ArgoApi
  readonly ledger: JobLedger
  readonly keeper: JobKeeper
  readonly reader: WorkflowReader
  readonly template: TemplateSource
  readonly parameters: ParameterMaker
  readonly clock: Clock
  readonly logger: Logger
}

/** One item to be sent. */
export interface JobOrder {
  readonly job: JobName
  readonly body: JsonValue
  readonly spec: JobSpec
}

/** Makes the workflow of a job: exactly one, whatever is lost on the way [W-SEND-1]. */
export class JobSender {
  readonly #parts: SenderParts

  constructor(parts: SenderParts) {
    this.#parts = parts
  }

  /** Returned, the workflow is there. @throws SluiceError as `sendJob` says */
  async send(order: JobOrder): Promise<void> {
    try {
      await this.#send(order)
    } catch (error) {
      if (!isSluiceError(error, 'SLUICE_JOB_REJECTED')) throw error
      // Sent before, by a process that died or in a send whose answer was lost, and taken: the template was another one then.
      if (!(await this.#adopt(order.job, await this.#parts.reader.find(order.job)))) throw error
    }
  }

  async #send({ job, body, spec }: JobOrder): Promise<void> {
    const { ledger, reader, settings } = this.#parts
    const input = { ...job.ref, queue: settings.name, body }
    const overrides = overridesFor(settings, { id: job.ref.id, body })
    const values = await this.#parts.parameters.make(input)
    const { parameters, templateBytes } = await this.#fitted({ itemId: job.ref.id, values, overrides })
    const manifest = { job, parameters, overrides, itemPriority: spec.priority ?? 0 }
    const tooLarge = totalProblem({ parameters, templateBytes, body: this.#body(manifest) }, settings)
    if (tooLarge !== undefined) throw rejectedItem(job.ref.id, tooLarge)
    // Sent before, and nobody knows what became of it. It may have run and be in the archive alone by now: sent blindly, it ran twice.
    if (ledger.get(job)?.doubtful === true && (await this.#adopt(job, await reader.find(job)))) return
    await this.#post(manifest)
  }

  /** @throws SluiceError SLUICE_JOB_REJECTED, and only by what the template declares now, not by what it declared a while ago */
  async #fitted(input: FitInput): Promise<FittedParameters> {
    const { template, settings } = this.#parts
    // How such a value is to be written changes with the template.
    const current = needsTemplate(input.values) ? await template.fresh() : await template.current()
    const fitted = fitParameters(current, input, settings)
    if (fitted.problems.length === 0) return fitted
    const again = fitParameters(await template.fresh(), input, settings)
    if (again.problems.length > 0) throw rejectedItem(input.itemId, again.problems.join('; '))
    return again
  }

  async #post(manifest: Manifest): Promise<void> {
    const { ledger, reader, clock } = this.#parts
    const { job } = manifest
    ledger.entry(job)
    for (let sends = 1; ; sends++) {
      const verdict = judgeSend(await this.#request(manifest))
      if (verdict.kind === 'done') return this.#accepted(job, verdict.json)
      if (verdict.kind !== 'unknown') throw this.#refused(job, verdict)
      // From here on until an answer says otherwise it may be there.
      ledger.entry(job).doubtful = true
      if (await this.#adopt(job, await reader.findByName(job))) return
      if (sends >= MAX_SENDS) throw this.#refused(job, verdict)
      await clock.sleep(PAUSE_MS * 2 ** (sends - 1))
    }
  }

  #request(manifest: Manifest) {
    const { api, settings } = this.#parts
    const path = `workflows/${settings.namespace}`
    return api.post(settings.via === 'submit' ? `${path}/submit` : path, this.#body(manifest))
  }

  #body(manifest: Manifest): JsonValue {
    const { settings } = this.#parts
    return settings.via === 'submit' ? submitBody(settings, manifest) : createBody(settings, manifest)
  }

  async #accepted(job: JobName, json: unknown): Promise<void> {
    const workflow = workflowSchema.safeParse(json)
    if (!workflow.success || !isWorkflowOf(workflow.data, job)) {
      throw this.#refused(job, {
        kind: 'misdirected',
        why: 'the answer is not the workflow that was asked for',
      })
    }
    const { ledger, keeper } = this.#parts
    await keeper.noteAnswer(ledger.entry(job), workflow.data, false)
  }

  /** @returns whether it is there @throws SluiceError SLUICE_JOB_REJECTED when somebody else's workflow has its name */
  async #adopt(job: JobName, found: Found): Promise<boolean> {
    const { ledger, keeper } = this.#parts
    if (found.kind === 'absent') return false
    if (found.kind === 'stranger') {
      ledger.drop(job)
      const why = `a workflow named ${job.workflow} exists already, and bears neither its labels nor its annotations`
      throw rejectedItem(job.ref.id, why)
    }
    await keeper.noteAnswer(ledger.entry(job), found.workflow, false)
    return true
  }

  #refused(job: JobName, trouble: Trouble): Error {
    const { ledger, settings } = this.#parts
    const known = ledger.get(job)
    // What was surely not stored needs no memory; and another send of the same job may have been luckier.
    if (known?.report === undefined && known?.doubtful !== true) ledger.drop(job)
    const { template } = settings
    return argoFailure(trouble, `start workflow ${job.workflow} of template ${template}`, job.ref.id)
  }
}
