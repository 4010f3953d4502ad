import { isHolder } from './failed-node.js'
import {
  endedPhase,
  hasProgress,
  instantOf,
  toldToEnd,
  type Workflow,
  type WorkflowNode,
} from './workflow.js'

/** How far a workflow that is not finished has come. */
export interface HoldUp {
  /** `true`: accepted, and nothing of it runs yet. `undefined`: not known. */
  readonly pending: boolean | undefined
  /** What holds it up. */
  readonly message: string | undefined
}

/**
 * How far a workflow has come, by its own report. One that waits for a slot or a lock is Pending; one whose
 * pod can't begin is Running with an empty message, and only its node is Pending: without nodes it can't be
 * told from one that runs.
 */
export function holdUpOf(workflow: Workflow): HoldUp {
  const { spec, status } = workflow
  const phase = status?.phase ?? ''
  const message = textOf(status?.message)
  if (endedPhase(workflow) !== undefined) return { pending: false, message }
  if (phase === 'Pending') return { pending: true, message: waitingText(workflow, message) }
  // A retry in place has a start, and no phase for a moment.
  if (phase === '' && instantOf(status?.startedAt) === undefined)
    return { pending: true, message: message ?? NOT_TAKEN_UP }
  if (hasProgress(workflow)) return { pending: false, message }
  const suspended = spec?.suspend === true ? SUSPENDED : undefined
  const nodes = status?.nodes
  if (phase !== 'Running' || nodes === undefined || nodes === null)
    return { pending: undefined, message: message ?? suspended }
  return ofNodes(Object.values(nodes), message ?? suspended)
}

const NOT_TAKEN_UP = 'the workflow controller has not taken it up yet'
const SUSPENDED = 'suspended at Argo: it goes on when it is resumed there'

function ofNodes(nodes: readonly WorkflowNode[], message: string | undefined): HoldUp {
  const working = nodes.filter((node) => !isHolder(node))
  const pending = !working.some(hasBegun)
  if (working.some(({ phase }) => phase === 'Running')) return { pending, message }
  const held = working.find((node) => node.phase === 'Pending' && textOf(node.message) !== undefined)
  return { pending, message: held === undefined ? message : nodeText(held) }
}

function hasBegun({ phase }: WorkflowNode): boolean {
  return phase === 'Running' || phase === 'Succeeded' || phase === 'Failed' || phase === 'Error'
}

/** By the template's name, not the node's: what holds many jobs up is then one text. */
function nodeText({ templateName, displayName, message }: WorkflowNode): string {
  const where = textOf(templateName) ?? textOf(displayName)
  return where === undefined ? (message ?? '') : `${where}: ${message ?? ''}`
}

/** A request to end has no effect before its turn. */
function waitingText(workflow: Workflow, message: string | undefined): string | undefined {
  const strategy = toldToEnd(workflow)
  if (strategy === undefined) return message
  const when = /\block\b/iu.test(message ?? '') ? 'when the lock is free' : 'at its turn'
  const why = message === undefined ? '' : ` (${message})`
  return `told to end (${strategy}), and ends ${when}${why}`
}

function textOf(text: string | null | undefined): string | undefined {
  return text === null || text === '' ? undefined : text
}
