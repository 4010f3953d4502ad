import { SluiceError } from '@sluice/core'
import type { ArgoApi } from '../api/argo-api.js'
import { argoFailure } from '../api/argo-errors.js'
import type { JobName } from '../jobs/job-name.js'
import type { ParameterMaker } from '../parameters/job-parameters.js'
import { dryRunOf, type Manifest } from './manifest.js'
import type { ArgoWorkerSettings } from '../options.js'
import { SharedCall } from '../api/shared-call.js'
import { mappingProblems, parameterProblems, type DeclaredParameter } from '../template/template-check.js'
import type { TemplateKnowledge } from '../template/template-source.js'
import { isRisky } from '../template/value-fit.js'
import { judgeRead, judgeSend, type Trouble } from '../api/verdict.js'
import { argumentsSchema } from '../workflow/workflow.js'
import { selectorOf } from '../workflow/workflow-pages.js'

export interface ReviewParts {
  readonly settings: ArgoWorkerSettings
  readonly api: ArgoApi
  readonly parameters: ParameterMaker
}

/** The last job that Argo accepted. */
interface Accepted extends Omit<Manifest, 'job'> {
  /** The template's, as it was read before that; `undefined` where that isn't known. */
  readonly version: string | undefined
}

/** Why an item is refused, and by whom. */
export interface Refusal {
  readonly by: 'worker' | 'argo'
  readonly why: string
}

/** Words of Argo about arguments, or about what the template does with them. */
const OF_TEMPLATE =
  /\bspec\.arguments\.|\b(?:spec|templates)[.[]|failed to resolve \{\{| is required$| is not unique$| enum list$|result was invalid JSON|\binvalid spec: /u
const OF_ENTRYPOINT = /template reference .* not found|template name '.*' undefined/u

/** Whether a refusal of Argo may be the template's fault as well as the item's. */
export function concernsTemplate({ kind, why }: Trouble): boolean {
  return kind === 'rejected' ? OF_TEMPLATE.test(why) : kind === 'refused' && OF_ENTRYPOINT.test(why)
}

/**
 * Finds the cause when an item is refused for its arguments: the item, which then fails, or the template,
 * which may have been changed just now: then no item must fail for it. The measure is the last job that Argo
 * accepted: the right template would accept it.
 */
export class RefusalReview {
  readonly #parts: ReviewParts
  readonly #misfits = new WeakSet<object>()
  readonly #probe = new SharedCall(() => this.#tryAccepted())
  readonly #recall = new SharedCall(() => this.#recallAccepted())
  #accepted: Accepted | undefined
  #recalled = false
  #job: JobName | undefined

  constructor(parts: ReviewParts) {
    this.#parts = parts
  }

  /** What Argo accepted last, as far as this process knows. */
  get accepted(): Omit<Manifest, 'job'> | undefined {
    return this.#accepted
  }

  /** Argo accepted a job. @param version of the template, read before it was sent */
  noteAccepted(manifest: Manifest, version: string | undefined): void {
    const { job: _, ...accepted } = manifest
    this.#accepted = { ...accepted, version }
  }

  /** Whether an error says that the template doesn't fit: it is from here. */
  isMisfit(error: unknown): boolean {
    return typeof error === 'object' && error !== null && this.#misfits.has(error)
  }

  /**
   * Judges a refusal.
   *
   * @param knowledge of the template, read after the refusal
   * @returns `item` when the item is wrong; `again` when the template is right by now, though it may not have
   * been then
   * @throws SluiceError SLUICE_WORKER_UNAVAILABLE when the template is wrong, or when that can't be found out
   */
  async judge(job: JobName, knowledge: TemplateKnowledge, refusal: Refusal): Promise<'item' | 'again'> {
    this.#job = job
    if (knowledge.kind === 'absent' || knowledge.kind === 'unreachable') {
      throw this.#misfit(job, `it can't be read (${knowledge.why})`, knowledge.retryAfterMs)
    }
    const declared = knowledge.kind === 'known' ? knowledge.parameters : undefined
    const version = knowledge.kind === 'known' ? knowledge.version : undefined
    // It did not change in between: versions only grow. What Argo applies may be another one, of its cache or
    // of other templates.
    const isSame = version !== undefined && this.#accepted?.version === version
    if (isSame && refusal.by === 'worker') return 'item'
    const misfits = declared === undefined ? [] : this.#mappingProblems(declared)
    if (misfits.length > 0) throw this.#misfit(job, misfits.join('; '))
    if (this.#accepted === undefined && !this.#recalled) await this.#recall.run()
    if (this.#accepted === undefined) return 'item'
    const why = await this.#probe.run()
    if (why === undefined) return 'again'
    throw this.#misfit(job, this.#changeOf(declared) ?? why)
  }

  #mappingProblems(declared: readonly DeclaredParameter[]): readonly string[] {
    const { settings, parameters } = this.#parts
    const { mapping } = parameters
    if (mapping === undefined) return []
    const names = new Set(declared.map(({ name }) => name))
    const sent = [...mapping].filter(([name]) => settings.unknownFields === 'reject' || names.has(name))
    // How dollars are written depends on the template: such a constant isn't checked against its choices
    // here.
    const texts = sent.map(
      ([name, value]) => [name, value && !isRisky(value) ? value.text : undefined] as const,
    )
    return mappingProblems(new Map(texts), declared)
  }

  /** How the template differs, as far as its declared parameters show. */
  #changeOf(declared: readonly DeclaredParameter[] | undefined): string | undefined {
    if (declared === undefined || this.#accepted === undefined) return undefined
    const problems = parameterProblems(this.#accepted.parameters, declared, { unknownFields: 'reject' })
    return problems.length === 0 ? undefined : problems.join('; ')
  }

  #misfit({ workflow, ref }: JobName, what: string, retryAfterMs?: number): SluiceError {
    const { templateKind, template, namespace } = this.#parts.settings
    const place = templateKind === 'ClusterWorkflowTemplate' ? '' : ` in namespace ${namespace}`
    const message =
      `Argo could not start workflow ${workflow}: ${templateKind} ${template}${place} changed, or doesn't fit the configuration: ${what}. ` +
      'No item fails for that. The work goes on by itself once the template accepts again what it accepted last, or accepts another item.'
    const error = new SluiceError('SLUICE_WORKER_UNAVAILABLE', message, {
      itemId: ref.id,
      concerns: 'worker',
      ...(retryAfterMs === undefined ? {} : { retryAfterMs }),
    })
    this.#misfits.add(error)
    return error
  }

  /** Submits what Argo accepted last again, as a dry run. @returns why it is refused now */
  async #tryAccepted(): Promise<string | undefined> {
    const { settings, api } = this.#parts
    const [accepted, job] = [this.#accepted, this.#job]
    if (accepted === undefined || job === undefined) return undefined
    const { path, body } = dryRunOf(settings, { ...accepted, job })
    const verdict = judgeSend(await api.post(path, body))
    if (verdict.kind === 'done') return undefined
    // Only the server itself has checked it: what it refuses in its own words is the template's.
    if (verdict.kind === 'rejected' || concernsTemplate(verdict)) return verdict.why
    throw argoFailure(verdict, `try template ${settings.template} without storing anything`)
  }

  /** Reads what an earlier process sent last, if it is still there: this one has sent nothing yet. */
  async #recallAccepted(): Promise<void> {
    const { settings, api } = this.#parts
    const { namespace, template, templateKind } = settings
    const ofTemplate = `${LABEL_PREFIX}${LABELS[templateKind]}=${template}`
    const verdict = judgeRead(
      await api.get(`workflows/${namespace}`, {
        'listOptions.labelSelector': `${selectorOf(settings)},${ofTemplate}`,
        'listOptions.limit': '1',
        fields: 'metadata,items.metadata.name,items.spec.arguments',
      }),
    )
    const doing = `read the last workflow of template ${template}`
    if (verdict.kind !== 'done') throw argoFailure(verdict, doing)
    const list = argumentsSchema.safeParse(verdict.json)
    // A server that names no version has not read its workflows yet.
    if (!list.success || !list.data.metadata?.resourceVersion) {
      throw argoFailure(
        { kind: 'unavailable', concerns: 'worker', why: 'the server has not read its workflows yet' },
        doing,
      )
    }
    this.#recalled = true
    const given = list.data.items?.[0]?.spec?.arguments?.parameters ?? []
    const parameters = new Map(given.map(({ name, value = '' }) => [name, String(value)]))
    const { mapping } = this.#parts.parameters
    // Made by another mapping, it says nothing about this one.
    const isAlike = mapping === undefined || [...parameters.keys()].every((name) => mapping.has(name))
    if (parameters.size > 0 && isAlike) {
      this.#accepted ??= { parameters, overrides: settings, itemPriority: 0, version: undefined }
    }
  }
}

const LABEL_PREFIX = 'workflows.argoproj.io/'
const LABELS = {
  WorkflowTemplate: 'workflow-template',
  ClusterWorkflowTemplate: 'cluster-workflow-template',
  CronWorkflow: 'cron-workflow',
} as const satisfies Record<ArgoWorkerSettings['templateKind'], string>
