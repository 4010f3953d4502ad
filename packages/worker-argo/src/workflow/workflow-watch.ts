import { isSluiceError, type Runtime, type Logger } from '@sluice/core'
import { WakeSignal } from '@sluice/core/backend'
import type { ArgoApi, Query, StreamReply } from '../api/argo-api.js'
import { FRAME_FIELDS, readFrame, readStream, withinQuiet } from '../api/event-frames.js'
import { MAX_REST_MS } from '../api/rate-gate.js'
import { judgeRead } from '../api/verdict.js'
import { ENDED_PHASES } from './workflow.js'
import { WakePace } from './wake-pace.js'
import { selectorOf, type PageSettings } from './workflow-pages.js'

/** The server sends a comment every 15 s, and nothing at all before the first one. */
const QUIET_MS = 45_000
const FIRST_PAUSE_MS = 250
const MAX_PAUSE_MS = 30_000

/** Words that a frame about an end has. */
const MAY_BE_END = new RegExp(['DELETED', ...ENDED_PHASES].map((word) => `"${word}"`).join('|'), 'u')

export interface WatchParts {
  readonly api: ArgoApi
  readonly settings: PageSettings
  readonly runtime: Runtime
  readonly logger: Logger
  /** A workflow has ended, or has left otherwise. @returns whether that is worth a poll */
  readonly onEnd: (workflow: string) => boolean
}

/**
 * The wake signal: a stream of what changes among the workflows that aren't completed. One that completes
 * leaves the stream's selector, which is reported at once. It is no evidence: it may end, stall or be wrong,
 * and all that it does is to make a poll start earlier. It begins each time without a version to go on from,
 * so that none can be too old, and wakes then, since something may have ended in between.
 */
export class WorkflowWatch {
  readonly #parts: WatchParts
  readonly #wakes = new Set<WakeSignal>()
  #open = 0

  constructor(parts: WatchParts) {
    this.#parts = parts
  }

  /** Whether some stream is up and has brought something. */
  get live(): boolean {
    return this.#open > 0
  }

  /** Wakes all listeners. */
  notify(): void {
    for (const wake of this.#wakes) wake.notify()
  }

  /**
   * Wakes whenever a poll may be worth it, until the signal aborts. It opens the stream again by itself,
   * however it ended.
   */
  async *listen(signal: AbortSignal): AsyncGenerator<undefined, void> {
    const wake = new WakeSignal()
    this.#wakes.add(wake)
    const stop = new AbortController()
    const ended = this.#follow(wake, AbortSignal.any([signal, stop.signal]))
    try {
      yield* wake.listen(signal)
    } finally {
      this.#wakes.delete(wake)
      stop.abort()
      await ended
    }
  }

  async #follow(wake: WakeSignal, signal: AbortSignal): Promise<void> {
    const { runtime } = this.#parts
    let pauseMs = FIRST_PAUSE_MS
    while (!signal.aborted) {
      const { brought, why, restMs = 0 } = await this.#once(wake, signal)
      if (signal.aborted) return
      // What ended between two streams is found by a poll.
      if (brought) wake.notify()
      pauseMs = brought ? FIRST_PAUSE_MS : Math.min(pauseMs * 2, MAX_PAUSE_MS)
      this.#parts.logger.debug({ why, pauseMs }, 'the watch of the workflows ended; it is opened again')
      await runtime.sleep(
        Math.max(pauseMs * (0.5 + runtime.random() / 2), Math.min(restMs, MAX_REST_MS)),
        signal,
      )
    }
  }

  /** One stream, from its opening to its end. */
  async #once(wake: WakeSignal, signal: AbortSignal): Promise<StreamEnd> {
    const { runtime } = this.#parts
    const give = new AbortController()
    const drop = (): void => give.abort()
    signal.addEventListener('abort', drop)
    let brought = false
    const pace = new WakePace(runtime, () => wake.notify())
    const ended = (): void => pace.notify(give.signal)
    const onBytes = (): void => {
      if (brought) return
      brought = true
      this.#open += 1
      wake.notify()
    }
    try {
      const watch = { runtime, quietMs: QUIET_MS, signal }
      const reply = await withinQuiet(this.#ask(give.signal), watch)
      if (typeof reply === 'string') return { brought, why: reply }
      if (reply.kind !== 'stream') return { brought, ...whyNot(reply) }
      return {
        brought,
        why: await readStream(reply.body, { onBytes, onEvent: (data) => this.#read(data, ended) }, watch),
      }
    } catch (error) {
      // The connection broke, or there is no token to be had: the polls say so, and loudly enough.
      return { brought, why: error instanceof Error ? error.message : String(error) }
    } finally {
      if (brought) this.#open -= 1
      signal.removeEventListener('abort', drop)
      give.abort()
    }
  }

  #ask(signal: AbortSignal): Promise<StreamReply> {
    const { api, settings } = this.#parts
    return api.stream(`workflow-events/${settings.namespace}`, watchQuery(settings), signal)
  }

  #read(data: string, ended: () => void): void {
    // Most frames are of one that begins or goes on: they need not be read.
    if (!MAY_BE_END.test(data)) return
    const frame = readFrame(data)
    if (frame?.kind !== 'change') return
    const over = frame.type === 'DELETED' || ENDED_PHASES.some((phase) => phase === frame.phase)
    if (over && this.#parts.onEnd(frame.workflow)) ended()
  }
}

/** How one stream ended. */
interface StreamEnd {
  readonly brought: boolean
  readonly why: string
  /** How long the server asked for no requests. */
  readonly restMs?: number | undefined
}

function whyNot(reply: Exclude<StreamReply, { readonly kind: 'stream' }>): Omit<StreamEnd, 'brought'> {
  const verdict = judgeRead(reply)
  if (verdict.kind === 'done') return { why: 'the answer is no stream of events' }
  return { why: verdict.why, restMs: verdict.retryAfterMs }
}

/** How long a watch that is only tried stays open, in the words of the API. */
const TRIAL_SECONDS = 1
/** How long its end is waited for beyond that. */
const TRIAL_QUIET_MS = 10_000

/**
 * Tries a watch. One that is permitted is silent while nothing happens, and its headers come late: so it is
 * to be closed after a second, which is requested, and a slow refusal isn't taken for silence.
 *
 * @returns why it is refused, or `undefined` when it isn't
 */
export async function watchRefusal(parts: TrialParts): Promise<string | undefined> {
  const give = new AbortController()
  try {
    const query = { ...watchQuery(parts.settings), 'listOptions.timeoutSeconds': String(TRIAL_SECONDS) }
    const asked = parts.api.stream(`workflow-events/${parts.settings.namespace}`, query, give.signal)
    const limit = {
      runtime: parts.runtime,
      quietMs: TRIAL_SECONDS * 1_000 + TRIAL_QUIET_MS,
      signal: give.signal,
    }
    const reply = await withinQuiet(asked, limit)
    if (typeof reply === 'string' || reply.kind === 'stream') return undefined
    const verdict = judgeRead(reply)
    return verdict.kind === 'denied' ? verdict.why : undefined
  } catch (error) {
    if (isSluiceError(error)) return error.message
    throw error
  } finally {
    give.abort()
  }
}

type TrialParts = Pick<WatchParts, 'api' | 'settings' | 'runtime'>

function watchQuery(settings: PageSettings): Query {
  const labelSelector = `${selectorOf(settings)},workflows.argoproj.io/completed!=true`
  return { 'listOptions.labelSelector': labelSelector, fields: FRAME_FIELDS }
}
