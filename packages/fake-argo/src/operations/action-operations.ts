import type { JsonValue } from '@sluice/core'
import { actorLabels, creatorLabels } from '../server/access.js'
import { ArgoRefusal } from '../server/answer.js'
import {
  argoLabel,
  asArray,
  asObject,
  asText,
  isFinal,
  LABEL_ARCHIVING,
  LABEL_COMPLETED,
  LABEL_PHASE,
  type ArgoWorkflow,
  type JsonObject,
} from '../argo-workflow.js'
import { actionShape } from './body-shape.js'
import { stored } from './create-operations.js'
import {
  bodyOf,
  liveWorkflowOf,
  resolvedSpec,
  workflowOf,
  type OperationContext,
} from './operation-context.js'
import { withParameters } from './submit-options.js'
import { assertValid } from './validation.js'
import { retried, withLabels } from '../controller/workflow-steps.js'
import { shown } from '../cluster/workflow-view.js'

/** `PUT …/retry`: the same workflow again, under its name and uid. */
export function retryWorkflow(context: OperationContext): JsonObject {
  const { parts } = context
  const workflow = liveWorkflowOf(context)
  const body = bodyOf(context, actionShape)
  assertRetriable(workflow, body)
  demand(context, 'delete', 'pods')
  demand(context, 'update', 'workflows')
  const again = acted(context, retried(workflow, parts.now()), 'Retry')
  const changed = parts.cluster.replace({
    ...again,
    spec: withParameters(again.spec, asArray(body['parameters'])),
  })
  parts.controller.retry(changed)
  return shown(changed)
}

/** @throws ArgoRefusal 400 unless a workflow may be retried */
export function assertRetriable({ status }: ArgoWorkflow, body: JsonObject): void {
  const { phase = '' } = status
  if (phase === 'Failed' || phase === 'Error') return
  if (phase !== 'Succeeded') throw new ArgoRefusal(3, `Cannot retry a workflow in phase ${phase}`)
  const selector = asText(body['nodeFieldSelector']) ?? ''
  if (body['restartSuccessful'] !== true || selector === '') {
    throw new ArgoRefusal(
      3,
      'To retry a succeeded workflow, set the options restartSuccessful and nodeFieldSelector',
    )
  }
}

/** `PUT …/resubmit`: a new workflow of the same spec, with the labels that its user gave the old one. */
export function resubmitWorkflow(context: OperationContext): JsonObject {
  return resubmitted(context, workflowOf(context))
}

/** Makes a new workflow of an old one. */
export function resubmitted(context: OperationContext, old: ArgoWorkflow): JsonObject {
  const { parts, caller } = context
  const body = bodyOf(context, actionShape)
  const { phase } = old.status
  if (body['memoized'] === true && phase !== 'Failed' && phase !== 'Error') {
    throw new ArgoRefusal(3, 'workflow must be Failed/Error to resubmit in memoized mode')
  }
  const { metadata } = old
  const kept = Object.entries(metadata.labels).filter(([key]) => !DROPPED_LABELS.has(key))
  const { shutdown: _, ...spec } = old.spec
  const draft = {
    name: '',
    generateName: metadata.generateName ?? `${metadata.name}-`,
    labels: {
      ...Object.fromEntries(kept),
      [argoLabel('resubmitted-from-workflow')]: metadata.name,
      ...creatorLabels(caller),
    },
    annotations: metadata.annotations,
    ownerReferences: metadata.ownerReferences ?? [],
    spec: withParameters(spec, asArray(body['parameters'])),
  }
  assertValid(draft, resolvedSpec(parts, draft.spec, metadata.namespace))
  const { request } = context
  const here = { ...context, request: { ...request, namespace: metadata.namespace } }
  return stored(here, draft, { transportCode: 13, dryRun: false })
}

const DROPPED_LABELS = new Set([
  LABEL_PHASE,
  LABEL_COMPLETED,
  LABEL_ARCHIVING,
  argoLabel('creator'),
  argoLabel('creator-email'),
  argoLabel('creator-preferred-username'),
])

/** `PUT …/stop` and `…/terminate`: the controller sees it at its next reconcile. */
export function shutDownWorkflow(context: OperationContext, strategy: 'Stop' | 'Terminate'): JsonObject {
  const { parts } = context
  const workflow = liveWorkflowOf(context)
  demand(context, 'patch', 'workflows')
  const { namespace, name } = workflow.metadata
  if (isFinal(workflow.status.phase)) {
    throw new ArgoRefusal(
      13,
      `cannot shutdown a completed workflow: workflow: "${name}", namespace: "${namespace}"`,
    )
  }
  const told = acted(context, { ...workflow, spec: { ...workflow.spec, shutdown: strategy } }, strategy)
  const changed = parts.cluster.replace(told)
  parts.controller.touch(changed)
  return shown(changed)
}

/** `PUT …/suspend`: nothing new of it starts. */
export function suspendWorkflow(context: OperationContext): JsonObject {
  const workflow = liveWorkflowOf(context)
  demand(context, 'update', 'workflows')
  if (isFinal(workflow.status.phase)) {
    throw new ArgoRefusal(3, 'timed out waiting for the condition: cannot suspend completed workflows')
  }
  const suspended = { ...workflow, spec: { ...workflow.spec, suspend: true } }
  return shown(context.parts.cluster.replace(acted(context, suspended, 'Suspend')))
}

/** `PUT …/resume`: it goes on; one that wasn't suspended stays as it is. */
export function resumeWorkflow(context: OperationContext): JsonObject {
  const { parts } = context
  const workflow = liveWorkflowOf(context)
  demand(context, 'update', 'workflows')
  if (workflow.spec['suspend'] !== true) return shown(workflow)
  const { suspend: _, ...spec } = workflow.spec
  const changed = parts.cluster.replace(acted(context, { ...workflow, spec }, 'Resume'))
  parts.controller.touch(changed)
  return shown(changed)
}

/** `PUT …/set`: ends a step that only waits. */
export function setWorkflow(context: OperationContext): JsonObject {
  const { parts } = context
  const workflow = liveWorkflowOf(context)
  const body = bodyOf(context, actionShape)
  const phase = asText(body['phase']) ?? ''
  demand(context, 'update', 'workflows')
  if ((asText(body['nodeFieldSelector']) ?? '') === '') {
    throw new ArgoRefusal(
      13,
      "'set' currently only targets suspend nodes, use a node field selector to target them",
    )
  }
  if (phase !== '' && !isFinal(phase)) {
    throw new ArgoRefusal(3, `${phase} is an invalid phase to set to`)
  }
  const node = workflow.status.nodes?.[workflow.metadata.name]
  if (phase !== '' && node?.['type'] === 'Suspend' && node['phase'] === 'Running') {
    const message = asText(body['message'])
    const outputs = textOutputs(asText(body['outputParameters']) ?? '')
    parts.controller.finish(workflow, {
      phase: isFinal(phase) ? phase : 'Succeeded',
      outputs,
      ...(message === undefined ? {} : { message }),
    })
  }
  return shown(liveWorkflowOf(context))
}

function textOutputs(json: string): Record<string, string> {
  if (json === '') return {}
  try {
    const given: unknown = JSON.parse(json)
    return Object.fromEntries(Object.entries(asObject(given)).map(([key, one]) => [key, outputText(one)]))
  } catch {
    throw new ArgoRefusal(3, 'unable to parse output parameter set request')
  }
}

function outputText(value: JsonValue): string {
  return asText(value) ?? JSON.stringify(value)
}

/** `DELETE …`: immediate; archived rows stay. */
export function deleteWorkflow(context: OperationContext): JsonObject {
  const workflow = liveWorkflowOf(context)
  if (context.request.query.get('force') === 'true') demand(context, 'patch', 'workflows')
  demand(context, 'delete', 'workflows')
  context.parts.cluster.remove(workflow)
  return {}
}

function demand({ parts, caller, request }: OperationContext, verb: string, resource: string): void {
  parts.access.demand(caller, {
    verb: verb,
    resource: resource,
    name: request.name,
    namespace: request.namespace,
  })
}

function acted({ caller }: OperationContext, workflow: ArgoWorkflow, action: string): ArgoWorkflow {
  return withLabels(workflow, { ...workflow.metadata.labels, ...actorLabels(caller, action) })
}
