import type { JobReport, JsonValue } from '@sluice/core'
import { restrictionHint } from './argo-advice.js'
import { exitCodeOf, failedNode } from './failed-node.js'
import { failureClassOf } from './failure-class.js'
import type { JobName } from './job-name.js'
import {
  endedPhase,
  instantOf,
  isArchived,
  outputParameters,
  type EndedPhase,
  type Workflow,
  type WorkflowNode,
} from './workflow.js'

/** What a report is made of, beside the workflow. */
export interface ReportContext {
  readonly job: JobName
  readonly namespace: string
  /** Of Argo's UI, without a slash at its end. */
  readonly uiUrl: string
  /** Why somebody cancelled it through this worker. */
  readonly cancelled?: string
  /** What happened to it beside its own work, for people. */
  readonly notes?: readonly string[]
}

/** What the worker says of a job: by the phase of its workflow, with the evidence that outlives it [W-POLL-1]. */
export function reportOf(workflow: Workflow, context: ReportContext): JobReport {
  const phase = endedPhase(workflow)
  if (phase === undefined) return reportRunning(workflow, context)
  if (phase !== 'Succeeded') return reportFailed(workflow, phase, context)
  return endedBeforeAnythingRan(workflow)
    ? {
        ...reportFailed(workflow, 'Failed', context),
        failureClass: 'killed',
        message: 'cancelled before anything ran',
      }
    : reportSucceeded(workflow, context)
}

/** Some versions let a workflow that was terminated while it waited for a lock end well, though nothing of it ever ran. */
function endedBeforeAnythingRan({ spec, status }: Workflow): boolean {
  if (spec?.shutdown === undefined || spec.shutdown === null || spec.shutdown === '') return false
  const ran = Object.values(status?.nodes ?? {}).some(({ phase }) => phase === 'Succeeded')
  return !ran && !/^[1-9]/u.test(status?.progress ?? '')
}

function reportRunning(workflow: Workflow, context: ReportContext): JobReport {
  const { message } = workflow.status ?? {}
  return {
    ...heading(workflow, context),
    stage: 'PROCESSING',
    details: common(workflow, context),
    ...(isText(message) ? { message } : {}),
  }
}

function reportSucceeded(workflow: Workflow, context: ReportContext): JobReport {
  const result = outputsOf(workflow)
  return {
    ...heading(workflow, context),
    stage: 'SUCCESS',
    details: { ...common(workflow, context), ...ofTheEnd(workflow) },
    ...(result === undefined ? {} : { result }),
  }
}

function reportFailed(
  workflow: Workflow,
  phase: Exclude<EndedPhase, 'Succeeded'>,
  context: ReportContext,
): JobReport {
  const node = failedNode(workflow)
  const exitCode = exitCodeOf(node)
  const outputs = outputsOf(workflow)
  const message = textOf(workflow.status?.message)
  const nodeMessage = textOf(node?.message)
  const hint = restrictionHint(message)
  return {
    ...heading(workflow, context),
    stage: 'FAIL',
    failureClass: failureClassOf({ phase, message, nodeMessage, exitCode }),
    message: failureText({ phase, message, node, cancelled: context.cancelled }),
    details: {
      ...common(workflow, context),
      ...ofTheEnd(workflow),
      ...(message === undefined ? {} : { message }),
      ...(node === undefined ? {} : { failedNode: nodeDetails(node) }),
      ...(exitCode === undefined ? {} : { exitCode }),
      ...(outputs === undefined ? {} : { outputs }),
      ...(hint === undefined ? {} : { hint }),
    },
  }
}

interface FailureWords {
  readonly phase: string
  readonly message: string | undefined
  readonly node: WorkflowNode | undefined
  readonly cancelled: string | undefined
}

/** What people group failures by: the node's own words, without names that are different for each workflow. */
function failureText({ phase, message, node, cancelled }: FailureWords): string {
  const why = textOf(node?.message) ?? message ?? `the workflow ended in phase ${phase} and does not say why`
  const where = textOf(node?.templateName)
  const whole = where === undefined || node?.message === undefined ? why : `${where}: ${why}`
  return cancelled === undefined ? whole : `cancelled: ${cancelled} (${whole})`
}

function heading(workflow: Workflow, { job, namespace, uiUrl }: ReportContext) {
  const { metadata, status } = workflow
  const startedAt = instantOf(status?.startedAt)
  const finishedAt = endedPhase(workflow) === undefined ? undefined : instantOf(status?.finishedAt)
  return {
    uid: job.ref.uid,
    attempt: job.ref.attempt,
    url: `${uiUrl}/workflows/${namespace}/${metadata.name}?uid=${metadata.uid}`,
    ...(startedAt === undefined ? {} : { startedAt }),
    ...(finishedAt === undefined ? {} : { finishedAt }),
  }
}

type Details = Readonly<Record<string, JsonValue>>

function common({ metadata, status }: Workflow, { namespace, notes = [] }: ReportContext): Details {
  const progress = textOf(status?.progress)
  return {
    workflow: metadata.name,
    namespace,
    workflowUid: metadata.uid,
    ...(isText(status?.phase) ? { phase: status.phase } : {}),
    ...(progress === undefined ? {} : { progress }),
    ...(notes.length === 0 ? {} : { notes: [...notes] }),
  }
}

function ofTheEnd(workflow: Workflow): Details {
  const { resourcesDuration } = workflow.status ?? {}
  return {
    ...(resourcesDuration === undefined || resourcesDuration === null
      ? {}
      : { resourcesDurationS: resourcesDuration }),
    ...(isArchived(workflow) ? { archived: true } : {}),
  }
}

function nodeDetails({
  displayName,
  templateName,
  type,
  phase,
  message,
  hostNodeName,
}: WorkflowNode): Details {
  const given = { name: displayName, template: templateName, type, phase, message, host: hostNodeName }
  return Object.fromEntries(
    Object.entries(given).flatMap(([name, value]) => (isText(value) ? [[name, value] as const] : [])),
  )
}

/** What the workflow exports by `globalName`, or else what its entry node puts out. */
function outputsOf({ metadata, status }: Workflow): Details | undefined {
  return outputParameters(status?.outputs) ?? outputParameters(status?.nodes?.[metadata.name]?.outputs)
}

function textOf(text: string | null | undefined): string | undefined {
  return isText(text) ? text : undefined
}

function isText(text: string | null | undefined): text is string {
  return text !== undefined && text !== null && text !== ''
}
