import type { ArgoWorkflow } from '../argo-workflow.js'
import type { Outcome } from './outcome.js'

/** What is to be done with a workflow next. */
export type Step = 'reconcile' | 'begin' | 'finish' | 'archive' | 'mark' | 'expire'

/** What the controller remembers of one workflow. */
export interface Run {
  readonly namespace: string
  readonly name: string
  retries: number
  /** What it waits for: a lock that is given by hand alone, see `waitForLock`. */
  locked: string | undefined
  /** Its pod can't begin. */
  held: boolean
  outcome: Outcome | undefined
  /** When it ends, as far as it runs by itself. */
  endsAt: number | undefined
  /** The one thing that is to be done next; what else the agenda has of this workflow is out of date. */
  next: { readonly step: Step } | undefined
}

/** A workflow that nothing was done with yet. */
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
