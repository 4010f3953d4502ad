import { IDLE_TIMEOUT_MS, requestTimeMs } from '@sluice/core/backend'
import type { Dispatcher } from 'undici'
import type { Deadline, Deadlines, DeadlineRuntime } from './deadlines.js'

/** An answer that was read whole. */
export interface WholeAnswer {
  readonly status: number
  readonly headers: AnswerHeaders
  readonly body: string
}

/** The headers of an answer, as those of `fetch`. */
export interface AnswerHeaders {
  get(name: string): string | null
}

type ReceivedHeaders = Parameters<NonNullable<Dispatcher.DispatchHandler['onResponseStart']>>[2]

/** @param headers with names in lower case */
export function headersOf(headers: ReceivedHeaders): AnswerHeaders {
  return {
    get: (name) => {
      const value = headers[name]
      return value === undefined ? null : String(value)
    },
  }
}

/** More than any workflow is. */
const MAX_ANSWER_BYTES = 67_108_864

export interface ExchangeTime {
  /** `undefined`: something else says how long it may take. */
  readonly timeoutMs: number | undefined
  readonly deadlines: Deadlines
  readonly runtime: DeadlineRuntime
}

/**
 * One request and its whole answer, held to the rule of time: the first byte in time, no gap between bytes,
 * and no trickle. See {@link requestTimeMs}.
 */
export class Exchange implements Dispatcher.DispatchHandler {
  readonly #time: ExchangeTime
  readonly #deadline: Deadline
  readonly #beganAtMonotonic: number
  readonly #answer = Promise.withResolvers<WholeAnswer>()
  readonly #chunks: Buffer[] = []
  #controller: Dispatcher.DispatchController | undefined
  #failed: Error | undefined
  #bytes: number
  #status = 0
  #headers: ReceivedHeaders = {}

  constructor(time: ExchangeTime, requestBytes: number) {
    const { timeoutMs, deadlines, runtime } = time
    this.#time = time
    this.#bytes = requestBytes
    this.#beganAtMonotonic = runtime.monotonicMs()
    const wholeMs =
      timeoutMs === undefined ? Number.POSITIVE_INFINITY : requestTimeMs(timeoutMs, requestBytes)
    this.#deadline = deadlines.start(wholeMs, () =>
      this.fail(new DOMException('no answer in time', 'TimeoutError')),
    )
  }

  /** @throws the error of the connection, or what {@link Exchange.fail} was given */
  get answer(): Promise<WholeAnswer> {
    return this.#answer.promise
  }

  /** Ends it without an answer. */
  fail(error: Error): void {
    if (this.#failed !== undefined) return
    this.#failed = error
    // Where it waits for a connection, it has none yet.
    this.#controller?.abort(error)
    this.#end(() => this.#answer.reject(error))
  }

  onRequestStart(controller: Dispatcher.DispatchController): void {
    this.#controller = controller
    if (this.#failed !== undefined) controller.abort(this.#failed)
  }

  onResponseStart(_: unknown, statusCode: number, headers: ReceivedHeaders): void {
    // One that only says to go on waiting.
    if (statusCode < 200) return
    this.#status = statusCode
    this.#headers = headers
    this.#received(0)
  }

  onResponseData(_: unknown, chunk: Buffer): void {
    this.#chunks.push(chunk)
    this.#received(chunk.length)
  }

  onResponseEnd(): void {
    const [first] = this.#chunks
    const body = first !== undefined && this.#chunks.length === 1 ? first : Buffer.concat(this.#chunks)
    const answer = { status: this.#status, headers: headersOf(this.#headers), body: body.toString('utf8') }
    this.#end(() => this.#answer.resolve(answer))
  }

  onResponseError(_: unknown, error: Error): void {
    this.fail(error)
  }

  #received(bytes: number): void {
    const { runtime, timeoutMs } = this.#time
    this.#bytes += bytes
    if (this.#bytes > MAX_ANSWER_BYTES) this.fail(new Error(`more than ${MAX_ANSWER_BYTES} bytes`))
    const wholeMs = timeoutMs === undefined ? Number.POSITIVE_INFINITY : requestTimeMs(timeoutMs, this.#bytes)
    const idleAtMonotonic = runtime.monotonicMs() + IDLE_TIMEOUT_MS
    this.#deadline.dueAtMonotonic = Math.min(idleAtMonotonic, this.#beganAtMonotonic + wholeMs)
  }

  #end(settle: () => void): void {
    this.#time.deadlines.end(this.#deadline)
    settle()
  }
}
