import {
  argoLabel,
  asObject,
  asText,
  isObject,
  LABEL_ARCHIVING,
  LABEL_COMPLETED,
  LABEL_PHASE,
  timestamp,
  type ArgoWorkflow,
  type JsonObject,
  type WorkflowPhase,
  type WorkflowStatus,
} from '../argo-workflow.js'
import { entrypointOf, isPodless, workflowMetadataOf, type EndedNode, type Ending } from './outcome.js'

/** The message of a workflow that waits for a free slot. */
export const TOO_MANY =
  'Workflow processing has been postponed because too many workflows are already running'

/** Pending: known to the controller, not started. */
export function postponed(workflow: ArgoWorkflow, message: string): ArgoWorkflow {
  return inPhase(workflow, 'Pending', { ...workflow.status, message })
}

/** Running: with the first node, and what the template adds to its workflows. */
export function started(
  workflow: ArgoWorkflow,
  run: {
    readonly resolved: JsonObject
    readonly parameters: Readonly<Record<string, string>>
    readonly at: number
  },
): ArgoWorkflow {
  const { resolved, at } = run
  const { metadata, spec, status } = workflow
  const node = rootNode(workflow, run)
  const running = inPhase(workflow, 'Running', {
    ...status,
    startedAt: timestamp(at),
    finishedAt: null,
    progress: '0/1',
    message: undefined,
    conditions: [{ type: 'PodRunning', status: 'True' }],
    nodes: { [metadata.name]: node },
    ...(isObject(spec['workflowTemplateRef']) ? { storedWorkflowTemplateSpec: resolved } : {}),
  })
  const labels = { ...running.metadata.labels, ...workflowMetadataOf(resolved, 'labels'), ...refLabel(spec) }
  const annotations = {
    ...running.metadata.annotations,
    ...workflowMetadataOf(resolved, 'annotations'),
    [argoLabel('pod-name-format')]: 'v2',
  }
  return { ...running, metadata: { ...running.metadata, labels, annotations } }
}

function rootNode(
  { metadata, spec }: ArgoWorkflow,
  {
    resolved,
    parameters,
    at,
  }: { resolved: JsonObject; parameters: Readonly<Record<string, string>>; at: number },
): JsonObject {
  const podless = isPodless(resolved)
  const values = Object.entries(parameters).map(([name, value]) => ({ name, value }))
  const ref = asText(asObject(spec['workflowTemplateRef'])['name'])
  return {
    id: metadata.name,
    name: metadata.name,
    displayName: metadata.name,
    type: podless ? 'Suspend' : 'Pod',
    templateName: entrypointOf(resolved),
    templateScope: ref === undefined ? `local/${metadata.name}` : `namespaced/${ref}`,
    phase: 'Running',
    startedAt: timestamp(at),
    finishedAt: null,
    progress: '0/1',
    ...(values.length > 0 ? { inputs: { parameters: values } } : {}),
    ...(podless ? {} : { hostNodeName: 'node-1' }),
  }
}

/** The controller adds it when it resolves the template, unless submit did before. */
function refLabel(spec: JsonObject): Record<string, string> {
  const { name, clusterScope } = asObject(spec['workflowTemplateRef'])
  if (typeof name !== 'string') return {}
  return { [argoLabel(clusterScope === true ? 'cluster-workflow-template' : 'workflow-template')]: name }
}

/** Whether its one node is a pod. */
export function isPod({ metadata, status }: ArgoWorkflow): boolean {
  return status.nodes?.[metadata.name]?.['type'] === 'Pod'
}

/** Its pod cannot begin: only the node has the message. */
export function heldUp(workflow: ArgoWorkflow, message: string): ArgoWorkflow {
  return withNode(workflow, { phase: 'Pending', message })
}

/** Its pod has begun. */
export function begun(workflow: ArgoWorkflow): ArgoWorkflow {
  return withNode(workflow, { phase: 'Running', message: undefined })
}

/** The same workflow, its one node changed; `undefined` takes a field away. */
export function withNode(
  workflow: ArgoWorkflow,
  fields: Readonly<Record<string, string | undefined>>,
): ArgoWorkflow {
  const { metadata, status } = workflow
  const all = Object.entries({ ...status.nodes?.[metadata.name], ...fields })
  const node = Object.fromEntries(all.flatMap(([key, value]) => (value === undefined ? [] : [[key, value]])))
  return { ...workflow, status: { ...status, nodes: { [metadata.name]: node } } }
}

/** It has ended, with outputs at its node and, where exported, at the workflow. */
export function finished(
  workflow: ArgoWorkflow,
  end: { readonly outcome: Ending; readonly at: number; readonly archives: boolean },
): ArgoWorkflow {
  const { at, archives, outcome } = end
  const { phase = 'Succeeded' } = outcome
  const message = messageOf({ ...outcome, phase })
  const { metadata, status } = workflow
  const done = phase === 'Succeeded' ? '1/1' : '0/1'
  const seconds =
    status.startedAt === null ? 0 : Math.max(0, Math.round((at - Date.parse(status.startedAt)) / 1000))
  const node = status.nodes?.[metadata.name]
  const outputs = outputsOf(outcome.outputs)
  const ended = inPhase(workflow, phase, {
    ...status,
    startedAt: status.startedAt ?? timestamp(at),
    finishedAt: timestamp(at),
    message,
    progress: node === undefined ? '0/0' : done,
    conditions: [
      { type: 'PodRunning', status: 'False' },
      { type: 'Completed', status: 'True' },
    ],
    ...(node === undefined
      ? {}
      : { nodes: endedNodes(node, { ending: { ...outcome, phase }, message, at, progress: done }) }),
    resourcesDuration: { cpu: seconds, memory: seconds },
    ...(outputs === undefined ? {} : { outputs }),
  })
  if (!archives) return ended
  return withLabels(ended, { ...ended.metadata.labels, [LABEL_ARCHIVING]: 'Pending' })
}

function messageOf({ phase, exitCode = 1, ...given }: Ending): string | undefined {
  if ('message' in given) return given.message
  if (phase === 'Failed') return exitMessage(exitCode)
  return phase === 'Error' ? 'pod deleted' : undefined
}

/**
 * The message about a container that exited with a code other than 0: `main` is Argo's name of the one that
 * does the work.
 */
export function exitMessage(exitCode: number): string {
  return `main: Error (exit code ${exitCode})`
}

interface NodeEnd {
  readonly ending: Ending
  readonly message: string | undefined
  readonly at: number
  readonly progress: string
}

function endedNodes(node: JsonObject, end: NodeEnd): Record<string, JsonObject> {
  const root = asText(node['id']) ?? ''
  const { nodes } = end.ending
  if (nodes === undefined) return { [root]: endedNode(node, end) }
  return Object.fromEntries(nodes.map((one) => [nodeId(root, one.name), endedOneOf(node, one, end.at)]))
}

function nodeId(root: string, name: string | undefined): string {
  return name === undefined ? root : `${root}-${name}`
}

function endedOneOf(node: JsonObject, one: EndedNode, at: number): JsonObject {
  const root = asText(node['id']) ?? ''
  const { name, type = 'Pod', phase, message, exitCode, children, endedBeforeMs = 0 } = one
  const { inputs: _, ...common } = node
  return {
    ...common,
    id: nodeId(root, name),
    name: name === undefined ? root : `${root}.${name}`,
    displayName: name ?? root,
    type,
    templateName: one.template ?? name ?? node['templateName'] ?? '',
    phase,
    finishedAt: timestamp(at - endedBeforeMs),
    progress: phase === 'Succeeded' ? '1/1' : '0/1',
    ...(message === undefined ? {} : { message }),
    ...(exitCode === undefined ? {} : { outputs: { exitCode: String(exitCode) } }),
    ...(children === undefined ? {} : { children: children.map((child) => nodeId(root, child)) }),
  }
}

function endedNode(node: JsonObject, { ending, message, at, progress }: NodeEnd): JsonObject {
  const defaultCode = ending.phase === 'Failed' ? 1 : 0
  const exitCode = ending.exitCode ?? (ending.phase === 'Error' ? undefined : defaultCode)
  const outputs = {
    ...outputsOf(ending.outputs),
    ...(exitCode === undefined || node['type'] === 'Suspend' ? {} : { exitCode: String(exitCode) }),
  }
  const { message: _, ...before } = node
  // The message of its run stays; the reason that held it up does not.
  const earlier = node['phase'] === 'Running' ? asText(node['message']) : undefined
  const said = ending.nodeMessage ?? message ?? earlier
  return {
    ...before,
    phase: ending.phase ?? 'Succeeded',
    finishedAt: timestamp(at),
    progress,
    ...(said === undefined || said === '' ? {} : { message: said }),
    ...(Object.keys(outputs).length > 0 ? { outputs } : {}),
  }
}

function outputsOf(outputs: Readonly<Record<string, string>> | undefined): JsonObject | undefined {
  if (outputs === undefined) return undefined
  return { parameters: Object.entries(outputs).map(([name, value]) => ({ name, value, globalName: name })) }
}

/** Retried under its own name: its label keeps the former end until the next reconcile. */
export function retried(workflow: ArgoWorkflow, at: number): ArgoWorkflow {
  const { [LABEL_COMPLETED]: _, [LABEL_ARCHIVING]: __, ...labels } = workflow.metadata.labels
  const { shutdown: ___, ...spec } = workflow.spec
  const { nodes, storedTemplates, storedWorkflowTemplateSpec } = workflow.status
  const kept = Object.entries(nodes ?? {}).filter(([, node]) => node['phase'] === 'Succeeded')
  return {
    ...withLabels(workflow, labels),
    spec,
    status: {
      startedAt: timestamp(at),
      finishedAt: null,
      conditions: [{ type: 'Completed', status: 'False' }],
      ...(kept.length > 0 ? { nodes: Object.fromEntries(kept) } : {}),
      storedTemplates,
      storedWorkflowTemplateSpec,
    },
  }
}

/** The same workflow with these labels in place of its own. */
export function withLabels(workflow: ArgoWorkflow, labels: Readonly<Record<string, string>>): ArgoWorkflow {
  return { ...workflow, metadata: { ...workflow.metadata, labels } }
}

/** Status and labels change phase in one step. */
function inPhase(workflow: ArgoWorkflow, phase: WorkflowPhase, status: WorkflowStatus): ArgoWorkflow {
  const completed = phase !== 'Pending' && phase !== 'Running'
  const labels = { ...workflow.metadata.labels, [LABEL_PHASE]: phase, [LABEL_COMPLETED]: String(completed) }
  return { ...withLabels(workflow, labels), status: { ...status, phase } }
}
