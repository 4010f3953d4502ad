import { AsyncLocalStorage } from 'node:async_hooks'
import { SluiceError } from '@sluice/core'
import type { Deadlines } from './deadlines.js'

/** How long a call that was given up may take to end by what it knows, in ms. */
const LEEWAY_MS = 1_000

/** A call of the worker: the requests that it has under way end with it. */
export class CallScope {
  readonly #enders = new Set<(reason: Error) => void>()
  #isOver = false
  readonly #whyOver: () => Error

  /** @param whyOver what its requests end with */
  constructor(whyOver: () => Error) {
    this.#whyOver = whyOver
  }

  /** @returns takes `end` out again */
  onOver(end: (reason: Error) => void): () => void {
    if (this.#isOver) end(this.#whyOver())
    else this.#enders.add(end)
    return () => this.#enders.delete(end)
  }

  end(): void {
    this.#isOver = true
    if (this.#enders.size === 0) return
    const reason = this.#whyOver()
    for (const end of this.#enders) end(reason)
    this.#enders.clear()
  }
}

/** The call within which something runs. It reaches every request of a call, however deep. */
const calls = new AsyncLocalStorage<CallScope | undefined>()

/** The call that this runs in; `undefined` outside of calls. */
export function callScope(): CallScope | undefined {
  return calls.getStore()
}

/** Runs what outlives the call that starts it. */
export function outsideCalls<T>(work: () => T): T {
  return calls.run(undefined, work)
}

/** How long one call takes at most, {@link withinCall} included, in ms. */
export function longestMs(limitMs: number): number {
  return limitMs + LEEWAY_MS
}

export interface CallTime {
  /** What is attempted, as in `send item "a"`. */
  readonly doing: string
  readonly limitMs: number
  readonly deadlines: Deadlines
}

/**
 * Runs one call. When its time is over its requests are aborted, and it ends by what follows from that; it
 * ends a second later in any case, also where it waits for something else, such as a program that prints
 * tokens.
 *
 * @throws SluiceError SLUICE_WORKER_UNAVAILABLE when its time is over
 */
export async function withinCall<T>(
  { doing, limitMs, deadlines }: CallTime,
  work: () => Promise<T>,
): Promise<T> {
  const message = (): string =>
    `It took more than ${limitMs} ms to ${doing}, and was given up. It can be tried again.`
  const scope = new CallScope(() => new DOMException(message(), 'TimeoutError'))
  const over = Promise.withResolvers<never>()
  const giveUp = (): void => over.reject(new SluiceError('SLUICE_WORKER_UNAVAILABLE', message()))
  let deadline = deadlines.start(limitMs, () => {
    scope.end()
    deadline = deadlines.start(LEEWAY_MS, giveUp)
  })
  try {
    return await Promise.race([calls.run(scope, work), over.promise])
  } finally {
    deadlines.end(deadline)
    // What it started and doesn't wait for any more ends with it.
    scope.end()
  }
}
