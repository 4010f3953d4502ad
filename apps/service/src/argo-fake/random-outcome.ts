import { createHash } from 'node:crypto'
import type { OutcomeRule } from '@sluice/fake-argo'

/** As `rule` says, and a share of all fails on top. The name decides which: the same run fails again, a retried one needn't. */
export function randomOutcome(failRate: number, rule: OutcomeRule): OutcomeRule {
  return (workflow, run) => {
    const outcome = rule(workflow, run)
    const draw = drawOf(`${run.retries} ${workflow.metadata.name}`)
    return draw < failRate ? { ...outcome, phase: 'Failed', exitCode: 1 } : outcome
  }
}

/** From 0 to below 1. */
function drawOf(text: string): number {
  return createHash('sha256').update(text).digest().readUInt32BE() / 2 ** 32
}
