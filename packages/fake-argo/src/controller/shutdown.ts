import { asText, type ArgoWorkflow } from '../argo-workflow.js'
import type { Ending, Outcome } from './outcome.js'
import { exitMessage } from './workflow-steps.js'

/** `Stop` or `Terminate`, where a workflow was shut down. */
export function shutdownOf({ spec }: ArgoWorkflow): string | undefined {
  const strategy = asText(spec['shutdown']) ?? ''
  return strategy === '' ? undefined : strategy
}

/** The end of a workflow that was shut down and whose program died of the signal. */
export function shutDown(strategy: string): Ending {
  const message = `Stopped with strategy '${strategy}'`
  return { phase: 'Failed', message, nodeMessage: toldToEnd(strategy) }
}

/** The message of a node that was shut down. */
export function toldToEnd(strategy: string): string {
  return `workflow shutdown with strategy:  ${strategy}`
}

/**
 * The end of a running workflow that is shut down: its program dies of the signal, or handles SIGTERM and
 * exits 0, which by version is a success without a message, or a failure with the node's.
 *
 * @returns `undefined` where its program never gets the signal: it runs on, and ends by itself
 */
export function endAtShutdown(
  strategy: string,
  facts: {
    /** A program runs that can get the signal. */
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
 * The end of a workflow whose pod was removed: evicted, drained or preempted.
 *
 * @param captured whether the controller saw the pod's last status before the pod was gone
 * @param trapped whether its program handles SIGTERM and exits 0
 */
export function podTaken(captured: boolean, trapped: boolean): Ending {
  if (!captured) return { phase: 'Error', message: 'pod deleted' }
  return trapped ? {} : { phase: 'Failed', exitCode: 143, message: exitMessage(143) }
}
