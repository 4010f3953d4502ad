import type { FailureClass, FailureKind } from '@sluice/core'
import type { EndedPhase } from './workflow.js'

/** What is known of a failure. */
export interface FailureFacts {
  readonly phase: Exclude<EndedPhase, 'Succeeded'>
  /** Of the workflow. */
  readonly message: string | undefined
  /** Of the node that decided it, if one did. */
  readonly nodeMessage: string | undefined
  readonly exitCode: number | undefined
  /** Whether the workflow was told to end. */
  readonly toldToEnd: boolean
}

/** The first that matches counts. The messages are those of Argo's controller and of Kubernetes. */
const BY_MESSAGE: readonly (readonly [RegExp, FailureClass])[] = [
  [/Stopped with strategy|workflow shutdown with strategy/iu, 'killed'],
  [/OOMKilled|out of memory/iu, 'oom'],
  [/deadline|DeadlineExceeded|max duration|timed? ?out/iu, 'timeout'],
  [
    /pod deleted|evict|preempt|node (?:was )?(?:lost|shut ?down|drain)|NodeLost|NodeShutdown|shutting down|TaintManager|spot/iu,
    'evicted',
  ],
]

/** SIGKILL and SIGTERM as exit codes: something from outside ended the container. */
const KILLED = new Set([137, 143])
const SAYS_KILLED = /\(exit code (?:137|143)\)/u

/** The classes that a report can have. */
export const ARGO_CLASSES = ['failed', 'error', 'timeout', 'killed', 'evicted', 'oom'] as const

/** Whether a report may have such a class. */
export function isArgoClass(text: string): boolean {
  return ARGO_CLASSES.some((each) => each === text)
}

/**
 * The message of Argo or Kubernetes goes before the exit code: all classes but one may come with any code.
 */
export const FAILURES: readonly FailureKind[] = ARGO_CLASSES.map((failureClass) =>
  failureClass === 'failed' ? { failureClass, exitCodes: ownExitCodes() } : { failureClass },
)

function ownExitCodes(): readonly number[] {
  return Array.from({ length: 255 }, (_, at) => at + 1).filter((code) => !KILLED.has(code))
}

/** Why a job failed: `failed`, `error`, `timeout`, `killed`, `evicted`, or, where it can be seen, `oom`. */
export function failureClassOf(facts: FailureFacts): FailureClass {
  const { phase, message, nodeMessage, toldToEnd } = facts
  // The node first: the workflow's own message is often only that some child failed.
  for (const text of [nodeMessage, message]) {
    const found = BY_MESSAGE.find(([pattern]) => text !== undefined && pattern.test(text))
    if (found !== undefined) return found[1]
  }
  // A signal that was not requested at Argo is the cluster's: an eviction, a drain, a preemption. Nothing
  // else shows those.
  if (isSignalled(facts)) return toldToEnd ? 'killed' : 'evicted'
  return phase === 'Error' || /^invalid spec/iu.test(message ?? '') ? 'error' : 'failed'
}

function isSignalled({ exitCode, nodeMessage, message }: FailureFacts): boolean {
  if (exitCode !== undefined) return KILLED.has(exitCode)
  return SAYS_KILLED.test(nodeMessage ?? message ?? '')
}
