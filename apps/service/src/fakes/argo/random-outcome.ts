import { createHash } from 'node:crypto'
import { outcomeByParameters, type OutcomeRule } from '@sluice/testkit/argo'

/** As the parameters say, and a share of all fails on top. The name decides which: the same run fails again, a retried one needn't. */
export function randomOutcome(failRate: number): OutcomeRule {
  return (workflow, run) => {
    const outcome = outcomeByParameters(workflow, run)
    const draw = drawOf(`${run.retries} ${workflow.metadata.name}`)
    return draw < failRate ? { ...outcome, phase: 'Failed', exitCode: 1 } : outcome
  }
}

/** From 0 to below 1. */
function drawOf(text: string): number {
  return createHash('sha256').update(text).digest().readUInt32BE() / 2 ** 32
}
