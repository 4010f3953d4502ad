import type { ArgoWorkflow } from '../argo-workflow.js'

/** Kubernetes' refusal when the controller creates the pod of a workflow; `undefined`: it is created. */
export type PodRefusalRule = (workflow: ArgoWorkflow) => string | undefined

/**
 * Refusals of every pod of a namespace, in the words of Kubernetes. A workflow whose only node is such a pod
 * ends in Error within a second, with the same message.
 */
export const podRefusals = {
  /** A LimitRange allows less than the template requests. */
  limitRange: (): PodRefusalRule =>
    forbidden(
      '[maximum cpu usage per Container is 1, but limit is 2, maximum memory usage per Container is 1Gi, but limit is 2Gi]',
    ),
  /** The namespace enforces a Pod Security Standard. */
  podSecurity: (level: 'baseline' | 'restricted' = 'restricted'): PodRefusalRule =>
    forbidden(
      `violates PodSecurity "${level}:latest": allowPrivilegeEscalation != false (containers "init", "wait", "main" must set securityContext.allowPrivilegeEscalation=false), ` +
        'runAsNonRoot != true (pod or containers "init", "wait", "main" must set securityContext.runAsNonRoot=true)',
    ),
} as const

/** The only pod of a workflow has the name of the workflow. */
function forbidden(why: string): PodRefusalRule {
  return ({ metadata: { name } }) => `pods "${name}" is forbidden: ${why}`
}
