import { isSluiceError, type JobOverrides, type Runtime, type JsonValue, type Logger } from '@sluice/core'
import type { ArgoApi } from '../api/argo-api.js'
import { argoFailure } from '../api/argo-errors.js'
import { overridesFor } from '../parameters/item-overrides.js'
import { isWorkflowOf } from '../jobs/job-identity.js'
import type { JobKeeper } from '../jobs/job-keeper.js'
import type { JobLedger } from '../jobs/job-ledger.js'
import type { JobName } from '../jobs/job-name.js'
import { rejectedItem, withOverrides, type ParameterMaker } from '../parameters/job-parameters.js'
import { sentBody, type Manifest } from './manifest.js'
import type { ArgoWorkerSettings } from '../options.js'
import { withoutOwnName } from '../workflow/own-name.js'
import {
  fitParameters,
  needsTemplate,
  type FitInput,
  type FittedParameters,
} from '../parameters/parameter-fitter.js'
import { concernsTemplate, type RefusalReview } from './refusal-review.js'
import type { TemplateKnowledge, TemplateSource } from '../template/template-source.js'
import { judgeSend, type Trouble } from '../api/verdict.js'
import { totalProblem } from './workflow-size.js'
import { workflowSchema } from '../workflow/workflow.js'
import type { Found, WorkflowReader } from '../workflow/workflow-reader.js'

/**
 * How often one call sends at most: a connection that was closed while idle, and a quota's conflict, are gone
 * the next time.
 */
const MAX_SENDS = 3
const PAUSE_MS = 100
const NOT_THE_WORKFLOW = 'the answer is not the workflow that was asked for'

export interface SenderParts {
  readonly settings: ArgoWorkerSettings
  readonly api: ArgoApi
  readonly ledger: JobLedger
  readonly keeper: JobKeeper
  readonly reader: WorkflowReader
  readonly template: TemplateSource
  readonly review: RefusalReview
  readonly parameters: ParameterMaker
  readonly runtime: Runtime
  readonly logger: Logger
}

/** One item to be sent. */
export interface JobOrder {
  readonly job: JobName
  readonly body: JsonValue
  /** The item's own. */
  readonly priority: number
  readonly jobOverrides?: JobOverrides | undefined
}

interface WrittenManifest extends Manifest {
  /** As it is sent. */
  readonly text: string
}

/** Parameters checked against the template, as far as it is known. */
interface Checked extends Omit<FittedParameters, 'problems'> {
  readonly problem: string | undefined
  /** Of the template; `undefined` when it isn't known. */
  readonly version: string | undefined
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
      if (!this.#isRefusal(error)) throw error
      // It may have been sent before, by a process that died or in a send whose answer was lost, and
      // accepted: the template, a policy or what a quota allows was another one then.
      if (!(await this.#adopt(order.job, await this.#find(order.job)))) throw error
    }
  }

  /** Argo, or this worker, refused what was sent now. Of a server that asked for no requests none is made. */
  #isRefusal(error: unknown): boolean {
    if (isSluiceError(error, 'SLUICE_JOB_REJECTED') || this.#parts.review.isMisfit(error)) return true
    if (!isSluiceError(error) || error.retryAfterMs !== undefined) return false
    return error.concerns === 'item' || error.concerns === 'capacity'
  }

  async #send({ job, body, priority, jobOverrides }: JobOrder): Promise<void> {
    const { ledger, settings } = this.#parts
    const input = { ...job.ref, queue: settings.name, body }
    const overrides = overridesFor(settings, { id: job.ref.id, body })
    const values = withOverrides(await this.#parts.parameters.make(input), jobOverrides)
    const { parameters, templateBytes, version } = await this.#fitted(job, {
      itemId: job.ref.id,
      values,
      overrides,
      mustHave: Object.keys(jobOverrides ?? {}),
      whyMissing: (name) => this.#parts.parameters.whyMissing(name, input),
    })
    const manifest = { job, parameters, overrides, jobOverrides, itemPriority: priority }
    const text = sentBody(settings, manifest)
    const tooLarge = totalProblem({ parameters, templateBytes, body: text }, settings)
    if (tooLarge !== undefined) throw rejectedItem(job.ref.id, tooLarge)
    // It was sent before with an unknown outcome. It may have run and be in the archive alone by now: sent
    // without a look-up, it would run twice.
    if (ledger.get(job)?.doubtful === true && (await this.#adopt(job, await this.#find(job)))) return
    await this.#post({ ...manifest, text }, version)
  }

  /**
   * Checks the parameters against the template. An item is refused only by what the template declares now,
   * and only once it is known that the template is the right one.
   *
   * @throws SluiceError SLUICE_JOB_REJECTED; SLUICE_WORKER_UNAVAILABLE when the template isn't the right one
   */
  async #fitted(job: JobName, input: FitInput): Promise<Checked> {
    const { template, review } = this.#parts
    // How such a value is to be written changes with the template.
    const known = needsTemplate(input.values) ? await template.recent() : await template.current()
    const first = this.#fit(known, input)
    if (first.problem === undefined) return first
    const knowledge = await template.reread()
    const second = this.#fit(knowledge, input)
    if (second.problem === undefined) return second
    const verdict = await review.judge(job, knowledge, { by: 'worker', why: second.problem })
    const last = verdict === 'again' ? this.#fit(await template.reread(), input) : second
    if (last.problem === undefined) return last
    throw rejectedItem(job.ref.id, last.problem)
  }

  #fit(knowledge: TemplateKnowledge, input: FitInput): Checked {
    const { problems, ...fitted } = fitParameters(knowledge, input, this.#parts.settings)
    return {
      ...fitted,
      problem: problems.length === 0 ? undefined : problems.join('; '),
      version: knowledge.kind === 'known' ? knowledge.version : undefined,
    }
  }

  /** @param version of the template that the parameters were checked against */
  async #post(manifest: WrittenManifest, version: string | undefined): Promise<void> {
    const { ledger, reader, runtime, review } = this.#parts
    const { job } = manifest
    ledger.entry(job)
    let isReviewed = false
    for (let sends = 1; ; sends++) {
      const trouble = await this.#attempt(manifest)
      if (trouble === undefined) {
        review.noteAccepted(manifest, version)
        return
      }
      if (!isReviewed && concernsTemplate(trouble)) {
        await this.#review(job, trouble)
        isReviewed = true
        continue
      }
      if (trouble.kind !== 'unknown') throw this.#refused(job, trouble)
      // From here on until an answer says otherwise it may be there.
      ledger.entry(job).doubtful = true
      if (await this.#adopt(job, await reader.findByName(job, ledger.seenOf(job)))) return
      if (sends >= MAX_SENDS || trouble.retryAfterMs !== undefined) throw this.#refused(job, trouble)
      await runtime.sleep(PAUSE_MS * 2 ** (sends - 1))
    }
  }

  /**
   * Returned, the item is to be sent again: the template is right by now. @throws SluiceError by the cause of
   * the refusal
   */
  async #review(job: JobName, refusal: Trouble): Promise<void> {
    const { template, review } = this.#parts
    try {
      const verdict = await review.judge(job, await template.reread(), { by: 'argo', why: refusal.why })
      if (verdict === 'again') return
    } catch (error) {
      this.#dropUnsent(job)
      throw error
    }
    throw this.#refused(job, refusal)
  }

  /** Sends it once. @returns `undefined` when the answer is its workflow */
  async #attempt(manifest: WrittenManifest): Promise<Trouble | undefined> {
    const { api, settings, ledger, keeper } = this.#parts
    const path = `workflows/${settings.namespace}`
    const reply = await api.postJson(settings.via === 'submit' ? `${path}/submit` : path, manifest.text)
    const verdict = judgeSend(reply)
    if (verdict.kind !== 'done') return verdict
    const workflow = workflowSchema.safeParse(verdict.json)
    // It was not written by Argo, or was cut on its way: the workflow may be there all the same.
    if (!workflow.success || !isWorkflowOf(workflow.data, manifest.job))
      return { kind: 'unknown', why: NOT_THE_WORKFLOW }
    await keeper.noteAnswer(ledger.entry(manifest.job), workflow.data, false)
    return undefined
  }

  #find(job: JobName): Promise<Found> {
    return this.#parts.reader.find(job, this.#parts.ledger.seenOf(job))
  }

  /**
   * @returns whether it is there @throws SluiceError SLUICE_JOB_REJECTED when a foreign workflow has its name
   */
  async #adopt(job: JobName, found: Found): Promise<boolean> {
    const { ledger, keeper } = this.#parts
    if (found.kind === 'absent') return false
    if (found.kind === 'foreign') {
      ledger.drop(job)
      const why = `a workflow named ${job.workflow} exists already, and bears neither its labels nor its annotations`
      throw rejectedItem(job.ref.id, why)
    }
    await keeper.noteAnswer(ledger.entry(job), found.workflow, false)
    return true
  }

  #refused(job: JobName, trouble: Trouble): Error {
    this.#dropUnsent(job)
    const { template } = this.#parts.settings
    const why = withoutOwnName(trouble.why, job.workflow)
    return argoFailure({ ...trouble, why }, `start a workflow of template ${template}`, job.ref.id)
  }

  /** What was surely not stored is not remembered, unless another send of the same job has succeeded. */
  #dropUnsent(job: JobName): void {
    const { ledger } = this.#parts
    const known = ledger.get(job)
    if (known?.report === undefined && known?.doubtful !== true) ledger.drop(job)
  }
}
