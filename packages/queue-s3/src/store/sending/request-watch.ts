import { Readable } from 'node:stream'
import type { Runtime } from '@sluice/core'
import { IDLE_TIMEOUT_MS, requestTimeMs, startTimer, type Timer } from '@sluice/core/backend'

/** The size of the pieces in which a body is passed to the connection, so that its progress shows. */
const CHUNK_BYTES = 65_536
/** How often the progress of an answer is read, in ms. */
const POLL_MS = 1_000

export interface RequestWatchOptions {
  readonly runtime: Pick<Runtime, 'monotonicMs' | 'sleep'>
  readonly timeoutMs: number
  /** Default {@link IDLE_TIMEOUT_MS}. */
  readonly idleMs?: number
  /** Ends the request from outside. */
  readonly ended: AbortSignal
  /** Called with the size of the answer, when it begins. */
  readonly onAnswer?: (bytes: number) => void
  /** A monotonic clock in ms. Default the runtime's. */
  readonly now?: () => number
}

/** Whether a request waits for the answer's first byte, or moves bytes. */
type Phase = 'waiting' | 'sending' | 'receiving'

/**
 * Enforces the time limits of one request: it ends `idleMs` after the last byte while bytes move either way,
 * and in any case after `requestTimeMs` of its bytes; nothing else ends the wait for the first byte of the
 * answer. The body is sent in pieces, since the only sign of progress is that the connection takes the next
 * one. What the system has buffered may still be in transit, megabytes of it: so the time of a request's
 * bytes counts until the answer begins.
 */
export class RequestWatch {
  readonly signal: AbortSignal
  readonly #abort = new AbortController()
  readonly #timeoutMs: number
  readonly #idleMs: number
  readonly #onAnswer: ((bytes: number) => void) | undefined
  readonly #runtime: RequestWatchOptions['runtime']
  readonly #now: () => number
  readonly #beganAtMonotonic: number
  #movedAtMonotonic: number
  #bytes = 0
  #phase: Phase = 'waiting'
  #source: ByteSource | undefined
  #read = 0
  #timer: Timer | undefined
  #timerDueAtMonotonic = 0

  constructor({
    runtime,
    timeoutMs,
    idleMs = IDLE_TIMEOUT_MS,
    ended,
    onAnswer,
    now = () => runtime.monotonicMs(),
  }: RequestWatchOptions) {
    this.#runtime = runtime
    this.#now = now
    this.#beganAtMonotonic = now()
    this.#movedAtMonotonic = this.#beganAtMonotonic
    this.#timeoutMs = timeoutMs
    this.#idleMs = idleMs
    this.#onAnswer = onAnswer
    this.signal = AbortSignal.any([this.#abort.signal, ended])
    this.#arm()
  }

  /** Whether this watch ended it. */
  get isLate(): boolean {
    return this.#abort.signal.aborted
  }

  /** Both ways, as far as known. */
  get bytes(): number {
    return this.#bytes
  }

  /** The time in ms that its bytes account for, in addition to `timeoutMs`. */
  get bytesMs(): number {
    return requestTimeMs(0, this.#bytes)
  }

  /** The request is sent. Returns the body to send in place of its own. */
  sent(body: unknown): unknown {
    this.#enter('waiting')
    const bytes = body instanceof Uint8Array ? body.byteLength : 0
    this.#bytes += bytes
    if (!(body instanceof Uint8Array) || bytes <= CHUNK_BYTES) return body
    this.#enter('sending')
    return Readable.from(this.#pieces(body), { objectMode: false, highWaterMark: CHUNK_BYTES })
  }

  /** The first bytes of the answer are here. */
  answered({ body, bytes }: { readonly body: unknown; readonly bytes: number }): void {
    this.#bytes += bytes
    this.#onAnswer?.(bytes)
    this.#source = byteSourceOf(body)
    this.#read = this.#source?.bytesRead ?? 0
    this.#enter('receiving')
  }

  done(): void {
    this.#timer?.cancel()
  }

  *#pieces(body: Uint8Array): Generator<Uint8Array> {
    for (let start = 0; start < body.byteLength; start += CHUNK_BYTES) {
      this.#movedAtMonotonic = this.#now()
      yield body.subarray(start, start + CHUNK_BYTES)
    }
    this.#enter('waiting')
  }

  #enter(phase: Phase): void {
    this.#phase = phase
    this.#movedAtMonotonic = this.#now()
    this.#arm()
  }

  #arm(): void {
    const inAnyCase = this.#beganAtMonotonic + requestTimeMs(this.#timeoutMs, this.#bytes)
    const endsAtMonotonic =
      this.#phase === 'waiting' ? inAnyCase : Math.min(this.#movedAtMonotonic + this.#idleMs, inAnyCase)
    const leftMs = endsAtMonotonic - this.#now()
    if (leftMs <= 0) {
      this.#abort.abort(new DOMException('the request took too long', 'TimeoutError'))
      return
    }
    const waitMs = Math.ceil(this.#phase === 'receiving' ? Math.min(leftMs, POLL_MS) : leftMs)
    const dueAtMonotonic = this.#now() + waitMs
    // A check that is due before is early enough: it starts the next timer.
    if (this.#timer !== undefined && this.#timerDueAtMonotonic <= dueAtMonotonic) return
    this.#timer?.cancel()
    this.#timerDueAtMonotonic = dueAtMonotonic
    this.#timer = startTimer(this.#runtime, { ms: waitMs, background: true }, () => this.#check())
  }

  #check(): void {
    this.#timer = undefined
    const read = this.#source?.bytesRead ?? this.#read
    if (this.#phase === 'receiving' && read !== this.#read) {
      this.#read = read
      this.#movedAtMonotonic = this.#now()
    }
    this.#arm()
  }
}

/** A connection, which counts the bytes it receives. */
interface ByteSource {
  readonly bytesRead: number
}

function byteSourceOf(body: unknown): ByteSource | undefined {
  if (typeof body !== 'object' || body === null || !('socket' in body)) return undefined
  return isByteSource(body.socket) ? body.socket : undefined
}

function isByteSource(socket: unknown): socket is ByteSource {
  if (typeof socket !== 'object' || socket === null) return false
  return 'bytesRead' in socket && typeof socket.bytesRead === 'number'
}
