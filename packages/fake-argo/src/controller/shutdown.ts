import { asText, type ArgoWorkflow } from '../argo-workflow.js'
import type { Ending, Outcome } from './outcome.js'
import { exitMessage } from './workflow-steps.js'

/** `Stop` or `Terminate`, where a workflow was told to end. */
export function shutdownOf({ spec }: ArgoWorkflow): string | undefined {
  const strategy = asText(spec['shutdown']) ?? ''
  return strategy === '' ? undefined : strategy
}

/** How one ends that was told to, and whose program took the signal for what it is. */
export function shutDown(strategy: string): Ending {
  const message = `Stopped with strategy '${strategy}'`
  return { phase: 'Failed', message, nodeMessage: toldToEnd(strategy) }
}

/** What a node says that was told to end. */
export function toldToEnd(strategy: string): string {
  return `workflow shutdown with strategy:  ${strategy}`
}

/**
 * How one that runs ends when it is told to: its program dies of that, or takes SIGTERM and exits 0: by version a success without a
 * word, or a failure in the node's words.
 *
 * @returns `undefined` where its program never hears of it: it runs on, and ends by itself
 */
export function endAtShutdown(
  strategy: string,
  facts: {
    /** Something runs that could hear of it. */
    readonly runs: boolean
    readonly mayExec: boolean
    readonly outcome: Outcome | undefined
    readonly trappedSucceeds: boolean
  },
): Ending | undefined {
  const { runs, mayExec, outcome, trappedSucceeds } = facts
  if (runs && !mayExec) return undefined
  if (!runs || outcome?.atSigterm !== 'exits-0') return shutDown(strategy)
  if (trappedSucceeds) return {}
  return { phase: 'Failed', exitCode: 0, message: `workflow shutdown with strategy: ${strategy}` }
}

/**
 * How one ends whose pod was taken away: evicted, drained or preempted.
 *
 * @param captured whether the controller saw the pod's last status before the pod was gone
 * @param trapped whether its program takes SIGTERM and exits 0
 */
export function podTaken(captured: boolean, trapped: boolean): Ending {
  if (!captured) return { phase: 'Error', message: 'pod deleted' }
  return trapped ? {} : { phase: 'Failed', exitCode: 143, message: exitMessage(143) }
}
