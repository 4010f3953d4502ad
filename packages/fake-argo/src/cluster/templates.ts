import { ArgoRefusal } from '../server/answer.js'
import { asObject, asText, isObject, type ArgoWorkflow, type JsonObject } from '../argo-workflow.js'
import type { Ending } from '../controller/outcome.js'

/** The kinds that a workflow can be submitted from. */
export type TemplateKind = 'WorkflowTemplate' | 'ClusterWorkflowTemplate' | 'CronWorkflow'

/** A template as in its YAML file: `kind`, `metadata.name` and `spec` count. */
export interface ArgoTemplate {
  readonly apiVersion?: string
  readonly kind: TemplateKind
  readonly metadata: { readonly name: string; readonly namespace?: string; readonly [key: string]: unknown }
  readonly spec: JsonObject
}

const PLURALS: Readonly<Record<TemplateKind, string>> = {
  WorkflowTemplate: 'workflowtemplates',
  ClusterWorkflowTemplate: 'clusterworkflowtemplates',
  CronWorkflow: 'cronworkflows',
}

/** The resource's name, as in rules of access and in "not found". */
export function pluralOf(kind: TemplateKind): string {
  return PLURALS[kind]
}

const SHORT_NAMES: Readonly<Record<TemplateKind, string>> = {
  WorkflowTemplate: 'wftmpl',
  ClusterWorkflowTemplate: 'cwftmpl',
  CronWorkflow: 'cronwf',
}

/** Which kind a `resourceKind` means: exactly its name, its singular, its plural or its short name. */
export function kindOf(resourceKind: string): TemplateKind | undefined {
  const kinds: readonly TemplateKind[] = ['WorkflowTemplate', 'ClusterWorkflowTemplate', 'CronWorkflow']
  return kinds.find((kind) =>
    [kind, kind.toLowerCase(), PLURALS[kind], SHORT_NAMES[kind]].includes(resourceKind),
  )
}

/** A template as Kubernetes keeps it. */
export interface StoredTemplate {
  readonly template: ArgoTemplate
  readonly uid: string
  /** Grows with every change of any template. */
  readonly resourceVersion: string
  /** The number of its versions, from 1. */
  readonly generation: number
}

/** The templates of a cluster. */
export class Templates {
  readonly #templates = new Map<string, StoredTemplate>()
  readonly #defaultNamespace: string
  #revision = 0

  constructor(defaultNamespace: string) {
    this.#defaultNamespace = defaultNamespace
  }

  /** Adds a template, or replaces the one of its kind and name. */
  put(template: ArgoTemplate): void {
    const { kind, metadata } = template
    const at = key(kind, metadata.namespace ?? this.#defaultNamespace, metadata.name)
    const former = this.#templates.get(at)
    const revision = ++this.#revision
    this.#templates.set(at, {
      template,
      uid: former?.uid ?? `00000000-0000-4000-8000-${String(revision).padStart(12, '0')}`,
      resourceVersion: String(revision),
      generation: (former?.generation ?? 0) + 1,
    })
  }

  /** Deletes a template; its workflows stay. */
  delete(kind: TemplateKind, name: string, namespace = this.#defaultNamespace): void {
    this.#templates.delete(key(kind, namespace, name))
  }

  /** The template of this kind and name, if there is one. */
  find(kind: TemplateKind, name: string, namespace = this.#defaultNamespace): ArgoTemplate | undefined {
    return this.#templates.get(key(kind, namespace, name))?.template
  }

  /** @throws ArgoRefusal 404 when there is none */
  get(kind: TemplateKind, name: string, namespace: string): StoredTemplate {
    const found = this.#templates.get(key(kind, namespace, name))
    if (found === undefined) throw new ArgoRefusal(5, notFound(kind, name))
    return found
  }

  /** All of a kind in a namespace. */
  all(kind: TemplateKind, namespace: string): StoredTemplate[] {
    const prefix = key(kind, namespace, '')
    return [...this.#templates].filter(([one]) => one.startsWith(prefix)).map(([, stored]) => stored)
  }

  /**
   * The effective spec of a workflow: its template's, overridden by its own. `undefined` when its template is
   * missing.
   */
  resolved(spec: JsonObject, namespace: string): JsonObject | undefined {
    const ref = spec['workflowTemplateRef']
    if (!isObject(ref)) return spec
    const kind = ref['clusterScope'] === true ? 'ClusterWorkflowTemplate' : 'WorkflowTemplate'
    const template = this.find(kind, asText(ref['name']) ?? '', namespace)
    if (template === undefined) return undefined
    const own = Object.fromEntries(Object.entries(spec).filter(([, value]) => value !== undefined))
    return { ...template.spec, ...own, arguments: asObject(template.spec['arguments']) }
  }
}

/** The error for a missing template. */
export function notFound(kind: TemplateKind, name: string): string {
  return `${PLURALS[kind]}.argoproj.io "${name}" not found`
}

/** The end of a workflow whose template is missing when the controller resolves it. */
export function unresolvedEnding({ spec }: ArgoWorkflow): Ending {
  const name = asText(asObject(spec['workflowTemplateRef'])['name']) ?? ''
  return { phase: 'Error', message: notFound('WorkflowTemplate', name) }
}

function key(kind: TemplateKind, namespace: string, name: string): string {
  return `${kind}/${kind === 'ClusterWorkflowTemplate' ? '' : namespace}/${name}`
}
