import { instantOf, type Workflow, type WorkflowNode } from './workflow.js'

/**
 * The node to blame: of those that failed without a child that did, the one that failed first. Others may have been stopped because
 * of it.
 */
export function failedNode({ status }: Workflow): WorkflowNode | undefined {
  const nodes = status?.nodes ?? {}
  const failed = Object.values(nodes).filter(hasFailed)
  const leaves = failed.filter(({ children }) => !(children ?? []).some((id) => hasFailed(nodes[id])))
  return leaves.toSorted((a, b) => finishedAt(a) - finishedAt(b))[0]
}

function hasFailed(node: WorkflowNode | undefined): boolean {
  return node?.phase === 'Failed' || node?.phase === 'Error'
}

function finishedAt({ finishedAt: written }: WorkflowNode): number {
  return instantOf(written) ?? Number.MAX_SAFE_INTEGER
}

/** The exit code of a node's container, which Argo writes as text. */
export function exitCodeOf(node: WorkflowNode | undefined): number | undefined {
  const written = node?.outputs?.exitCode
  return written === null || written === undefined || !/^\d+$/u.test(written) ? undefined : Number(written)
}
