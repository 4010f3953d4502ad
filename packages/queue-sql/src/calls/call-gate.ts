import { SluiceError, type Runtime } from '@sluice/core'
import { queueClosed } from '@sluice/core/backend'
import { sqlError } from '../sql-errors.js'
import type { SqlStore } from '../sql-store.js'

/**
 * All calls to the database: none begins after `close`, contention is retried, and every error becomes a
 * `SluiceError`.
 */
export class CallGate {
  readonly #queue: string
  readonly #store: SqlStore
  readonly #underWay = new Set<Promise<unknown>>()
  #closing: Promise<void> | undefined
  #refusal: SluiceError | undefined

  constructor(queue: string, store: SqlStore) {
    this.#queue = queue
    this.#store = store
  }

  get runtime(): Runtime {
    return this.#store.runtime
  }

  /** @throws SluiceError the error of {@link refuse} [Q-VERSION-1] */
  assertUsable(): void {
    if (this.#refusal !== undefined) throw this.#refusal
  }

  /**
   * Every later call rejects with this error: the queue was dropped, or a newer release has upgraded the
   * tables.
   */
  refuse(error: SluiceError): void {
    this.#refusal ??= error
  }

  /**
   * Runs one transaction or one statement.
   *
   * @param what for the message, such as `put items`
   * @param run repeated after contention, so a failed run must leave nothing behind
   * @throws SluiceError SLUICE_QUEUE_CLOSED after `close`, also for the later statements of a call that began
   * before [Q-CLOSE-1]
   */
  async run<T>(what: string, run: () => Promise<T>): Promise<T> {
    if (this.#closing !== undefined) throw queueClosed(this.#queue)
    this.assertUsable()
    const call = this.#runWithRetries(run)
    this.#underWay.add(call)
    try {
      return await call
    } catch (error) {
      throw sqlError(error, {
        what: `${what} (queue ${JSON.stringify(this.#queue)})`,
        place: this.#store.place,
        advice: await this.#adviceOn(error),
      })
    } finally {
      this.#underWay.delete(call)
    }
  }

  /**
   * Starts the time of a batch.
   *
   * @returns throws when no further statement of the batch may begin: after `timeoutMs`, or the signal's
   * reason once it has aborted
   */
  startBatch(what: string, signal?: AbortSignal): () => void {
    const { runtime, timeoutMs } = this.#store
    const startedAtMonotonic = runtime.monotonicMs()
    return () => {
      signal?.throwIfAborted()
      if (runtime.monotonicMs() - startedAtMonotonic <= timeoutMs) return
      throw this.#unfinished(
        what,
        `the database was too slow for all statements of the batch. Try again, or raise timeoutMs (${timeoutMs})`,
      )
    }
  }

  /** SLUICE_QUEUE_UNAVAILABLE: a batch was tried often enough. */
  tooBusy(what: string, items: number): SluiceError {
    return this.#unfinished(what, `other processes keep changing ${items} of them. Try again`)
  }

  /** Waits until what is under way has ended, so that no transaction is cut off, and closes the database. */
  close(): Promise<void> {
    this.#closing ??= this.#close()
    return this.#closing
  }

  async #close(): Promise<void> {
    // Each has its own caller, who gets its outcome.
    await Promise.allSettled(this.#underWay)
    await this.#store.close()
  }

  #unfinished(what: string, why: string): SluiceError {
    return new SluiceError(
      'SLUICE_QUEUE_UNAVAILABLE',
      `Could not finish a batch (${what}, queue ${JSON.stringify(this.#queue)}): ${why}`,
    )
  }

  async #adviceOn(error: unknown): Promise<string | undefined> {
    try {
      return await this.#store.adviceOn?.(error)
    } catch {
      // The database that failed the call may also fail to explain it; the error itself is thrown in any
      // case.
      return undefined
    }
  }

  async #runWithRetries<T>(run: () => Promise<T>): Promise<T> {
    const { runtime } = this.#store
    const startedAtMonotonic = runtime.monotonicMs()
    let triedAtMonotonic = startedAtMonotonic
    for (let tries = 1; ; tries++) {
      try {
        this.#store.assertInPlace?.(triedAtMonotonic)
        const preparing = this.#store.prepareCall?.(triedAtMonotonic)
        if (preparing !== undefined) await preparing
        const outcome = await run()
        // A write to a file that no other process can see any more is not acknowledged.
        this.#store.assertInPlace?.(runtime.monotonicMs())
        return outcome
      } catch (error) {
        const pauseMs = this.#store.isContention(error)
          ? this.#store.pauseMs(tries, runtime.monotonicMs() - startedAtMonotonic)
          : undefined
        if (pauseMs === undefined) throw error
        await runtime.sleep(pauseMs)
        triedAtMonotonic = runtime.monotonicMs()
      }
    }
  }
}
