import { isSluiceError, type Runtime } from '@sluice/core'
import { TerminalTail, terminalText, timeoutSignal, utf8Bytes } from '@sluice/core/backend'
import type { ArgoApi } from '../api/argo-api.js'
import { failedNode } from './failed-node.js'
import type { JobName } from '../jobs/job-name.js'
import { streamLog } from '../logs/log-stream.js'
import type { Workflow } from './workflow.js'

/** How a container ended, as Argo says it in front of what Kubernetes kept of its output. */
export const CONTAINER_END = /^(?:[\w.-]{1,63}: ){0,2}[A-Z][A-Za-z]{2,40} \(exit code -?\d+\)(?:: )?/u

/** Kubernetes keeps 2,048 bytes of the end of a log, some of which may be half of a character. */
const KEPT_BYTES = 2_040
/** As much of the log is read, where Kubernetes reads as many. */
const LINES = '80'
/** How long the log is waited for, in ms: a report does without it then. */
const WAIT_MS = 3_000
/** How long logs are not asked for after they were refused, in ms. */
const REFUSED_MS = 600_000

export interface CauseParts {
  readonly api: ArgoApi
  readonly namespace: string
  readonly runtime: Runtime
  readonly ioRuntime: Pick<Runtime, 'sleep'>
}

/**
 * Finds the line with the cause of a failure where Kubernetes has cut it off: a progress bar that is written
 * over itself takes all of the 2,048 bytes that are kept of a log. The pod's log still has the line before
 * it.
 */
export class HiddenCause {
  readonly #parts: CauseParts
  #refusedUntilMonotonic = Number.NEGATIVE_INFINITY

  constructor(parts: CauseParts) {
    this.#parts = parts
  }

  /**
   * @returns the end of the log as a terminal would show it; `undefined` where the workflow's own message
   * suffices, or the log can't be read
   */
  async find(job: JobName, workflow: Workflow): Promise<string | undefined> {
    const message = failedNode(workflow)?.message ?? ''
    const words = message.slice(CONTAINER_END.exec(message)?.[0].length ?? 0)
    if (!isOverwritten(words) || this.#parts.runtime.monotonicMs() < this.#refusedUntilMonotonic)
      return undefined
    try {
      return endLike(await this.#endsByPod(job), terminalText(words))
    } catch (error) {
      if (!isSluiceError(error)) throw error
      if (error.code === 'SLUICE_WORKER_DENIED')
        this.#refusedUntilMonotonic = this.#parts.runtime.monotonicMs() + REFUSED_MS
      // The reason is then as Kubernetes has it.
      return undefined
    }
  }

  async #endsByPod(job: JobName): Promise<readonly string[]> {
    const query = { 'logOptions.tailLines': LINES }
    const pass = { job, container: 'main', query, signal: timeoutSignal(this.#parts.ioRuntime, WAIT_MS) }
    const tails = new Map<string, TerminalTail>()
    for await (const { pod, at, text } of streamLog(this.#parts, pass)) {
      const tail = tails.get(pod) ?? new TerminalTail(KEPT_BYTES)
      // What has no instant continues the line before it.
      tail.write(tails.has(pod) && at !== undefined ? `\n${text}` : text)
      tails.set(pod, tail)
    }
    return [...tails.values()].map(({ text }) => text)
  }
}

/** All that is kept is one line that was written over again and again, and its beginning is cut off. */
function isOverwritten(words: string): boolean {
  return (
    /[\r\b]/u.test(words.trimEnd()) && utf8Bytes(words) >= KEPT_BYTES && !terminalText(words).includes('\n')
  )
}

/** Of several pods that one whose log ends so; cut at a whole line. */
function endLike(ends: readonly string[], shown: string): string | undefined {
  const end = ends.find((one) => one.endsWith(shown))
  if (end === undefined || utf8Bytes(end) <= KEPT_BYTES) return end
  const cut = Buffer.from(end).subarray(-KEPT_BYTES).toString('utf8')
  return cut.slice(cut.indexOf('\n') + 1)
}
