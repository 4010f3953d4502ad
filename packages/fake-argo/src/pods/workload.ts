import { utf8Bytes } from '@sluice/core'
import type { ArgoWorkflow, JsonObject } from '../argo-workflow.js'
import { goJson } from '../server/go-json.js'
import { isPodless, type Ending, type Outcome, type OutcomeRule } from '../controller/outcome.js'
import type { PodRefusalRule } from './pod-refusals.js'
import { podOf, type SeenPod } from './pods.js'
import type { Kubelet } from './kubelet.js'
import { runTemplates } from './template-run.js'
import type { Templates } from '../cluster/templates.js'

/** What a workflow consists of when it starts to run. */
interface Start {
  /** The spec that it runs by. */
  readonly resolved: JsonObject
  readonly parameters: Readonly<Record<string, string>>
  readonly templates: Templates
  readonly kubelet: Kubelet
}

/**
 * The pods of a workflow, as if each of its steps succeeded; of expressions, those that only name a parameter
 * are evaluated.
 */
export function podsOf({ metadata }: ArgoWorkflow, start: Start): readonly SeenPod[] {
  const { name, namespace, uid } = metadata
  const nodes = runTemplates({
    spec: start.resolved,
    workflow: new Map(Object.entries({ name, namespace, uid })),
    parameters: new Map(Object.entries(start.parameters)),
    find: (template, clusterScope) =>
      start.templates.find(clusterScope ? 'ClusterWorkflowTemplate' : 'WorkflowTemplate', template, namespace)
        ?.spec,
  })
  return nodes.flatMap((node) => podOf(node, start.kubelet) ?? [])
}

interface Plan {
  readonly start: Start
  readonly retries: number
  readonly rule: OutcomeRule
  readonly podRefusal: PodRefusalRule | undefined
}

/**
 * How a workflow that begins now will end: by Kubernetes where it refuses its pod, by Linux where its
 * programs cannot start, else by the rule.
 */
export function plannedOutcome(running: ArgoWorkflow, { start, retries, rule, podRefusal }: Plan): Outcome {
  const refusal = isPodless(start.resolved) ? undefined : podRefusal?.(running)
  if (refusal !== undefined) return { phase: 'Error', message: refusal, afterMs: 0 }
  const failure = failedStart(running, start)
  if (failure !== undefined) return { ...failure, afterMs: 0 }
  return rule(running, { parameters: start.parameters, retries, pods: () => podsOf(running, start) })
}

/** So short that no text which a template makes of them could be too long for Linux. */
const SHORT_CHARACTERS = 10_000

/** The end of a workflow whose programs Linux does not start: without a reason. */
function failedStart(workflow: ArgoWorkflow, start: Start): Ending | undefined {
  const characters = Object.values(start.parameters).reduce((sum, value) => sum + value.length, 0)
  if (characters < SHORT_CHARACTERS || podsOf(workflow, start).every(({ starts }) => starts)) return undefined
  return { phase: 'Failed', exitCode: 1 }
}

/** The most bytes that Kubernetes stores of one object. */
export const MAX_STORED_BYTES = 1_572_864

/**
 * Whether a workflow grew too large to be stored: its parameters are in it more than once, beside the
 * template.
 */
export function isTooLargeToStore({ metadata, spec, status }: ArgoWorkflow): boolean {
  const { length } = JSON.stringify([metadata, spec, status])
  // Exact only near the limit.
  return length > MAX_STORED_BYTES / 6 && utf8Bytes(goJson([metadata, spec, status])) > MAX_STORED_BYTES
}

/**
 * Succeeds at once, with what the programs of its pods see as the output `pods`: the list of them as JSON.
 */
export const outcomeWithPods: OutcomeRule = (_, { pods }) => ({
  afterMs: 0,
  outputs: { pods: JSON.stringify(pods()) },
})
