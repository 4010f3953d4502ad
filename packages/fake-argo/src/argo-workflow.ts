import type { JsonValue } from '@sluice/core'

/** A JSON object. */
export interface JsonObject {
  readonly [key: string]: JsonValue
}

/** A workflow's phase; a fresh one has none. */
export type WorkflowPhase = 'Pending' | 'Running' | FinalPhase

/** A phase that a workflow ends in. */
export type FinalPhase = 'Succeeded' | 'Failed' | 'Error'

/** One workflow as the API shows it. It is immutable: each step makes a new one. */
export interface ArgoWorkflow {
  readonly metadata: WorkflowMetadata
  readonly spec: JsonObject
  readonly status: WorkflowStatus
}

/** The metadata of a workflow in Kubernetes. Instants are RFC 3339 text in whole seconds. */
export interface WorkflowMetadata {
  readonly name: string
  readonly generateName?: string | undefined
  readonly namespace: string
  readonly uid: string
  /** Opaque to clients; here a decimal number that grows with every change of any workflow. */
  readonly resourceVersion: string
  readonly generation: number
  readonly creationTimestamp: string
  readonly labels: Readonly<Record<string, string>>
  readonly annotations: Readonly<Record<string, string>>
  readonly ownerReferences?: readonly JsonObject[] | undefined
  readonly finalizers?: readonly string[] | undefined
}

/** The status of a workflow, by the controller. */
export interface WorkflowStatus {
  readonly phase?: WorkflowPhase | undefined
  readonly startedAt: string | null
  readonly finishedAt: string | null
  readonly estimatedDuration?: number | undefined
  readonly progress?: string | undefined
  readonly message?: string | undefined
  readonly nodes?: Readonly<Record<string, JsonObject>> | undefined
  readonly conditions?: readonly JsonObject[] | undefined
  readonly resourcesDuration?: Readonly<Record<string, number>> | undefined
  readonly outputs?: JsonObject | undefined
  readonly storedTemplates?: JsonObject | undefined
  readonly storedWorkflowTemplateSpec?: JsonObject | undefined
}

/** The labels that Argo itself sets, without their prefix. */
export function argoLabel(name: string): string {
  return `workflows.argoproj.io/${name}`
}

export const LABEL_PHASE = argoLabel('phase')
export const LABEL_COMPLETED = argoLabel('completed')
export const LABEL_ARCHIVING = argoLabel('workflow-archiving-status')
export const LABEL_INSTANCE = argoLabel('controller-instanceid')

/** Whether a phase is one that a workflow ends in. */
export function isFinal(phase: string | undefined): phase is FinalPhase {
  return phase === 'Succeeded' || phase === 'Failed' || phase === 'Error'
}

/** The key of a workflow: names are unique within a namespace. */
export function keyOf(namespace: string, name: string): string {
  return `${namespace}/${name}`
}

/** An instant as Kubernetes writes it: whole seconds. */
export function timestamp(epochMs: number): string {
  return `${new Date(epochMs).toISOString().slice(0, 19)}Z`
}

/** One declared or given parameter. */
export interface ArgoParameter {
  readonly name: string
  readonly value?: string
  readonly enum?: readonly string[]
}

/** `spec.arguments.parameters`. */
export function parameterList(spec: JsonObject): ArgoParameter[] {
  const list = asObject(spec['arguments'])['parameters']
  return asArray(list).map((one) => {
    const { name, value, enum: values } = asObject(one)
    return {
      name: asText(name) ?? '',
      ...(asText(value) === undefined ? {} : { value: asText(value) ?? '' }),
      ...(Array.isArray(values) ? { enum: values.map((each) => asText(each) ?? '') } : {}),
    }
  })
}

/** The value if it is an object, else an empty one. */
export function asObject(value: unknown): JsonObject {
  return isObject(value) ? value : {}
}

/** Whether a value is a JSON object; parsed text contains nothing but JSON. */
export function isObject(value: unknown): value is JsonObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

/** The value if it is a list, else an empty one. */
export function asArray(value: unknown): readonly JsonValue[] {
  return Array.isArray(value) ? value : []
}

/** Text; a number or a boolean as Go would show it. */
export function asText(value: unknown): string | undefined {
  if (typeof value === 'string') return value
  return typeof value === 'number' || typeof value === 'boolean' ? String(value) : undefined
}
