import type { Ending } from './outcome.js'
import { exitMessage } from './workflow-steps.js'

/** Ends with the messages and nodes of a real cluster, for `finish` and the rule of outcomes. */
export const endings = {
  /** Its program exited with this code, 1 to 255. */
  exit: (exitCode: number): Ending => ({ phase: 'Failed', exitCode }),
  /** Kubernetes killed its container, or a child of its program, for lack of memory. */
  outOfMemory: (): Ending => ({
    phase: 'Failed',
    exitCode: 137,
    message: 'main: OOMKilled (exit code 137)',
  }),
  /**
   * Its program succeeded and did not write the file of an output. The code in the message is the executor's.
   */
  outputMissing: (): Ending => ({
    phase: 'Error',
    exitCode: 0,
    message: 'wait: Error (exit code 64): failed to read output parameter file /tmp/result: no such file',
  }),
  /** The deadline of its pod, which counts from when the pod was made. */
  podDeadline: (): Ending => ({
    phase: 'Failed',
    exitCode: 143,
    message: 'Pod was active on the node longer than the specified deadline',
  }),
  /** The deadline of a step that only waits. */
  stepDeadline: (): Ending => ({ phase: 'Failed', message: 'Step exceeded its deadline' }),
  /** The workflow as a whole ended in Error while its node ran: the node has no message. */
  workflowErred: (message: string): Ending => ({
    phase: 'Error',
    message,
    nodeMessage: 'Workflow operation error',
  }),
  /** Its work succeeded, and its exit handler failed. */
  exitHandlerFailed: (exitCode: number): Ending => ({
    phase: 'Failed',
    message: exitMessage(exitCode),
    nodes: [
      { phase: 'Succeeded', exitCode: 0, endedBeforeMs: 1_000 },
      { name: 'onExit', template: 'tidy', phase: 'Failed', message: exitMessage(exitCode), exitCode },
    ],
  }),
  /**
   * A dag with `failFast: false`: the first failure is tolerated by what depends on it, the second decides.
   */
  toleratedFailure: (exitCode: number): Ending => ({
    phase: 'Failed',
    message: undefined,
    nodes: [
      { type: 'DAG', phase: 'Failed', children: ['optional', 'needed'] },
      {
        name: 'optional',
        phase: 'Failed',
        message: exitMessage(9),
        exitCode: 9,
        children: ['after'],
        endedBeforeMs: 3_000,
      },
      { name: 'after', phase: 'Succeeded', exitCode: 0, endedBeforeMs: 2_000 },
      { name: 'needed', phase: 'Failed', message: exitMessage(exitCode), exitCode, endedBeforeMs: 1_000 },
    ],
  }),
  /** An exhausted `retryStrategy`: one try for each of these exit codes. */
  retriesUsedUp: (exitCodes: readonly number[]): Ending => ({
    phase: 'Failed',
    message: 'No more retries left',
    nodes: [
      {
        type: 'Retry',
        phase: 'Failed',
        message: 'No more retries left',
        children: exitCodes.map((_, index) => String(index)),
      },
      ...exitCodes.map((exitCode, index): NonNullable<Ending['nodes']>[number] => ({
        name: String(index),
        template: 'main',
        phase: 'Failed',
        message: exitMessage(exitCode),
        exitCode,
        endedBeforeMs: (exitCodes.length - 1 - index) * 1_000,
      })),
    ],
  }),
} as const
