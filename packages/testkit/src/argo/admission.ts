import { ArgoRefusal } from './answer.js'
import type { ArgoWorkflow } from './argo-workflow.js'

/** Who denies a workflow, and why. */
export type AdmissionDenial =
  /** A ValidatingAdmissionPolicy by its name. */
  | { readonly policy: string; readonly message: string }
  /** An admission webhook by its name. */
  | { readonly webhook: string; readonly message: string }

/** What policies and webhooks of the cluster say of a workflow that is to be created; `undefined`: nothing against it. */
export type AdmissionRule = (workflow: ArgoWorkflow) => AdmissionDenial | undefined

/**
 * Asks the cluster's policies and webhooks. Kubernetes answers 422 or 400, and so Argo 400, in words that only begin as those of a missing
 * permission do.
 *
 * @throws ArgoRefusal 400
 */
export function assertAdmitted(workflow: ArgoWorkflow, rule: AdmissionRule | undefined): void {
  const denial = rule?.(workflow)
  if (denial === undefined) return
  const { message } = denial
  if ('webhook' in denial) {
    throw new ArgoRefusal(3, `admission webhook "${denial.webhook}" denied the request: ${message}`)
  }
  const by = `ValidatingAdmissionPolicy '${denial.policy}' with binding '${denial.policy}'`
  const which = `workflows.argoproj.io "${workflow.metadata.name}"`
  throw new ArgoRefusal(3, `${which} is forbidden: ${by} denied request: ${message}`)
}
