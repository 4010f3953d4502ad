import { type JobReport, type JsonValue } from '@sluice/core'
import { terminalText } from '@sluice/core/backend'
import { restrictionHint } from '../check/argo-advice.js'
import { exitCodeOf, failedNode, onlyExitHandlerFailed } from '../workflow/failed-node.js'
import { failureClassOf } from '../workflow/failure-class.js'
import { CONTAINER_END } from '../workflow/hidden-cause.js'
import { holdUpOf, type HoldUp } from '../workflow/hold-up.js'
import { overridesIn } from './job-identity.js'
import type { JobName } from './job-name.js'
import { withoutOwnName } from '../workflow/own-name.js'
import {
  endedPhase,
  hasProgress,
  instantOf,
  isArchived,
  outputParameters,
  toldToEnd,
  type EndedPhase,
  type Workflow,
  type WorkflowNode,
} from '../workflow/workflow.js'

/** What a report is made of, beside the workflow. */
export interface ReportContext {
  readonly job: JobName
  readonly namespace: string
  /** Of Argo's UI, without a slash at its end. */
  readonly uiUrl: string
  /** Why it was cancelled through this worker. */
  readonly cancelled?: string
  /** The end of its log, where that says more than what Kubernetes kept of it. */
  readonly logEnd?: string | undefined
  /** What happened to it beside its own work. */
  readonly notes?: readonly string[]
  /** How far it had come when its nodes were last read, for a row of a list, which has none. */
  readonly lastHoldUp?: HoldUp | undefined
}

/**
 * What the worker says of a job: by the phase of its workflow, with the evidence that outlives it [W-POLL-1].
 */
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

/**
 * Some versions let a workflow that was terminated while it waited for a lock end well, though nothing of it
 * ever ran.
 */
function endedBeforeAnythingRan(workflow: Workflow): boolean {
  if (toldToEnd(workflow) === undefined) return false
  const ran = Object.values(workflow.status?.nodes ?? {}).some(({ phase }) => phase === 'Succeeded')
  return !ran && !hasProgress(workflow)
}

function reportRunning(workflow: Workflow, context: ReportContext): JobReport {
  const { pending, message } = sinceLast(holdUpOf(workflow), context.lastHoldUp)
  const head = heading(workflow, context)
  return {
    ...head,
    stage: 'PROCESSING',
    details: { ...common(workflow, context), url: head.url },
    ...(pending === undefined ? {} : { pending }),
    ...(isText(message) ? { message } : {}),
  }
}

/**
 * What isn't reported now is as it was last reported; what was seen to run is never pending again, whatever a
 * late list shows.
 */
function sinceLast(now: HoldUp, last: HoldUp | undefined): HoldUp {
  if (last?.pending === false)
    return { pending: false, message: now.pending === true ? undefined : now.message }
  if (now.pending !== undefined || last === undefined) return now
  return { pending: last.pending, message: now.message ?? last.message }
}

function reportSucceeded(workflow: Workflow, context: ReportContext): JobReport {
  const result = outputsOf(workflow)
  const message = endedAnyway(workflow, context)
  return {
    ...heading(workflow, context),
    stage: 'SUCCESS',
    details: { ...common(workflow, context, message), ...ofTheEnd(workflow) },
    ...(message === undefined ? {} : { message }),
    ...(result === undefined ? {} : { result }),
  }
}

/** Its program handled the signal and exited 0, or never got it: for Argo it is a success as any other. */
function endedAnyway(workflow: Workflow, { cancelled }: ReportContext): string | undefined {
  const strategy = toldToEnd(workflow)
  if (strategy === undefined) return undefined
  const why = cancelled === undefined ? '' : `: ${cancelled}`
  return `ended well although it was told to end (${strategy})${why}`
}

function reportFailed(
  workflow: Workflow,
  phase: Exclude<EndedPhase, 'Succeeded'>,
  context: ReportContext,
): JobReport {
  const node = failedNode(workflow)
  // Some ends are none of the program's, whose code is 0 then.
  const exitCode = exitCodeOf(node) === 0 ? undefined : exitCodeOf(node)
  const { name } = workflow.metadata
  const message = shownText(workflow.status?.message)
  return {
    ...heading(workflow, context),
    stage: 'FAIL',
    failureClass: failureClassOf({
      phase,
      message: withoutOwnName(message, name),
      nodeMessage: withoutOwnName(ownWords(node), name),
      exitCode,
      toldToEnd: toldToEnd(workflow) !== undefined,
    }),
    ...(exitCode === undefined ? {} : { exitCode }),
    message: withoutOwnName(
      failureText({ phase, message, node, cancelled: context.cancelled, logEnd: context.logEnd }),
      name,
    ),
    details: {
      ...common(workflow, context, handlerNote(workflow)),
      ...ofTheEnd(workflow),
      ...failureDetails(workflow, { message, node }),
      ...(exitCode === undefined ? {} : { exitCode }),
    },
  }
}

function handlerNote(workflow: Workflow): string | undefined {
  return onlyExitHandlerFailed(workflow) ? 'the work itself was done; its exit handler failed' : undefined
}

function failureDetails(
  workflow: Workflow,
  { message, node }: Pick<FailureWords, 'message' | 'node'>,
): Details {
  const outputs = outputsOf(workflow)
  const hint = restrictionHint(message)
  return {
    ...(message === undefined ? {} : { message }),
    ...(node === undefined ? {} : { failedNode: nodeDetails(node) }),
    ...(outputs === undefined ? {} : { outputs }),
    ...(hint === undefined ? {} : { hint }),
  }
}

interface FailureWords {
  readonly phase: string
  readonly message: string | undefined
  readonly node: WorkflowNode | undefined
  readonly cancelled: string | undefined
  readonly logEnd: string | undefined
}

/** What failures are grouped by: the node's own words, without names that differ for each workflow. */
function failureText({ phase, message, node, cancelled, logEnd }: FailureWords): string {
  const own = ownWords(node, logEnd)
  const why = own ?? message ?? `the workflow ended in phase ${phase} and does not say why`
  const where = textOf(node?.templateName)
  const whole = where === undefined || own === undefined ? why : `${where}: ${withoutContainer(own)}`
  if (cancelled === undefined) return whole
  // A reason such as "cancelled by an operator" says it by itself.
  return `${/^cancel/iu.test(cancelled) ? '' : 'cancelled: '}${cancelled} (${whole})`
}

/** The node's own message: none, where the workflow as a whole erred while it ran. */
function ownWords(node: WorkflowNode | undefined, logEnd?: string): string | undefined {
  if (logEnd !== undefined) return `${CONTAINER_END.exec(node?.message ?? '')?.[0] ?? ''}${logEnd}`
  const message = shownText(node?.message)
  return message === 'Workflow operation error' ? undefined : message
}

/**
 * What a program wrote, as a terminal would show it: what a progress bar overwrote is no part of a reason.
 */
function shownText(text: string | null | undefined): string | undefined {
  if (!isText(text)) return undefined
  const [end = ''] = CONTAINER_END.exec(text) ?? []
  const shown = `${end}${terminalText(text.slice(end.length))}`
  return textOf(shown.replace(/: $/u, ''))
}

/** `main` is Argo's name for the container that does the work, whatever the template is called. */
function withoutContainer(message: string): string {
  return message.replace(/^main: /u, '')
}

function heading(workflow: Workflow, { job, namespace, uiUrl }: ReportContext) {
  const { metadata, status } = workflow
  const startedAt = instantOf(status?.startedAt)
  const overrides = overridesIn(workflow)
  const finishedAt = endedPhase(workflow) === undefined ? undefined : instantOf(status?.finishedAt)
  return {
    uid: job.ref.uid,
    attempt: job.ref.attempt,
    url: `${uiUrl}/workflows/${namespace}/${metadata.name}?uid=${metadata.uid}`,
    jobUid: metadata.uid,
    ...(startedAt === undefined ? {} : { startedAt }),
    ...(finishedAt === undefined ? {} : { finishedAt }),
    ...(overrides === undefined ? {} : { overrides }),
  }
}

type Details = Readonly<Record<string, JsonValue>>

function common(workflow: Workflow, { namespace, notes = [] }: ReportContext, note?: string): Details {
  const { metadata, status } = workflow
  const progress = textOf(status?.progress)
  const shutdown = toldToEnd(workflow)
  const allNotes = note === undefined ? notes : [...notes, note]
  return {
    workflow: metadata.name,
    namespace,
    workflowUid: metadata.uid,
    ...(isText(status?.phase) ? { phase: status.phase } : {}),
    ...(progress === undefined ? {} : { progress }),
    ...(shutdown === undefined ? {} : { shutdown }),
    ...(allNotes.length === 0 ? {} : { notes: [...allNotes] }),
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
  const shown = shownText(message)
  const given = { name: displayName, template: templateName, type, phase, message: shown, host: hostNodeName }
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
