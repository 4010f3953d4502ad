import type { ServerResponse } from 'node:http'
import { setImmediate as turn } from 'node:timers/promises'
import type { Clock } from '@sluice/core'
import { statusOf, streamError } from './answer.js'
import { asObject, type ArgoWorkflow, type JsonObject } from './argo-workflow.js'
import type { Cluster, WorkflowChange } from './cluster.js'
import { goJson } from './go-json.js'
import type { WatchQuery } from './watch-query.js'
import { cleanedWorkflow, shown } from './workflow-view.js'
import { withZeroFields } from './field-cleaner.js'

/**
 * How a watch ends: Kubernetes closed it (`eof`), the revision it asked for is forgotten (`too-old`), one object is too large
 * (`too-large`), its nodes couldn't be read (`hydrate`), without a word (`close`), with the connection cut (`reset`), or with it cut in
 * the middle of a frame (`cut-frame`).
 */
export type WatchEnd = 'eof' | 'too-old' | 'too-large' | 'hydrate' | 'close' | 'reset' | 'cut-frame'

/** How watches go; all of it can be changed later and counts for those opened from then on. */
export interface WatchSettings {
  /** Ms between keepalives; also when the headers are sent at the latest. Default 15,000. */
  keepaliveMs: number
  /** Frames are sent in pieces of so many bytes. Default whole. */
  chunkBytes: number
}

/** The minute after which Kubernetes sends a bookmark. */
const BOOKMARK_MS = 60_000

const ERRORS: Readonly<Record<'eof' | 'too-old' | 'too-large' | 'hydrate', readonly [number, string]>> = {
  eof: [8, 'EOF'],
  'too-old': [3, 'too old resource version: 1 (1000)'],
  'too-large': [8, 'trying to send message larger than max (104857700 vs. 104857600)'],
  hydrate: [13, 'sql: no rows in result set'],
}

/** One open watch. */
export class WatchStream {
  readonly #reply: ServerResponse
  readonly #query: WatchQuery
  readonly #settings: WatchSettings
  readonly #headers: Readonly<Record<string, string>>
  readonly #onBytes: (count: number) => void
  readonly #over = new AbortController()
  #pieces: Buffer[] = []
  #draining = false
  #stalled = false
  #bytes = 0

  constructor(parts: {
    readonly reply: ServerResponse
    readonly query: WatchQuery
    readonly settings: WatchSettings
    readonly headers: Readonly<Record<string, string>>
    readonly onBytes: (count: number) => void
  }) {
    this.#reply = parts.reply
    this.#query = parts.query
    this.#settings = { ...parts.settings }
    this.#headers = parts.headers
    this.#onBytes = parts.onBytes
    parts.reply.once('close', () => this.#over.abort())
  }

  /** Whether it has ended, by whichever side. */
  get ended(): boolean {
    return this.#over.signal.aborted
  }

  /** Bytes sent so far. */
  get bytes(): number {
    return this.#bytes
  }

  /** Sends what is there, and from then on every change. */
  follow(cluster: Cluster, clock: Clock): void {
    const { revision, timeoutMs, bookmarks, events } = this.#query
    const missed = revision === 0 ? existing(cluster) : cluster.changesSince(revision)
    if (missed === undefined) {
      this.#endWith(3, `too old resource version: ${revision} (${cluster.revision})`)
      return
    }
    for (const change of missed) this.#tell(change)
    const stop = cluster.listen((change) => this.#tell(change))
    this.#over.signal.addEventListener('abort', stop)
    if (events) void this.#every(clock, this.#settings.keepaliveMs, () => this.#send(':\n'))
    if (bookmarks) void this.#every(clock, BOOKMARK_MS, () => this.#sendBookmark(cluster.revision))
    if (timeoutMs !== undefined) void this.#every(clock, timeoutMs, () => this.end('eof'))
  }

  /** Ends it. */
  end(how: WatchEnd): void {
    if (this.ended) return
    if (how === 'close') return this.#finish()
    if (how !== 'reset' && how !== 'cut-frame') return this.#endWith(...ERRORS[how])
    if (how === 'cut-frame') this.#send('data: {"result":{"type":"MODIFIED","object":{"metadata":{"na')
    this.#cut()
  }

  /** From now on nothing is sent, not even keepalives; the connection stays. What happens meanwhile is lost. */
  stall(): void {
    this.#stalled = true
  }

  async #every(clock: Clock, ms: number, action: () => void): Promise<void> {
    const { signal } = this.#over
    for (;;) {
      await clock.sleep(ms, signal)
      if (signal.aborted) return
      action()
    }
  }

  #tell({ type, workflow, previous, revision }: WorkflowChange): void {
    const { matches } = this.#query
    const [was, is] = [previous !== undefined && matches(previous), type !== 'DELETED' && matches(workflow)]
    if (is) this.#sendChange(was ? 'MODIFIED' : 'ADDED', workflow)
    // What leaves the selection looks deleted, in the state it had before.
    else if (was && previous !== undefined) this.#sendChange('DELETED', stampedAs(previous, revision))
  }

  #sendChange(type: string, workflow: ArgoWorkflow): void {
    const { fields, zeroTimestamps } = this.#query
    this.#sendObject(type, cleanedWorkflow(shown(workflow), fields.without('result.object.'), zeroTimestamps))
  }

  #sendBookmark(revision: number): void {
    const bookmark = { metadata: { resourceVersion: String(revision) } }
    this.#sendObject('BOOKMARK', withZeroFields(bookmark, this.#query.zeroTimestamps))
  }

  #sendObject(type: string, object: JsonObject): void {
    const text = goJson(this.#cleaned({ result: { type, object } }))
    this.#send(this.#query.events ? `data: ${text} \n\n\n` : `${text}\n`)
  }

  /** The list of `fields` is applied to the whole frame once more. */
  #cleaned(frame: JsonObject): JsonObject {
    return this.#query.fields.keepsAll ? frame : asObject(this.#query.fields.clean(frame))
  }

  #endWith(grpcCode: number, message: string): void {
    const { events, fields } = this.#query
    const error = fields.keepsAll
      ? streamError(grpcCode, message)
      : goJson(fields.clean(JSON.parse(streamError(grpcCode, message))))
    this.#send(events ? `data: ${error} \n\n` : error, statusOf(grpcCode))
    this.#finish()
  }

  /** The headers go out with the first bytes. */
  #send(text: string, status = 200): void {
    if (this.ended || this.#stalled) return
    if (!this.#reply.headersSent) this.#reply.writeHead(status, this.#headers)
    const bytes = Buffer.from(text)
    this.#bytes += bytes.length
    this.#onBytes(bytes.length)
    const size = Math.max(1, this.#settings.chunkBytes)
    if (bytes.length <= size && !this.#draining) {
      this.#reply.write(bytes)
      return
    }
    for (let at = 0; at < bytes.length; at += size) this.#pieces.push(bytes.subarray(at, at + size))
    if (!this.#draining) void this.#drain()
  }

  async #drain(): Promise<void> {
    this.#draining = true
    for (let piece = this.#pieces.shift(); piece !== undefined; piece = this.#pieces.shift()) {
      this.#reply.write(piece)
      await turn()
    }
    this.#draining = false
    if (this.ended) this.#reply.end()
  }

  #finish(): void {
    this.#over.abort()
    if (this.#draining) return
    if (!this.#reply.headersSent) this.#reply.writeHead(200, this.#headers)
    this.#reply.end()
  }

  #cut(): void {
    this.#over.abort()
    // What was written before goes out first.
    const { socket } = this.#reply
    if (this.#reply.headersSent) this.#reply.write('', () => socket?.destroy())
    else socket?.destroy()
  }
}

function existing(cluster: Cluster): WorkflowChange[] {
  return Array.from(cluster.all(), (workflow) => ({
    type: 'ADDED' as const,
    workflow,
    previous: undefined,
    revision: Number(workflow.metadata.resourceVersion),
  }))
}

function stampedAs(workflow: ArgoWorkflow, revision: number): ArgoWorkflow {
  return { ...workflow, metadata: { ...workflow.metadata, resourceVersion: String(revision) } }
}
