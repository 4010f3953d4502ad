import { SluiceError, isSluiceError } from '@sluice/core'
import type { CheckedReadLog } from '@sluice/core/backend'
import type { JobName } from '../jobs/job-name.js'
import { ByteTail, LogPositions, LogPrinter, type LogLine } from './log-lines.js'
import { streamLog, type LogStreamParts } from './log-stream.js'
import type { ArgoWorkerSettings } from '../options.js'
import { MAX_REST_MS } from '../api/rate-gate.js'
import { endedPhase, isArchived, type Workflow, type WorkflowNode } from '../workflow/workflow.js'

/**
 * The container that does the work, as Argo names it, and the one that supervises it, which always writes
 * something.
 */
const MAIN = 'main'
const WAIT = 'wait'
/** From a stream that brought nothing to the next one, in ms. */
const PAUSE_MS = 1_000

export interface JobLogParts extends LogStreamParts {
  readonly settings: Pick<ArgoWorkerSettings, 'baseUrl' | 'uiUrl' | 'namespace'>
  readonly job: JobName
  /** The job's workflow with its nodes, live or archived; `undefined`: there is none. */
  readonly find: () => Promise<Workflow | undefined>
  /** Ends the reading, which then rejects with its reason. */
  readonly signal: AbortSignal
}

/**
 * Reads the log of one job: the lines of the main containers of its workflow's pods, as Kubernetes has them.
 * It reads in passes, since a stream may be cut by a proxy without a sign, and since a stream that follows
 * does not mark the end of what was there.
 */
export class JobLog {
  readonly #parts: JobLogParts
  readonly #positions = new LogPositions()
  #printer = new LogPrinter(false)

  constructor(parts: JobLogParts) {
    this.#parts = parts
  }

  async *read({
    tailBytes,
    follow,
  }: Pick<CheckedReadLog, 'tailBytes' | 'follow'>): AsyncGenerator<Uint8Array, void, undefined> {
    const workflow = await this.#found()
    if (workflow === undefined) throw noLog(this.#parts, 'Argo has no such workflow, nor has its archive')
    this.#printer = new LogPrinter(podsOf(workflow).length > 1)
    let end: LogEnd = { last: workflow, isWhole: true }
    if (tailBytes !== undefined) end = yield* this.#tail(tailBytes, workflow)
    if (follow && endedPhase(workflow) === undefined) end = yield* this.#follow(workflow)
    // After one that followed there may be a rest, where a proxy cut the stream just before the end.
    else if (tailBytes === undefined) end = yield* this.#rest(workflow, false)
    await this.#assertThere(end)
  }

  /** The last bytes of what is there. No more lines than bytes are asked for: each has one at least. */
  async *#tail(tailBytes: number, workflow: Workflow): AsyncGenerator<Uint8Array, LogEnd, undefined> {
    const tail = new ByteTail(tailBytes)
    const lines = this.#pass({ 'logOptions.tailLines': String(Math.max(1, tailBytes)) })
    let next = await lines.next()
    for (; next.done !== true; next = await lines.next()) tail.push(this.#printer.bytesOf(next.value))
    yield* tail.chunks()
    return { last: workflow, isWhole: next.value !== 'absent' }
  }

  /** What there is, as it is written, until the workflow has ended or is gone. */
  async *#follow(workflow: Workflow): AsyncGenerator<Uint8Array, LogEnd, undefined> {
    let last = workflow
    for (;;) {
      const { pauseMs, isWhole } = yield* this.#followOnce()
      const now = await this.#found()
      if (now !== undefined) last = now
      if (now === undefined || endedPhase(now) !== undefined) return yield* this.#rest(last, isWhole)
      await this.#parts.runtime.sleep(pauseMs, this.#parts.signal)
    }
  }

  /** One stream; that it breaks is no end of the log. */
  async *#followOnce(): AsyncGenerator<Uint8Array, { pauseMs: number; isWhole: boolean }, undefined> {
    const lines = this.#pass({ 'logOptions.follow': 'true' })
    try {
      let next = await lines.next()
      for (; next.done !== true; next = await lines.next()) yield this.#printer.bytesOf(next.value)
      return { pauseMs: PAUSE_MS, isWhole: next.value === 'closed' }
    } catch (error) {
      if (!isSluiceError(error, 'SLUICE_WORKER_UNAVAILABLE')) throw error
      const pauseMs = Math.min(MAX_REST_MS, Math.max(PAUSE_MS, error.retryAfterMs ?? 0))
      return { pauseMs, isWhole: false }
    } finally {
      await lines.return('closed')
    }
  }

  /**
   * @param isWhole all was given already, as far as is known: that nothing is there any more is then no loss
   */
  async *#rest(last: Workflow, isWhole: boolean): AsyncGenerator<Uint8Array, LogEnd, undefined> {
    const lines = this.#pass({})
    let next = await lines.next()
    for (; next.done !== true; next = await lines.next()) yield this.#printer.bytesOf(next.value)
    return { last, isWhole: isWhole || next.value === 'closed' }
  }

  /** The lines of one pass that are new. */
  async *#pass(query: Record<string, string>): AsyncGenerator<LogLine, 'absent' | 'closed', undefined> {
    const { job, signal } = this.#parts
    const isNew = this.#positions.pass()
    const lines = streamLog(this.#parts, { job, container: MAIN, query, signal })
    try {
      let next = await lines.next()
      for (; next.done !== true; next = await lines.next()) {
        signal.throwIfAborted()
        if (isNew(next.value)) yield next.value
        signal.throwIfAborted()
      }
      signal.throwIfAborted()
      return next.value
    } catch (error) {
      // What breaks because it is to end has not failed.
      signal.throwIfAborted()
      throw error
    } finally {
      await lines.return('closed')
    }
  }

  async #found(): Promise<Workflow | undefined> {
    try {
      return await this.#parts.find()
    } finally {
      this.#parts.signal.throwIfAborted()
    }
  }

  /**
   * An answer without a line is that of a program that wrote nothing, and of pods that are gone, and of a
   * role without `pods/log`.
   */
  async #assertThere({ last, isWhole }: LogEnd): Promise<void> {
    if (!this.#positions.isEmpty) {
      if (isWhole) return
      throw noLog(this.#parts, 'its workflow was deleted while it was read: what came last may be missing')
    }
    if (endedPhase(last) === undefined) return
    if (podsOf(last).length === 0) throw noLog(this.#parts, 'nothing of its workflow ran in a pod')
    if (isWhole && (await this.#hasPod())) return
    throw noLog(this.#parts, `${GONE}. ${keptAt(last, this.#parts)}`)
  }

  async #hasPod(): Promise<boolean> {
    const { job, signal } = this.#parts
    const query = { 'logOptions.tailLines': '1' }
    for await (const _ of streamLog(this.#parts, { job, container: WAIT, query, signal })) return true
    signal.throwIfAborted()
    return false
  }
}

/**
 * How the reading ended: with the workflow as it was then, and whether the server had the workflow to the
 * end.
 */
interface LogEnd {
  readonly last: Workflow
  readonly isWhole: boolean
}

const GONE =
  'its pods are gone (podGC, a deleted workflow, a node that went), or the account of the token may not `get pods/log`'

/** Those that were made, retries included. */
function podsOf({ status }: Workflow): readonly WorkflowNode[] {
  return Object.values(status?.nodes ?? {}).filter(({ type }) => type === 'Pod')
}

const ARCHIVED_LOG = `${MAIN}-logs`

/** Where else it may be: the log as Argo archived it, or the workflow itself. */
function keptAt(workflow: Workflow, { settings }: JobLogParts): string {
  const { namespace, uiUrl, baseUrl } = settings
  const { name, uid } = workflow.metadata
  const ui = (uiUrl ?? baseUrl).replace(/\/+$/u, '')
  const archived = isArchived(workflow) ? `archived-workflows/${uid}` : `workflows/${name}`
  const links = podsOf(workflow).flatMap(({ id, outputs }) =>
    outputs?.artifacts?.some((one) => one.name === ARCHIVED_LOG) === true
      ? [`${ui}/artifact-files/${namespace}/${archived}/${id ?? ''}/outputs/${ARCHIVED_LOG}`]
      : [],
  )
  if (links.length > 0) return `Argo has archived it: ${links.slice(0, 5).join(' , ')}`
  return `Argo has not archived it (archiveLogs); what else there is: ${ui}/workflows/${namespace}/${name}?uid=${uid}`
}

function noLog({ job }: JobLogParts, why: string): SluiceError {
  const { id, attempt } = job.ref
  const what = `item ${JSON.stringify(id)}, attempt ${attempt} (workflow ${job.workflow})`
  return new SluiceError('SLUICE_ITEM_NOT_FOUND', `There is no log of ${what}: ${why}.`, { itemId: id })
}
