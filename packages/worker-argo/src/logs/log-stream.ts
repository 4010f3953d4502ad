import type { Readable } from 'node:stream'
import { createParser } from 'eventsource-parser'
import type { Runtime } from '@sluice/core'
import type { ArgoApi, Query, StreamReply } from '../api/argo-api.js'
import { argoFailure } from '../api/argo-errors.js'
import { withinQuiet, type StreamWatch } from '../api/event-frames.js'
import type { JobName } from '../jobs/job-name.js'
import { readLogFrame, type LogLine } from './log-lines.js'
import { silence, silenceText } from '../api/reply.js'
import { judgeRead } from '../api/verdict.js'

/** The server sends a comment every 15 s, and nothing at all before the first one. */
const QUIET_MS = 45_000

export interface LogStreamParts {
  readonly api: ArgoApi
  readonly namespace: string
  readonly runtime: Runtime
}

export interface LogPass {
  readonly job: JobName
  readonly container: string
  readonly query?: Query
  readonly signal: AbortSignal
}

/**
 * The lines of one container of all pods of a workflow, each with its instant, as they come: one request.
 * Where the signal aborts it just ends.
 *
 * @returns `absent` where there is no such workflow (any more)
 * @throws SluiceError SLUICE_WORKER_UNAVAILABLE, also where it breaks off; SLUICE_WORKER_DENIED
 */
export async function* streamLog(
  parts: LogStreamParts,
  { job, container, query = {}, signal }: LogPass,
): AsyncGenerator<LogLine, 'absent' | 'closed', undefined> {
  const give = new AbortController()
  const watch = { runtime: parts.runtime, quietMs: QUIET_MS, signal }
  try {
    const path = `workflows/${parts.namespace}/${job.workflow}/log`
    const options = { 'logOptions.container': container, 'logOptions.timestamps': 'true', ...query }
    const reply = await withinQuiet(parts.api.stream(path, options, give.signal), watch)
    if (reply === 'aborted') return 'closed'
    if (reply === 'quiet') throw broken('no answer in time', job)
    if (reply.kind !== 'stream') return refused(reply, job)
    for await (const data of eventsOf(reply.body, watch, job)) {
      const frame = readLogFrame(data)
      if (frame === undefined) continue
      if ('error' in frame) throw broken(frame.error.message, job)
      yield frame.line
    }
    return 'closed'
  } finally {
    give.abort()
  }
}

/** The data of the events, none read before the last one was taken. */
async function* eventsOf(
  body: Readable,
  watch: StreamWatch,
  job: JobName,
): AsyncGenerator<string, void, undefined> {
  const chunks: AsyncIterator<Uint8Array, unknown> = body[Symbol.asyncIterator]()
  const decoder = new TextDecoder()
  const events: string[] = []
  const parser = createParser({ onEvent: ({ data }) => events.push(data) })
  try {
    for (;;) {
      const chunk = await withinQuiet(chunks.next(), watch).catch((error: unknown) => {
        throw broken(silenceText(silence(error)), job)
      })
      if (chunk === 'quiet') throw broken('nothing came for too long', job)
      if (chunk === 'aborted' || chunk.done === true) return
      // A character may be cut in two by the bounds.
      parser.feed(decoder.decode(chunk.value, { stream: true }))
      yield* events.splice(0)
    }
  } finally {
    // What it ends with is known by now.
    body.on('error', () => undefined).destroy()
  }
}

function refused(reply: Exclude<StreamReply, { readonly kind: 'stream' }>, job: JobName): 'absent' {
  const verdict = judgeRead(reply)
  if (verdict.kind === 'absent') return 'absent'
  if (verdict.kind === 'done') throw broken('the answer is no log', job)
  throw argoFailure(verdict, reading(job), job.ref.id)
}

function broken(why: string, job: JobName): Error {
  return argoFailure({ kind: 'unavailable', why: `it broke off: ${why}` }, reading(job), job.ref.id)
}

function reading({ workflow }: JobName): string {
  return `read the log of workflow ${workflow}`
}
