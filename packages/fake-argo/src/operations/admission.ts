import { ArgoRefusal } from '../server/answer.js'
import type { ArgoWorkflow } from '../argo-workflow.js'

/** A denial of a workflow: by what, and why. */
export type AdmissionDenial =
  /** A ValidatingAdmissionPolicy by its name. */
  | { readonly policy: string; readonly message: string; readonly status?: DenialStatus }
  /** An admission webhook by its name. Without a message it gives no explanation. */
  | { readonly webhook: string; readonly message?: string; readonly status?: DenialStatus }

/**
 * The status of Argo's answer. Default 400. A webhook may choose any, and Argo passes 403, 429 and 500 on as
 * they are.
 */
export type DenialStatus = 400 | 403 | 429 | 500

const CODES = { 400: 3, 403: 7, 429: 8, 500: 13 } as const satisfies Record<DenialStatus, number>

/**
 * The decision of the cluster's policies and webhooks about a new workflow; `undefined`: it is admitted.
 */
export type AdmissionRule = (workflow: ArgoWorkflow) => AdmissionDenial | undefined

/**
 * Applies the cluster's policies and webhooks. Kubernetes answers 422 or 400, and so Argo 400, with a text
 * that begins like that of a missing permission.
 *
 * @throws ArgoRefusal 400, or as the rule says
 */
export function assertAdmitted(workflow: ArgoWorkflow, rule: AdmissionRule | undefined): void {
  const denial = rule?.(workflow)
  if (denial === undefined) return
  const code = CODES[denial.status ?? 400]
  if ('webhook' in denial) {
    const why = denial.message === undefined ? ' without explanation' : `: ${denial.message}`
    throw new ArgoRefusal(code, `admission webhook "${denial.webhook}" denied the request${why}`)
  }
  const by = `ValidatingAdmissionPolicy '${denial.policy}' with binding '${denial.policy}'`
  const which = `workflows.argoproj.io "${workflow.metadata.name}"`
  throw new ArgoRefusal(code, `${which} is forbidden: ${by} denied request: ${denial.message}`)
}

/**
 * Compares the workflows of a namespace with its quota, finished ones included: a quota on objects counts
 * what is stored.
 *
 * @throws ArgoRefusal 403
 */
export function assertWithinQuota(name: string, used: number, quota: number | undefined): void {
  if (quota === undefined || used < quota) return
  throw new ArgoRefusal(
    7,
    `workflows.argoproj.io "${name}" is forbidden: exceeded quota: quota, requested: ${counted(1)}, used: ${counted(used)}, limited: ${counted(quota)}`,
  )
}

function counted(workflows: number): string {
  return `count/workflows.argoproj.io=${workflows}`
}
