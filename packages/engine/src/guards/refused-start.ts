import type { JobReport, Settlement } from '@sluice/core'

/** A cluster that refuses a pod says so within a second; instants of a job may be whole seconds, and a busy controller takes a few. */
const START_MS = 5_000

/**
 * Whether what runs the jobs refused to start this one: it broke, by its class `error`, within {@link START_MS} of its start. A report that has neither
 * instant says nothing of that; one that has an end alone was never started.
 */
export function isRefusedStart(
  { stage, startedAt, finishedAt }: JobReport,
  { failureClass }: Pick<Settlement, 'failureClass'>,
): boolean {
  if (stage !== 'FAIL' || failureClass !== 'error' || finishedAt === undefined) return false
  return startedAt === undefined || finishedAt - startedAt <= START_MS
}
