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
} from './argo-workflow.js'
import { entrypointOf, isPodless, workflowMetadataOf, type Ending } from './outcome.js'

/** What is said of a workflow that waits for a free slot. */
export const TOO_MANY =
  'Workflow processing has been postponed because too many workflows are already running'

/** It waits: known to the controller, not started. */
export function postponed(workflow: ArgoWorkflow, message: string): ArgoWorkflow {
  return inPhase(workflow, 'Pending', { ...workflow.status, message })
}

/**
 * How one ends that was told to stop.
 *
 * @param succeeds a bug of some versions: one that waited for its lock ends well, without a word
 */
export function shutDown(strategy: string, succeeds: boolean): Ending {
  return succeeds ? {} : { phase: 'Failed', message: `Stopped with strategy '${strategy}'` }
}

/** It runs: the first node is there, and what the template adds to its workflows. */
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

/** It has ended. What it was told to write comes out of its node and, exported, out of the workflow. */
export function finished(
  workflow: ArgoWorkflow,
  end: { readonly outcome: Ending; readonly at: number; readonly archives: boolean },
): ArgoWorkflow {
  const { at, archives, outcome } = end
  const { phase = 'Succeeded', message = MESSAGES[phase] } = outcome
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
      : { nodes: { [metadata.name]: endedNode(node, { ...outcome, phase, message, at, progress: done }) } }),
    resourcesDuration: { cpu: seconds, memory: seconds },
    ...(outputs === undefined ? {} : { outputs }),
  })
  if (!archives) return ended
  return withLabels(ended, { ...ended.metadata.labels, [LABEL_ARCHIVING]: 'Pending' })
}

const MESSAGES: Readonly<Record<string, string | undefined>> = {
  Failed: 'Error (exit code 1)',
  Error: 'pod deleted',
}

function endedNode(
  node: JsonObject,
  end: Ending & {
    readonly message: string | undefined
    readonly at: number
    readonly progress: string
  },
): JsonObject {
  const defaultCode = end.phase === 'Failed' ? 1 : 0
  const exitCode = end.exitCode ?? (end.phase === 'Error' ? undefined : defaultCode)
  const outputs = {
    ...outputsOf(end.outputs),
    ...(exitCode === undefined || node['type'] === 'Suspend' ? {} : { exitCode: String(exitCode) }),
  }
  return {
    ...node,
    phase: end.phase ?? 'Succeeded',
    finishedAt: timestamp(end.at),
    progress: end.progress,
    ...(end.message === undefined ? {} : { message: end.message }),
    ...(Object.keys(outputs).length > 0 ? { outputs } : {}),
  }
}

function outputsOf(outputs: Readonly<Record<string, string>> | undefined): JsonObject | undefined {
  if (outputs === undefined) return undefined
  return { parameters: Object.entries(outputs).map(([name, value]) => ({ name, value, globalName: name })) }
}

/** Retried under its own name: its label tells of its former end until the controller comes by. */
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

/** Status and labels tell of a phase in one step. */
function inPhase(workflow: ArgoWorkflow, phase: WorkflowPhase, status: WorkflowStatus): ArgoWorkflow {
  const completed = phase !== 'Pending' && phase !== 'Running'
  const labels = { ...workflow.metadata.labels, [LABEL_PHASE]: phase, [LABEL_COMPLETED]: String(completed) }
  return { ...withLabels(workflow, labels), status: { ...status, phase } }
}
