import type { Runtime } from '@sluice/core'
import { isFinal } from '../argo-workflow.js'
import type { Cluster } from '../cluster/cluster.js'
import { goJson } from '../server/go-json.js'
import type { LogQuery } from './log-query.js'
import type { PodLine, PodLogs } from '../pods/pod-logs.js'
import type { StreamReply } from './stream-reply.js'

/** The limit of the server's line scanner: a longer line comes in pieces. */
const MAX_LINE_BYTES = 1_048_576

/** One log that is being read. */
export class LogStream {
  readonly #query: LogQuery
  readonly #wire: StreamReply
  #lines: readonly PodLine[] = []
  #seen = 0

  constructor(query: LogQuery, wire: StreamReply) {
    this.#query = query
    this.#wire = wire
  }

  /** Whether it has ended, by whichever side. */
  get ended(): boolean {
    return this.#wire.ended
  }

  /** Sends what is there, and with `follow` what comes, until the workflow has ended or is gone. */
  send({ cluster, pods, runtime }: { cluster: Cluster; pods: PodLogs; runtime: Runtime }): void {
    const { workflow, follow, tailLines } = this.#query
    const { namespace, name, uid } = workflow.metadata
    const isOver = (): boolean => {
      const now = cluster.get(namespace, name)
      return now?.metadata.uid !== uid || isFinal(now.status.phase)
    }
    this.#lines = pods.linesOf(workflow)
    if (tailLines !== undefined) this.#sendTail(tailLines)
    if (!follow || isOver()) return this.#end()
    this.#wire.keepAlive(runtime)
    const stop = cluster.listen((change) => {
      // Its last lines are there once all listeners have seen its end.
      if (change.workflow.metadata.uid === uid && isOver()) void Promise.resolve().then(() => this.#end())
    })
    this.#wire.signal.addEventListener('abort', stop)
    void this.#wire.every(runtime, this.#wire.settings.logsEveryMs, () => this.#sendNew())
  }

  /** Ends it: regularly, or by closing the connection. */
  end(how: 'close' | 'reset'): void {
    if (how === 'close') this.#wire.finish()
    else this.#wire.cut()
  }

  /** Sends nothing from now on; the connection stays. */
  stall(): void {
    this.#wire.stall()
  }

  #end(): void {
    if (this.ended) return
    this.#sendNew()
    this.#wire.finish()
  }

  /** The last lines of each container, of all that is there. */
  #sendTail(tailLines: number): void {
    const byPod = Map.groupBy(this.#lines.filter(this.#query.matches), ({ pod }) => pod)
    const kept = new Set([...byPod.values()].flatMap((own) => (tailLines <= 0 ? [] : own.slice(-tailLines))))
    for (const line of this.#lines) if (kept.has(line)) this.#sendLine(line)
    this.#seen = this.#lines.length
  }

  #sendNew(): void {
    for (const line of this.#lines.slice(this.#seen)) if (this.#query.matches(line)) this.#sendLine(line)
    this.#seen = this.#lines.length
  }

  #sendLine(line: PodLine): void {
    const podName = line.pod
    for (const [index, piece] of piecesOf(`${line.at} ${line.text}`).entries()) {
      const isStamped = index === 0 && !this.#query.timestamps
      const content = isStamped ? piece.slice(line.at.length + 1) : piece
      // Go omits empty fields.
      this.#wire.sendFrame(goJson({ result: content === '' ? { podName } : { content, podName } }))
    }
  }
}

function piecesOf(line: string): readonly string[] {
  if (line.length < MAX_LINE_BYTES / 3) return [line]
  const bytes = Buffer.from(line)
  const count = Math.max(1, Math.ceil(bytes.length / MAX_LINE_BYTES))
  return Array.from({ length: count }, (_, index) =>
    bytes.subarray(index * MAX_LINE_BYTES, (index + 1) * MAX_LINE_BYTES).toString('utf8'),
  )
}
