import type { FailureClass } from '@sluice/core'
import type { EndedPhase } from './workflow.js'

/** What is known of a failure. */
export interface FailureFacts {
  readonly phase: Exclude<EndedPhase, 'Succeeded'>
  /** Of the workflow. */
  readonly message: string | undefined
  /** Of the node that failed first, if one did. */
  readonly nodeMessage: string | undefined
  readonly exitCode: number | undefined
}

/** The first that matches counts. The words are those of Argo's controller and of Kubernetes. */
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

/** Why a job failed: `failed`, `error`, `timeout`, `killed`, `evicted`, or, where it can be seen, `oom`. */
export function failureClassOf({ phase, message, nodeMessage, exitCode }: FailureFacts): FailureClass {
  // The node first: the workflow's own words are often only that some child failed.
  for (const text of [nodeMessage, message]) {
    const found = BY_MESSAGE.find(([pattern]) => text !== undefined && pattern.test(text))
    if (found !== undefined) return found[1]
  }
  if (phase === 'Error' || /^invalid spec/iu.test(message ?? '')) return 'error'
  return exitCode !== undefined && KILLED.has(exitCode) ? 'killed' : 'failed'
}
