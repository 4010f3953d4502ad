import { SluiceError, isSluiceError, type ProbeSample } from '@sluice/core'
import type { ArgoApi } from '../api/argo-api.js'
import { argoFailure } from '../api/argo-errors.js'
import { overridesFor } from '../parameters/item-overrides.js'
import { nameJob } from '../jobs/job-name.js'
import type { ParameterMaker } from '../parameters/job-parameters.js'
import { serverDryRunOf, type Manifest } from './manifest.js'
import type { ArgoWorkerSettings } from '../options.js'
import { fitParameters, needsTemplate } from '../parameters/parameter-fitter.js'
import type { RefusalReview } from './refusal-review.js'
import type { TemplateSource } from '../template/template-source.js'
import { judgeSend } from '../api/verdict.js'
import { workflowSchema } from '../workflow/workflow.js'

export interface ProbeParts {
  readonly settings: ArgoWorkerSettings
  readonly api: ArgoApi
  readonly template: TemplateSource
  readonly parameters: ParameterMaker
  readonly review: Pick<RefusalReview, 'accepted'>
}

/** No item has this uid, so that no workflow has the name of a probe's. */
const PROBE_UID = 'sluice-probe'

/**
 * Finds out whether a job could be sent now: a submit, or create, that Kubernetes carries out as a dry run.
 * Permissions, quotas, policies and webhooks apply as to a send, and nothing is stored [W-PROBE-1].
 */
export class SendProbe {
  readonly #parts: ProbeParts

  constructor(parts: ProbeParts) {
    this.#parts = parts
  }

  /** @throws SluiceError as `probeSend` says */
  async probe(sample: ProbeSample | undefined): Promise<void> {
    const { settings, api } = this.#parts
    const manifest = sample === undefined ? this.#lastAccepted() : await this.#manifestOf(sample)
    const { path, body } = serverDryRunOf(settings, manifest)
    const verdict = judgeSend(await api.post(path, body))
    const doing = `try to start a workflow of template ${settings.template} without storing it`
    if (verdict.kind === 'done') {
      const made = workflowSchema.safeParse(verdict.json)
      if (made.data?.metadata.name === manifest.job.workflow) return
      throw argoFailure({ kind: 'unknown', why: 'the answer is not the workflow that was asked for' }, doing)
    }
    // It was accepted before, so it isn't the item that is wrong.
    const isOfSample = verdict.kind === 'rejected' || verdict.concerns === 'item'
    throw argoFailure(isOfSample ? { ...verdict, kind: 'unavailable', concerns: 'worker' } : verdict, doing)
  }

  #lastAccepted(): Manifest {
    const { review, settings } = this.#parts
    if (review.accepted === undefined) {
      throw unusable('this worker has sent nothing yet, and no item was given that was sent before')
    }
    const job = nameJob(settings.name, { id: PROBE_UID, uid: PROBE_UID, attempt: 1 })
    return { ...review.accepted, job }
  }

  async #manifestOf({ id, body }: ProbeSample): Promise<Manifest> {
    const { settings } = this.#parts
    const job = nameJob(settings.name, { id, uid: PROBE_UID, attempt: 1 })
    try {
      const overrides = overridesFor(settings, { id, body })
      const values = await this.#parts.parameters.make({ ...job.ref, queue: settings.name, body })
      const fit = await this.#fit({ itemId: id, values, overrides })
      return { job, parameters: fit, overrides, itemPriority: 0 }
    } catch (error) {
      if (!isSluiceError(error, 'SLUICE_JOB_REJECTED')) throw error
      throw unusable(`item ${JSON.stringify(id)}, which was sent before, can't become a workflow now`, error)
    }
  }

  async #fit(input: Parameters<typeof fitParameters>[1]): Promise<Manifest['parameters']> {
    const { settings, template } = this.#parts
    const known = needsTemplate(input.values) ? await template.recent() : await template.current()
    const first = fitParameters(known, input, settings)
    if (first.problems.length === 0) return first.parameters
    const { problems, parameters } = fitParameters(await template.reread(), input, settings)
    if (problems.length === 0) return parameters
    throw unusable(`template ${settings.template} no longer accepts what it accepted: ${problems.join('; ')}`)
  }
}

function unusable(why: string, cause?: unknown): SluiceError {
  const message = `Cannot probe whether Argo takes workflows: ${why}.`
  return new SluiceError('SLUICE_WORKER_UNAVAILABLE', message, {
    concerns: 'worker',
    ...(cause === undefined ? {} : { cause }),
  })
}
