import { SluiceError, type Runtime } from '@sluice/core'
import { sqlError } from '../sql-errors.js'
import type { SqlStore } from '../sql-store.js'

/**
 * Every call to the database goes through here: none after `close`, each tried again when another transaction was in its way, and every
 * error made ours.
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

  /** @throws SluiceError SLUICE_QUEUE_CLOSED [Q-CLOSE-1]; what {@link refuse} was told [Q-VERSION-1] */
  assertOpen(): void {
    if (this.#closing === undefined) {
      if (this.#refusal !== undefined) throw this.#refusal
      return
    }
    throw new SluiceError(
      'SLUICE_QUEUE_CLOSED',
      `Queue ${JSON.stringify(this.#queue)} was closed: open it again to go on`,
    )
  }

  /** From now on every call rejects with this: the tables are no longer those that this release knows. */
  refuse(error: SluiceError): void {
    this.#refusal ??= error
  }

  /**
   * Runs one transaction, or one statement.
   *
   * @param what for the message, such as `put items`
   * @param run is run again after contention, so it must be whole or not there after a failure
   */
  async run<T>(what: string, run: () => Promise<T>): Promise<T> {
    this.assertOpen()
    const call = this.#tried(run)
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
   * @returns throws once no further statement of the batch may begin: `timeoutMs` after the first
   */
  startBatch(what: string): () => void {
    const { runtime, timeoutMs } = this.#store
    const startedAtMonotonic = runtime.monotonicMs()
    return () => {
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

  #unfinished(what: string, why: string): SluiceError {
    return new SluiceError(
      'SLUICE_QUEUE_UNAVAILABLE',
      `Could not finish to ${what} of queue ${JSON.stringify(this.#queue)}: ${why}`,
    )
  }

  async #adviceOn(error: unknown): Promise<string | undefined> {
    try {
      return await this.#store.adviceOn?.(error)
    } catch {
      // The database that refused the call may refuse to say why; the error itself is thrown all the same.
      return undefined
    }
  }

  /** Lets what is under way end, so that no transaction is cut off, and closes the database. */
  close(): Promise<void> {
    this.#closing ??= this.#closed()
    return this.#closing
  }

  async #closed(): Promise<void> {
    // Each has its own caller, who is told how it ended.
    await Promise.allSettled(this.#underWay)
    await this.#store.close()
  }

  async #tried<T>(run: () => Promise<T>): Promise<T> {
    const { runtime } = this.#store
    const startedAtMonotonic = runtime.monotonicMs()
    let triedAtMonotonic = startedAtMonotonic
    for (let tries = 1; ; tries++) {
      try {
        this.#store.assertInPlace?.(triedAtMonotonic)
        const preparing = this.#store.prepareCall?.(triedAtMonotonic)
        if (preparing !== undefined) await preparing
        const outcome = await run()
        // What went to a file that nobody else sees any more is not acknowledged.
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
