import { isSluiceError, type Clock, type Logger } from '@sluice/core'
import type { ArgoApi } from './argo-api.js'
import { argoFailure } from './argo-errors.js'
import type { ArgoWorkerSettings } from './options.js'
import { declaredParameters, type DeclaredParameter } from './template-check.js'
import { readFamily, type ReadFamily } from './template-family.js'
import { judgeRead } from './verdict.js'

/** How old what is known of the template may be. */
const KNOWN_MS = 60_000
/** How old, when an item is to be refused by it: the template may have been changed a moment ago. */
const FRESH_MS = 5_000

/** What the template declares; or why that isn't known: then nothing is held against it, and Argo itself checks. */
export type TemplateKnowledge =
  | {
      readonly kind: 'known'
      readonly parameters: readonly DeclaredParameter[]
      readonly family: ReadFamily
    }
  /** `refused`: the token itself, by which nothing else is permitted either. */
  | { readonly kind: 'absent' | 'denied' | 'refused' | 'unreachable'; readonly why: string }

export interface TemplateParts {
  readonly api: ArgoApi
  readonly settings: Pick<ArgoWorkerSettings, 'namespace' | 'template' | 'templateKind'>
  readonly clock: Clock
  readonly logger: Logger
}

/** Reads the template that items become workflows of, seldom. */
export class TemplateSource {
  readonly #parts: TemplateParts
  #known: { readonly knowledge: TemplateKnowledge; readonly atMs: number } | undefined
  #reading: Promise<TemplateKnowledge> | undefined
  #told = false

  constructor(parts: TemplateParts) {
    this.#parts = parts
  }

  current(): Promise<TemplateKnowledge> {
    return this.#notOlderThan(KNOWN_MS)
  }

  fresh(): Promise<TemplateKnowledge> {
    return this.#notOlderThan(FRESH_MS)
  }

  /** Asks now, whatever is known, and leaves it to the caller to `tell` of it. */
  async read(): Promise<TemplateKnowledge> {
    const { api, settings, clock } = this.#parts
    const atMs = clock.monotonicMs()
    const knowledge = await readTemplate(api, settings)
    this.#known = { knowledge, atMs }
    return knowledge
  }

  /** Warns, once, where Argo alone checks the parameters. */
  tell(knowledge: TemplateKnowledge): void {
    // What is asked next is refused too, and says so.
    if (knowledge.kind === 'refused') return
    if (knowledge.kind === 'known') this.#told = false
    else if (!this.#told) {
      this.#told = true
      const { settings, logger } = this.#parts
      logger.warn(
        { template: settings.template, why: knowledge.why },
        'the template could not be read, so that parameters are checked by Argo alone',
      )
    }
  }

  async #notOlderThan(ageMs: number): Promise<TemplateKnowledge> {
    const nowMs = this.#parts.clock.monotonicMs()
    if (this.#known !== undefined && nowMs - this.#known.atMs < ageMs) return this.#known.knowledge
    // A hundred sends at once ask once.
    this.#reading ??= this.#readAndTell().finally(() => {
      this.#reading = undefined
    })
    return this.#reading
  }

  async #readAndTell(): Promise<TemplateKnowledge> {
    const knowledge = await this.read()
    this.tell(knowledge)
    return knowledge
  }
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
      return { kind: 'unreachable', why: argoFailure(verdict, `read template ${settings.template}`).message }
    }
    const parameters = declaredParameters(verdict.json)
    if (parameters === undefined) return { kind: 'unreachable', why: 'the answer is no template' }
    const family = await readFamily(verdict.json, async (templateKind, template) =>
      judgeRead(await api.get(templatePath({ ...settings, templateKind, template }))),
    )
    return { kind: 'known', parameters, family }
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
