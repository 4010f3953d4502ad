import type { Runtime, SluiceError } from '@sluice/core'

/** One call of the queue or the worker, as messages name it. */
export interface Call {
  readonly of: 'queue' | 'worker'
  /** The method, such as `sendJob`, `control.read` or `document.write`. */
  readonly method: string
  /** The subject, such as `"tile-1"`. */
  readonly subject?: string
}

/** A call without an answer. */
export interface OpenCall {
  readonly call: Call
  readonly forMs: number
}

interface Open {
  readonly call: Call
  readonly fail: (error: SluiceError) => void
  sinceMonotonic: number
}

/**
 * Notes when each call begins and ends, so that one that never ends is found, and can be abandoned: its
 * caller gets an error, and a later answer is dropped.
 */
export class CallWatch {
  readonly #runtime: Pick<Runtime, 'monotonicMs'>
  readonly #open = new Set<Open>()
  /** When the latest call of each method ended. */
  readonly #endedAtMonotonic = new Map<string, number>()
  #abandoned: SluiceError | undefined

  constructor(runtime: Pick<Runtime, 'monotonicMs'>) {
    this.#runtime = runtime
  }

  /** Whether no call is without an answer, abandoned ones included. */
  get isIdle(): boolean {
    return this.#open.size === 0
  }

  get isAbandoned(): boolean {
    return this.#abandoned !== undefined
  }

  /** Makes a call. Rejects at once, without making it, after {@link CallWatch.abandon}. */
  run<T>(call: Call, work: () => Promise<T>): Promise<T> {
    if (this.#abandoned !== undefined) return Promise.reject(this.#abandoned)
    const { promise, resolve, reject } = Promise.withResolvers<T>()
    const open: Open = { call, fail: reject, sinceMonotonic: this.#runtime.monotonicMs() }
    this.#open.add(open)
    // A method that throws before it returns a promise has ended too.
    const answer = (async () => work())()
    answer.then(
      (value) => this.#end(open, () => resolve(value)),
      (error: unknown) => this.#end(open, () => reject(error)),
    )
    return promise
  }

  /**
   * The call that has been without an answer for longest, if that is `stallMs` or more and no call of the
   * same method has ended since. Calls of its method show that the other side works; other methods don't,
   * since the control is read and the lease renewed whatever hangs.
   */
  stuck(stallMs: number): OpenCall | undefined {
    const nowMonotonic = this.#runtime.monotonicMs()
    const [first] = [...this.#open]
      .filter((open) => nowMonotonic - this.#quietSinceMonotonic(open) >= stallMs)
      .toSorted((a, b) => a.sinceMonotonic - b.sinceMonotonic)
    return first === undefined ? undefined : { call: first.call, forMs: nowMonotonic - first.sinceMonotonic }
  }

  /** Deducts time in which this process itself did not run, suspended or starved: no answer could arrive. */
  discount(ms: number): void {
    for (const open of this.#open) open.sinceMonotonic += ms
  }

  /** Every call without an answer rejects with the error, and every later one. */
  abandon(error: SluiceError): void {
    this.#abandoned ??= error
    for (const { fail } of this.#open) fail(error)
  }

  #quietSinceMonotonic({ call, sinceMonotonic }: Open): number {
    return Math.max(sinceMonotonic, this.#endedAtMonotonic.get(methodOf(call)) ?? sinceMonotonic)
  }

  #end(open: Open, answer: () => void): void {
    this.#open.delete(open)
    this.#endedAtMonotonic.set(methodOf(open.call), this.#runtime.monotonicMs())
    answer()
  }
}

function methodOf({ of, method }: Call): string {
  return `${of}.${method}`
}

/** A call in words. */
export function callText({ of, method, subject }: Call): string {
  return `${method} of the ${of}${subject === undefined ? '' : ` for ${subject}`}`
}
