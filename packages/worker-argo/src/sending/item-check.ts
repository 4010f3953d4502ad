import { isSluiceError, type JsonValue } from '@sluice/core'
import { overridesFor } from '../parameters/item-overrides.js'
import { nameJob, type JobName } from '../jobs/job-name.js'
import { rejectedItem, type ParameterMaker } from '../parameters/job-parameters.js'
import { sentBody } from './manifest.js'
import type { ArgoWorkerSettings } from '../options.js'
import { fitParameters } from '../parameters/parameter-fitter.js'
import type { RefusalReview } from './refusal-review.js'
import type { TemplateKnowledge, TemplateSource } from '../template/template-source.js'
import { totalProblem } from './workflow-size.js'

export interface ItemCheckParts {
  readonly settings: ArgoWorkerSettings
  readonly template: TemplateSource
  readonly parameters: ParameterMaker
  readonly review: Pick<RefusalReview, 'judge'>
}

/** No item has this uid, so that no workflow has the name of what is checked; it is as long as one. */
const CHECK_UID = '00000000-0000-0000-0000-000000000000'

/**
 * Checks items against the template as a send does, and sends nothing [W-CHECK-1]. The template is read once
 * in some seconds, for any number of items.
 */
export class ItemCheck {
  readonly #parts: ItemCheckParts
  /** Of each reading of the template: whether what doesn't fit is the item's fault. */
  readonly #verdicts = new WeakMap<TemplateKnowledge, Promise<unknown>>()

  constructor(parts: ItemCheckParts) {
    this.#parts = parts
  }

  /** @throws SluiceError as `checkItem` says */
  async check(id: string, body: JsonValue): Promise<void> {
    const { settings, template, parameters: maker } = this.#parts
    const job = nameJob(settings.name, { id, uid: CHECK_UID, attempt: 1 })
    const input = { ...job.ref, queue: settings.name, body }
    const overrides = overridesFor(settings, { id, body })
    const values = await maker.make(input)
    const knowledge = await template.recent()
    const whyMissing = (name: string) => maker.whyMissing(name, input)
    const fit = fitParameters(knowledge, { itemId: id, values, overrides, whyMissing }, settings)
    if (fit.problems.length > 0) {
      const why = fit.problems.join('; ')
      await this.#assertOfItem(job, knowledge, why)
      throw rejectedItem(id, why)
    }
    const { parameters, templateBytes } = fit
    const sent = sentBody(settings, { job, parameters, overrides, itemPriority: 0 })
    const tooLarge = totalProblem({ parameters, templateBytes, body: sent }, settings)
    if (tooLarge !== undefined) throw rejectedItem(id, tooLarge)
  }

  /**
   * @throws SluiceError SLUICE_WORKER_UNAVAILABLE where it is the template's fault, or that can't be found
   * out: it is asked once for all items
   */
  async #assertOfItem(job: JobName, knowledge: TemplateKnowledge, why: string): Promise<void> {
    const known = this.#verdicts.get(knowledge)
    const verdict = known ?? this.#parts.review.judge(job, knowledge, { by: 'worker', why })
    this.#verdicts.set(knowledge, verdict)
    try {
      await verdict
    } catch (error) {
      // The verdict of an outage does not stay.
      if (isSluiceError(error)) this.#verdicts.delete(knowledge)
      throw error
    }
  }
}
