import type { ArgoFault } from './fault.js'
import { perOperation, type ArgoOperation } from './operation.js'
import type { ArgoRequest } from './request.js'

/** One request in the log, without body and headers. */
export interface LoggedArgoRequest {
  readonly index: number
  readonly operation: ArgoOperation
  readonly namespace: string
  readonly name: string
  /** The query, decoded. */
  readonly query: Readonly<Record<string, string>>
  /** Epoch ms of the server's clock when it had arrived whole. */
  readonly arrivedAt: number
  /** How many workflows were unfinished when it arrived. */
  readonly unfinished: number
  /** What was done to it. */
  readonly fault?: ArgoFault['do']
  /** The status answered; `undefined` while under way or when no answer was sent. */
  readonly status?: number
  /** Bytes of its body. */
  readonly requestBytes: number
  /** Bytes of the answer's body sent so far. */
  readonly answerBytes: number
}

type Writable<T> = { -readonly [K in keyof T]: T[K] }

/** An entry that is still being filled in. */
export type OpenEntry = Writable<LoggedArgoRequest>

/** The traffic of one operation. */
export interface ArgoTraffic {
  readonly requests: number
  readonly requestBytes: number
  readonly answerBytes: number
}

/** Counts requests and bytes by operation, and keeps the latest requests. */
export class RequestLog {
  readonly #max: number
  #entries: OpenEntry[] = []
  #traffic = noTraffic()
  #inFlight = 0
  #maxInFlight = 0

  /** @param max how many requests are kept; older ones are only counted */
  constructor(max: number) {
    this.#max = max
  }

  open(request: ArgoRequest, arrivedAt: number, unfinished: number): OpenEntry {
    const { index, operation, namespace, name } = request
    const requestBytes = Buffer.byteLength(request.body)
    const query = Object.fromEntries(request.query)
    const entry: OpenEntry = {
      index,
      operation,
      namespace,
      name,
      query,
      arrivedAt,
      unfinished,
      requestBytes,
      answerBytes: 0,
    }
    const traffic = this.#traffic[operation]
    traffic.requests++
    traffic.requestBytes += requestBytes
    this.#maxInFlight = Math.max(this.#maxInFlight, ++this.#inFlight)
    this.#entries.push(entry)
    if (this.#entries.length > 2 * this.#max) this.#entries = this.#latest()
    return entry
  }

  /** Adds bytes of its answer's body that were sent. */
  answered(entry: OpenEntry, bytes: number): void {
    entry.answerBytes += bytes
    this.#traffic[entry.operation].answerBytes += bytes
  }

  /** The request is over for its sender. */
  leave(): void {
    this.#inFlight--
  }

  get requests(): readonly LoggedArgoRequest[] {
    return this.#latest()
  }

  #latest(): OpenEntry[] {
    return this.#entries.slice(Math.max(0, this.#entries.length - this.#max))
  }

  get maxInFlight(): number {
    return this.#maxInFlight
  }

  traffic(): Record<ArgoOperation, ArgoTraffic> {
    return perOperation((operation) => ({ ...this.#traffic[operation] }))
  }

  reset(): void {
    this.#entries = []
    this.#traffic = noTraffic()
    this.#maxInFlight = this.#inFlight
  }
}

function noTraffic(): Record<ArgoOperation, Writable<ArgoTraffic>> {
  return perOperation(() => ({ requests: 0, requestBytes: 0, answerBytes: 0 }))
}
