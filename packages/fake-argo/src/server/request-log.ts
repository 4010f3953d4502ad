import { RequestLog } from '@sluice/testkit/server'
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
export class ArgoRequestLog extends RequestLog<OpenEntry> {
  #traffic = noTraffic()

  open(request: ArgoRequest, arrivedAt: number, unfinished: number): OpenEntry {
    const { index, operation, namespace, name } = request
    const requestBytes = Buffer.byteLength(request.body)
    const query = Object.fromEntries(request.query)
    const arrived = { index, operation, namespace, name, query, arrivedAt }
    const entry: OpenEntry = { ...arrived, unfinished, requestBytes, answerBytes: 0 }
    const traffic = this.#traffic[operation]
    traffic.requests++
    traffic.requestBytes += requestBytes
    this.enter(entry)
    return entry
  }

  /** Adds bytes of its answer's body that were sent. */
  answered(entry: OpenEntry, bytes: number): void {
    entry.answerBytes += bytes
    this.#traffic[entry.operation].answerBytes += bytes
  }

  traffic(): Record<ArgoOperation, ArgoTraffic> {
    return perOperation((operation) => ({ ...this.#traffic[operation] }))
  }

  override reset(): void {
    super.reset()
    this.#traffic = noTraffic()
  }
}

function noTraffic(): Record<ArgoOperation, Writable<ArgoTraffic>> {
  return perOperation(() => ({ requests: 0, requestBytes: 0, answerBytes: 0 }))
}
