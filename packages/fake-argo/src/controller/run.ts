import type { ArgoWorkflow } from '../argo-workflow.js'
import type { Outcome } from './outcome.js'

/** The next step of a workflow. */
export type Step = 'reconcile' | 'begin' | 'finish' | 'archive' | 'mark' | 'expire'

/** What the controller keeps about one workflow. */
export interface Run {
  readonly namespace: string
  readonly name: string
  retries: number
  /** What it waits for: a lock that only `freeLock` gives, see `waitForLock`. */
  locked: string | undefined
  /** Its pod can't begin. */
  held: boolean
  outcome: Outcome | undefined
  /** When it ends by itself. */
  endsAt: number | undefined
  /** The next step; other entries of the agenda for this workflow are out of date. */
  next: { readonly step: Step } | undefined
}

/** The run of a new workflow. */
export function newRun({ metadata: { namespace, name } }: ArgoWorkflow): Run {
  return {
    namespace,
    name,
    retries: 0,
    locked: undefined,
    held: false,
    outcome: undefined,
    endsAt: undefined,
    next: undefined,
  }
}
