import type { Runtime } from '@sluice/core'
import { streamError } from '../server/answer.js'
import { asObject, type ArgoWorkflow, type JsonObject } from '../argo-workflow.js'
import type { Cluster, WorkflowChange } from '../cluster/cluster.js'
import { goJson } from '../server/go-json.js'
import type { StreamReply } from './stream-reply.js'
import type { WatchQuery } from './watch-query.js'
import { cleanedWorkflow, shown } from '../cluster/workflow-view.js'
import { withZeroFields } from '../operations/field-cleaner.js'

/**
 * How a watch ends: Kubernetes closed it (`eof`), its revision is compacted (`too-old`), one object is too
 * large (`too-large`), its nodes could not be read (`hydrate`), without an error (`close`), by a closed
 * connection (`reset`), or by one that closes in the middle of a frame (`cut-frame`).
 */
export type WatchEnd = 'eof' | 'too-old' | 'too-large' | 'hydrate' | 'close' | 'reset' | 'cut-frame'

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
  readonly #query: WatchQuery
  readonly #wire: StreamReply

  constructor(query: WatchQuery, wire: StreamReply) {
    this.#query = query
    this.#wire = wire
  }

  /** Whether it has ended, by whichever side. */
  get ended(): boolean {
    return this.#wire.ended
  }

  /** Bytes sent so far. */
  get bytes(): number {
    return this.#wire.bytes
  }

  /** Sends what exists, and from then on every change. */
  follow(cluster: Cluster, runtime: Runtime): void {
    const { revision, timeoutMs, bookmarks } = this.#query
    const wire = this.#wire
    const missed = revision === 0 ? existing(cluster) : cluster.changesSince(revision)
    if (missed === undefined) {
      this.#endWith(3, `too old resource version: ${revision} (${cluster.revision})`)
      return
    }
    for (const change of missed) this.#tell(change)
    const stop = cluster.listen((change) => this.#tell(change))
    wire.signal.addEventListener('abort', stop)
    wire.keepAlive(runtime)
    if (bookmarks) void wire.every(runtime, BOOKMARK_MS, () => this.#sendBookmark(cluster.revision))
    if (timeoutMs !== undefined) void wire.every(runtime, timeoutMs, () => this.end('eof'))
  }

  /** Ends it. */
  end(how: WatchEnd): void {
    if (this.ended) return
    if (how === 'close') return this.#wire.finish()
    if (how !== 'reset' && how !== 'cut-frame') return this.#endWith(...ERRORS[how])
    if (how === 'cut-frame') this.#wire.send('data: {"result":{"type":"MODIFIED","object":{"metadata":{"na')
    this.#wire.cut()
  }

  /**
   * Sends nothing from now on, not even keepalives; the connection stays. Changes meanwhile are lost.
   */
  stall(): void {
    this.#wire.stall()
  }

  #tell({ type, workflow, previous, revision }: WorkflowChange): void {
    const { matches } = this.#query
    const [was, is] = [previous !== undefined && matches(previous), type !== 'DELETED' && matches(workflow)]
    if (is) this.#sendChange(was ? 'MODIFIED' : 'ADDED', workflow)
    // What leaves the selection is reported as deleted, in its previous state.
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
    this.#wire.sendFrame(goJson(this.#cleaned({ result: { type, object } })))
  }

  /** `fields` is applied to the whole frame again. */
  #cleaned(frame: JsonObject): JsonObject {
    return this.#query.fields.keepsAll ? frame : asObject(this.#query.fields.clean(frame))
  }

  #endWith(grpcCode: number, message: string): void {
    const { fields } = this.#query
    const error = streamError(grpcCode, message)
    this.#wire.endWith(grpcCode, fields.keepsAll ? error : goJson(fields.clean(JSON.parse(error))))
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
