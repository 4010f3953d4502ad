import {
  asArray,
  asObject,
  asText,
  isFinal,
  parameterList,
  type ArgoWorkflow,
  type FinalPhase,
  type JsonObject,
} from '../argo-workflow.js'
import type { SeenPod } from '../pods/pods.js'

/** How a workflow ends. */
export interface Ending {
  /** Default `Succeeded`. */
  readonly phase?: FinalPhase
  /** Default of Failed `main: Error (exit code N)`, of Error `pod deleted`. */
  readonly message?: string | undefined
  /** Of its one pod. Default 0, of Failed 1, of Error none. */
  readonly exitCode?: number
  /** The message of its one node, where it differs from the workflow's; `''`: none. */
  readonly nodeMessage?: string | undefined
  /** Output parameters, exported from the whole workflow. */
  readonly outputs?: Readonly<Record<string, string>>
  /** All its nodes at the end, where it had more than one. */
  readonly nodes?: readonly EndedNode[]
}

/** One node of a workflow that had several. */
export interface EndedNode {
  /** What sets its id apart; without it, it is the root. */
  readonly name?: string
  /** Default `Pod`. */
  readonly type?: 'Pod' | 'DAG' | 'Steps' | 'StepGroup' | 'Retry' | 'Suspend'
  /** The template that it ran. Default its name. */
  readonly template?: string
  readonly phase: FinalPhase | 'Omitted' | 'Skipped'
  readonly message?: string
  readonly exitCode?: number
  /** The nodes that come after it or are inside of it, by name. */
  readonly children?: readonly string[]
  /** How long before the workflow it ended. Default 0. */
  readonly endedBeforeMs?: number
}

/** How a workflow behaves once it runs. */
export interface Outcome extends Ending {
  /** How long it runs. `Infinity`: until it is ended. */
  readonly afterMs: number
  /** Its pod cannot begin: the workflow is Running without a message, its node is Pending with this one. */
  readonly heldUp?: HeldUp
  /** What its program does at SIGTERM: it dies of it (default), or handles it and exits 0. */
  readonly atSigterm?: 'dies' | 'exits-0'
}

/** Why a pod can't begin, and for how long. */
export interface HeldUp {
  /** Such as `ImagePullBackOff: …`. */
  readonly message: string
  /** Default `Infinity`. */
  readonly forMs?: number
}

/** The input of a rule. */
export interface WorkflowRun {
  /** The arguments that count, its template's defaults among them, with what is known in `{{…}}` put in. */
  readonly parameters: Readonly<Record<string, string>>
  /** How often it was retried under its name. */
  readonly retries: number
  /** What the programs of its pods see, if each of its steps succeeds. */
  readonly pods: () => readonly SeenPod[]
}

/** Decides how a workflow will end; called when it starts to run. */
export type OutcomeRule = (workflow: ArgoWorkflow, run: WorkflowRun) => Outcome

/**
 * As the test template has it: parameter `seconds` (or `sleep-seconds`, default 1) and `mode`, one of
 * `succeed`, `fail`, `error`, `hang`.
 */
export const outcomeByParameters: OutcomeRule = (_, { parameters }) => {
  const { mode = 'succeed' } = parameters
  const seconds = Number(parameters['seconds'] ?? parameters['sleep-seconds'] ?? '1')
  const afterMs = Number.isFinite(seconds) && seconds >= 0 ? seconds * 1000 : 1000
  switch (mode) {
    case 'fail':
      return { afterMs, phase: 'Failed' }
    case 'error':
      return { afterMs, phase: 'Error' }
    case 'hang':
      return { afterMs: Number.POSITIVE_INFINITY }
    default:
      return { afterMs }
  }
}

/** What a workflow's pod gets for its parameters. */
export function runParameters(workflow: ArgoWorkflow, resolved: JsonObject): Record<string, string> {
  const values: Record<string, string> = {}
  for (const { name, value } of [...parameterList(resolved), ...parameterList(workflow.spec)]) {
    if (value !== undefined) values[name] = value
  }
  const raw = { ...values }
  for (const [name, value] of Object.entries(values)) values[name] = substituted(value, workflow, raw)
  return values
}

/** Substitutes what is known. Expressions are not evaluated, only marked. */
function substituted(
  text: string,
  { metadata }: ArgoWorkflow,
  parameters: Readonly<Record<string, string>>,
): string {
  if (!text.includes('{{')) return text
  return text.replaceAll(/\{\{(.*?)\}\}/gs, (whole, inner: string) => {
    const reference = inner.trim()
    if (reference.startsWith('=')) return '(evaluated)'
    if (reference === 'workflow.name') return metadata.name
    if (reference === 'workflow.namespace') return metadata.namespace
    if (reference === 'workflow.uid') return metadata.uid
    const name = /^workflow\.parameters\.(.+)$/.exec(reference)?.[1]
    return (name === undefined ? undefined : parameters[name]) ?? whole
  })
}

/** When a finished workflow is deleted; `undefined`: never by its `ttlStrategy`. */
export function expiryOf({ spec, status }: ArgoWorkflow): number | undefined {
  if (!isFinal(status.phase)) return undefined
  const ttlMs = ttlMsOf({ ...status.storedWorkflowTemplateSpec, ...spec }, status.phase)
  return ttlMs === undefined ? undefined : Date.parse(status.finishedAt ?? '') + ttlMs
}

function ttlMsOf(spec: JsonObject, phase: FinalPhase): number | undefined {
  const ttl = asObject(spec['ttlStrategy'])
  const own = phase === 'Succeeded' ? ttl['secondsAfterSuccess'] : ttl['secondsAfterFailure']
  const seconds = own ?? ttl['secondsAfterCompletion']
  return typeof seconds === 'number' ? seconds * 1000 : undefined
}

/** Labels and annotations that a template puts on its workflows. */
export function workflowMetadataOf(
  spec: JsonObject,
  field: 'labels' | 'annotations',
): Record<string, string> {
  const given = asObject(asObject(spec['workflowMetadata'])[field])
  return Object.fromEntries(Object.entries(given).map(([key, value]) => [key, asText(value) ?? '']))
}

/** The name of the template that is run first. */
export function entrypointOf(spec: JsonObject): string {
  return asText(spec['entrypoint']) ?? ''
}

/** Whether the first template only waits, without a pod. */
export function isPodless(spec: JsonObject): boolean {
  const entrypoint = asArray(spec['templates']).find((one) => asObject(one)['name'] === entrypointOf(spec))
  return asObject(entrypoint)['suspend'] !== undefined
}
