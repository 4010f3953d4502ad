import type { Readable } from 'node:stream'
import type { Runtime } from '@sluice/core'
import { createParser } from 'eventsource-parser'
import { z } from 'zod'
import { Deadlines } from './deadlines.js'
import { argoError, type ArgoError } from './reply.js'

/** What a frame of the watch says. */
export type WatchFrame =
  | {
      readonly kind: 'change'
      readonly type: string
      readonly workflow: string
      readonly phase: string | undefined
    }
  | { readonly kind: 'error'; readonly error: ArgoError }

const frameSchema = z.object({
  result: z.object({
    type: z.string(),
    object: z.object({
      metadata: z.object({ name: z.string() }),
      status: z.object({ phase: z.string().nullish() }).nullish(),
    }),
  }),
})

/** The fields of a frame that are read. Without `result.type` and `error` they would be cleaned away. */
export const FRAME_FIELDS = 'result.type,result.object.metadata.name,result.object.status.phase,error'

/** What the data of one event says; `undefined` when it says nothing of use. */
export function readFrame(data: string): WatchFrame | undefined {
  const json = parsed(data)
  const change = frameSchema.safeParse(json)
  if (change.success) {
    const { type, object } = change.data.result
    return { kind: 'change', type, workflow: object.metadata.name, phase: object.status?.phase ?? undefined }
  }
  const error = argoError(json)
  return error === undefined ? undefined : { kind: 'error', error }
}

function parsed(data: string): unknown {
  try {
    return JSON.parse(data)
  } catch {
    // Cut off in the middle.
    return undefined
  }
}

/** Called while a stream is read. */
export interface StreamListener {
  /** Bytes came, perhaps only to keep the connection alive. */
  readonly onBytes: () => void
  readonly onEvent: (data: string) => void
}

export interface StreamWatch {
  readonly runtime: Runtime
  /** A stream that is quiet for this long is dead: the server sends something every 15 s. */
  readonly quietMs: number
  readonly signal: AbortSignal
}

/**
 * Reads a stream of events to its end. Its bytes may be split anywhere.
 *
 * @returns how it ended: it was closed, it was quiet for too long, or the signal aborted
 * @throws the error of the connection
 */
export async function readStream(
  body: Readable,
  { onBytes, onEvent }: StreamListener,
  { runtime, quietMs, signal }: StreamWatch,
): Promise<StreamEnd> {
  const decoder = new TextDecoder()
  const parser = createParser({ onEvent: ({ data }) => onEvent(data) })
  const { promise, resolve, reject } = Promise.withResolvers<StreamEnd>()
  // One timer for the whole stream: a list of what changes is hundreds of chunks a second.
  const deadlines = new Deadlines(runtime)
  const quiet = deadlines.start(quietMs, () => resolve('quiet'))
  const abort = (): void => resolve('aborted')
  if (signal.aborted) abort()
  signal.addEventListener('abort', abort)
  body.on('data', (chunk: Uint8Array) => {
    quiet.dueAtMonotonic = runtime.monotonicMs() + quietMs
    try {
      onBytes()
      // A character may be cut in two by the bounds.
      parser.feed(decoder.decode(chunk, { stream: true }))
    } catch (error) {
      reject(error)
    }
  })
  body.on('error', reject).on('close', () => resolve('closed'))
  try {
    return await promise
  } finally {
    deadlines.end(quiet)
    signal.removeEventListener('abort', abort)
    body.destroy()
  }
}

/** How a stream ended. */
export type StreamEnd = 'closed' | 'quiet' | 'aborted'

/** What the promise gives, unless it takes too long or the signal aborts. */
export async function withinQuiet<T>(
  work: Promise<T>,
  { runtime, quietMs, signal }: StreamWatch,
): Promise<T | 'quiet' | 'aborted'> {
  const over = new AbortController()
  const stop = (): void => over.abort('over')
  if (signal.aborted) stop()
  signal.addEventListener('abort', stop)
  const endOf = (): 'aborted' | 'quiet' => (signal.aborted ? 'aborted' : 'quiet')
  const quiet = runtime.sleep(quietMs, over.signal).then(endOf)
  try {
    return await Promise.race([work, quiet])
  } finally {
    signal.removeEventListener('abort', stop)
    over.abort('over')
    // Whichever came too late must not be an unhandled rejection.
    work.catch(() => undefined)
  }
}
