import { instantOf, type Workflow, type WorkflowNode } from './workflow.js'

type Nodes = Readonly<Record<string, WorkflowNode>>

/**
 * The node that decided the failure: of those that failed with nothing after them that was done all the same,
 * the one that failed first, since others may have been stopped because of it. What is tolerated has
 * something after it; of a `retryStrategy` only the last try counts.
 */
export function failedNode(workflow: Workflow): WorkflowNode | undefined {
  const nodes = workflow.status?.nodes ?? {}
  const start = [nodes[workflow.metadata.name], exitHandler(workflow)].find(hasFailed)
  if (start === undefined) return firstOf(leavesOf(nodes))
  return firstOf(new DecidingNodes(nodes).below(start)) ?? start
}

/** The node of the handler that runs when the work is over, if there is one. */
export function exitHandler({ metadata, status }: Workflow): WorkflowNode | undefined {
  const name = `${metadata.name}.onExit`
  return Object.values(status?.nodes ?? {}).find((node) => node.name === name)
}

/** Whether the work itself was done, and its exit handler failed. */
export function onlyExitHandlerFailed(workflow: Workflow): boolean {
  const main = workflow.status?.nodes?.[workflow.metadata.name]
  return main?.phase === 'Succeeded' && hasFailed(exitHandler(workflow))
}

/** Walks the graph of nodes: what is inside of a node, and what comes after it, are its children alike. */
class DecidingNodes {
  readonly #nodes: Nodes
  readonly #seen = new Set<WorkflowNode>()

  constructor(nodes: Nodes) {
    this.#nodes = nodes
  }

  below(node: WorkflowNode): readonly WorkflowNode[] {
    if (this.#seen.has(node)) return []
    this.#seen.add(node)
    const next = this.#next(node)
    const found = next.flatMap((child) => this.below(child))
    if (found.length > 0 || !hasFailed(node)) return found
    return next.some(isHolder(node) ? hasFailed : isDone) ? [] : [node]
  }

  #next(node: WorkflowNode): readonly WorkflowNode[] {
    const children = (node.children ?? []).flatMap((id) => this.#nodes[id] ?? [])
    if (node.type === 'Retry') return children.slice(-1)
    // Argo says which child it was, where it can.
    const named = this.#nodes[/^child '(.+)' failed$/u.exec(node.message ?? '')?.[1] ?? '']
    return named === undefined ? children : [named]
  }
}

const HOLDERS = new Set(['DAG', 'Steps', 'StepGroup', 'TaskGroup', 'Retry'])

/** Whether a node only holds others: nothing runs of it by itself. */
export function isHolder({ type }: WorkflowNode): boolean {
  return HOLDERS.has(type ?? '')
}

/** Where the root is unknown: those that failed without a child that did. */
function leavesOf(nodes: Nodes): readonly WorkflowNode[] {
  const failed = Object.values(nodes).filter(hasFailed)
  return failed.filter(({ children }) => !(children ?? []).some((id) => hasFailed(nodes[id])))
}

function firstOf(nodes: readonly WorkflowNode[]): WorkflowNode | undefined {
  return nodes.toSorted((a, b) => finishedAt(a) - finishedAt(b))[0]
}

function hasFailed(node: WorkflowNode | undefined): boolean {
  return node?.phase === 'Failed' || node?.phase === 'Error'
}

function isDone(node: WorkflowNode): boolean {
  return node.phase === 'Succeeded' || hasFailed(node)
}

function finishedAt({ finishedAt: written }: WorkflowNode): number {
  return instantOf(written) ?? Number.MAX_SAFE_INTEGER
}

/** The exit code of a node's container, which Argo writes as text. */
export function exitCodeOf(node: WorkflowNode | undefined): number | undefined {
  const written = node?.outputs?.exitCode
  return written === null || written === undefined || !/^\d+$/u.test(written) ? undefined : Number(written)
}
