import { isSluiceError, type Runtime, type Logger } from '@sluice/core'
import type { ArgoApi } from '../api/argo-api.js'
import { argoFailure } from '../api/argo-errors.js'
import type { ArgoWorkerSettings } from '../options.js'
import { MAX_REST_MS } from '../api/rate-gate.js'
import { SharedCall } from '../api/shared-call.js'
import { declaredParameters, templateUid, templateVersion, type DeclaredParameter } from './template-check.js'
import { readFamily, type ReadFamily } from './template-family.js'
import { judgeRead } from '../api/verdict.js'

/** How old the known template may be, in ms. */
const KNOWN_MS = 60_000
const RECENT_MS = 5_000

/** What the template declares; or why that isn't known: then Argo alone checks parameters. */
export type TemplateKnowledge =
  | {
      readonly kind: 'known'
      readonly parameters: readonly DeclaredParameter[]
      readonly family: ReadFamily
      /** It differs after every change. */
      readonly version: string | undefined
      readonly uid: string | undefined
    }
  /** `refused`: the token itself, by which nothing else is permitted either. */
  | {
      readonly kind: 'absent' | 'denied' | 'refused' | 'unreachable'
      readonly why: string
      /** How long the server asked for no requests. */
      readonly retryAfterMs?: number | undefined
    }

/** What is known of which template it is: nothing more than its name where it may not be read. */
export interface TemplatePlace {
  readonly uid: string | undefined
}

export interface TemplateParts {
  readonly api: ArgoApi
  readonly settings: Pick<ArgoWorkerSettings, 'namespace' | 'template' | 'templateKind'>
  readonly runtime: Runtime
  readonly logger: Logger
}

/** Reads the template that items become workflows of, seldom. */
export class TemplateSource {
  readonly #parts: TemplateParts
  #known: { readonly knowledge: TemplateKnowledge; readonly readAtMonotonic: number } | undefined
  readonly #reading = new SharedCall(() => this.#readAndWarn())
  #asking: Promise<TemplateKnowledge> | undefined
  #hasWarned = false
  #place: TemplatePlace | undefined

  constructor(parts: TemplateParts) {
    this.#parts = parts
  }

  /** Which template it is, as it was known last; `undefined` before that was found out. */
  get place(): TemplatePlace | undefined {
    return this.#place
  }

  /** As it was within the last minute. */
  current(): Promise<TemplateKnowledge> {
    return this.#notOlderThan(KNOWN_MS)
  }

  /**
   * As it was within the last seconds, for values that are sent in another form after a change of the
   * template.
   */
  recent(): Promise<TemplateKnowledge> {
    return this.#notOlderThan(RECENT_MS)
  }

  async #notOlderThan(ageMs: number): Promise<TemplateKnowledge> {
    const nowMonotonic = this.#parts.runtime.monotonicMs()
    if (this.#known !== undefined && nowMonotonic - this.#known.readAtMonotonic < ageMs)
      return this.#known.knowledge
    // Sends at the same time ask once.
    this.#asking ??= this.#reading.run().finally(() => {
      this.#asking = undefined
    })
    return this.#asking
  }

  /** Read after this call: the template may have been changed just now. All callers meanwhile share it. */
  reread(): Promise<TemplateKnowledge> {
    return this.#reading.run()
  }

  /**
   * Reads it now, whatever is known, and leaves the warning to the caller: see {@link TemplateSource.warn}.
   */
  async read(): Promise<TemplateKnowledge> {
    const { api, settings, runtime } = this.#parts
    const readAtMonotonic = runtime.monotonicMs()
    if (
      this.#known !== undefined &&
      this.#known.readAtMonotonic + restMsOf(this.#known.knowledge) > readAtMonotonic
    )
      return this.#known.knowledge
    const knowledge = await readTemplate(api, settings)
    this.#known = { knowledge, readAtMonotonic }
    if (knowledge.kind === 'known') this.#place = { uid: knowledge.uid }
    else if (knowledge.kind === 'denied') this.#place ??= { uid: undefined }
    return knowledge
  }

  /** Warns, once, where Argo alone checks the parameters. */
  warn(knowledge: TemplateKnowledge): void {
    // The next request is refused too, and reports it.
    if (knowledge.kind === 'refused') return
    if (knowledge.kind === 'known') this.#hasWarned = false
    else if (!this.#hasWarned) {
      this.#hasWarned = true
      const { settings, logger } = this.#parts
      logger.warn(
        { template: settings.template, why: knowledge.why },
        'the template could not be read, so that parameters are checked by Argo alone',
      )
    }
  }

  async #readAndWarn(): Promise<TemplateKnowledge> {
    const knowledge = await this.read()
    this.warn(knowledge)
    return knowledge
  }
}

/** How long what is known counts, since the server asked for no requests. */
function restMsOf(knowledge: TemplateKnowledge): number {
  return knowledge.kind === 'unreachable' ? Math.min(knowledge.retryAfterMs ?? 0, MAX_REST_MS) : 0
}

async function readTemplate(api: ArgoApi, settings: TemplateParts['settings']): Promise<TemplateKnowledge> {
  try {
    const reply = await api.get(templatePath(settings))
    const verdict = judgeRead(reply)
    if (reply.kind === 'answer' && reply.status === 401 && verdict.kind === 'denied')
      return { kind: 'refused', why: verdict.why }
    if (verdict.kind === 'absent' || verdict.kind === 'denied')
      return { kind: verdict.kind, why: verdict.why }
    if (verdict.kind !== 'done') {
      const { message, retryAfterMs } = argoFailure(verdict, `read template ${settings.template}`)
      return { kind: 'unreachable', why: message, retryAfterMs }
    }
    const parameters = declaredParameters(verdict.json)
    if (parameters === undefined) return { kind: 'unreachable', why: 'the answer is no template' }
    const version = templateVersion(verdict.json)
    const family = await readFamily(verdict.json, async (templateKind, template) =>
      judgeRead(await api.get(templatePath({ ...settings, templateKind, template }))),
    )
    return { kind: 'known', parameters, version, uid: templateUid(verdict.json), family }
  } catch (error) {
    if (!isSluiceError(error)) throw error
    return {
      kind: isSluiceError(error, 'SLUICE_WORKER_DENIED') ? 'refused' : 'unreachable',
      why: error.message,
    }
  }
}

const PATHS = {
  WorkflowTemplate: 'workflow-templates',
  CronWorkflow: 'cron-workflows',
} as const

function templatePath({ namespace, template, templateKind }: TemplateParts['settings']): string {
  return templateKind === 'ClusterWorkflowTemplate'
    ? `cluster-workflow-templates/${template}`
    : `${PATHS[templateKind]}/${namespace}/${template}`
}
