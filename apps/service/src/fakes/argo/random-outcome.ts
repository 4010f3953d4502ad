import { createHash } from 'node:crypto'
import type { OutcomeRule } from '@sluice/fake-argo'

/**
 * The outcome by `rule`, with an additional share of failures. The name decides: the same run fails again, a
 * retried one may not.
 */
export function randomOutcome(failRate: number, rule: OutcomeRule): OutcomeRule {
  return (workflow, run) => {
    const outcome = rule(workflow, run)
    const draw = drawOf(`${run.retries} ${workflow.metadata.name}`)
    return draw < failRate ? { ...outcome, phase: 'Failed', exitCode: 1 } : outcome
  }
}

/** A number from 0 up to, not including, 1. */
function drawOf(text: string): number {
  return createHash('sha256').update(text).digest().readUInt32BE() / 2 ** 32
}
