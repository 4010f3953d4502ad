import type { Runtime, Worker } from '@sluice/core'
import { backoffMs } from '../policies/backoff.js'
import type { TickResult } from '../tick/tick-result.js'
import type { Ticker } from '../tick/ticker.js'
import type { CheckedRunOptions } from './run-options.js'

export interface RunLoopParts {
  readonly ticker: Pick<Ticker, 'tick' | 'attend' | 'leave'>
  readonly worker: Pick<Worker, 'supports' | 'watch'>
  readonly runtime: Runtime
  readonly leaseTtlMs: number
}

interface Ticked {
  readonly result: TickResult
  /** Ticks one after the other that could not do their work, this one included. */
  readonly outages: number
}

/** From a watch that failed to the next. */
const WATCH_AGAIN = { baseMs: 1_000, factor: 2, maxMs: 60_000, jitter: 0.5 }

/** After an error the lease is given back, if that takes no longer. */
const FAILED_DEADLINE_MS = 2_000

/**
 * Ticks until it is ended: the only timer there is. It waits for the interval, or less at a wake signal. In
 * an outage the side that can't be used is left alone for longer and longer; in one of the worker the control
 * is still read at the interval and at each wake signal, and the lease kept. Where only sends fail, ticks go
 * on.
 */
export class RunLoop {
  readonly #parts: RunLoopParts
  readonly #options: CheckedRunOptions
  readonly #stop = new AbortController()
  /** Aborted by a wake signal, also by one that comes while nothing waits: it ends the next wait. */
  #woken = new AbortController()
  readonly #left = Promise.withResolvers<void>()
  readonly #ended = Promise.withResolvers<void>()

  constructor(parts: RunLoopParts, options: CheckedRunOptions) {
    this.#parts = parts
    this.#options = options
  }

  /** Resolves once {@link RunLoop.run} has ended, in whatever way. */
  get ended(): Promise<void> {
    return this.#ended.promise
  }

  /** Ends the wait for the next tick. */
  wake(): void {
    this.#woken.abort('woken')
  }

  /**
   * At once, not when the tick under way has ended: from now on nothing is sent. Of two deadlines the earlier
   * holds.
   */
  end(deadlineMs: number): void {
    this.#stop.abort()
    this.#woken.abort('woken')
    // It never rejects.
    void this.#parts.ticker.leave(deadlineMs).then(this.#left.resolve)
  }

  /**
   * @returns resolves when the signal has aborted, or {@link RunLoop.end} was called, and the lease is given
   * back
   * @throws whatever a tick throws, once the lease is given back
   */
  async run(signal: AbortSignal | undefined): Promise<void> {
    const onAbort = (): void => this.end(this.#options.stopDeadlineMs)
    if (signal?.aborted === true) onAbort()
    signal?.addEventListener('abort', onAbort)
    try {
      // A tick that was given up may take longer to end than the lease to be given back.
      await Promise.race([this.#ticks(), this.#left.promise])
    } catch (error) {
      this.end(FAILED_DEADLINE_MS)
      throw error
    } finally {
      await this.#left.promise
      signal?.removeEventListener('abort', onAbort)
      this.#ended.resolve()
    }
  }

  async #ticks(): Promise<void> {
    const { signal } = this.#stop
    const watching = new AbortController()
    // Not awaited: it never rejects, and a worker whose watch is slow to end must not hold up the end of the
    // loop.
    void this.#watch(watching.signal)
    let outages = 0
    try {
      while (!signal.aborted) {
        const result = await this.#parts.ticker.tick({ signal })
        this.#options.onTick(result)
        outages = isDown(result) ? outages + 1 : 0
        await this.#pause({ result, outages })
      }
    } finally {
      watching.abort()
    }
  }

  async #pause({ result, outages }: Ticked): Promise<void> {
    const { intervalMs } = this.#options
    const { runtime, leaseTtlMs } = this.#parts
    if (outages > 0) {
      await this.#waitOut(this.#outageDelayMs({ result, outages }))
      return
    }
    // A standby has nothing to hurry for.
    if (result.role === 'standby') {
      await runtime.sleep(Math.min(intervalMs, leaseTtlMs / 3), this.#stop.signal)
      return
    }
    // The lease must not run out between two ticks, or engines would take turns for nothing.
    const wholeMs = Math.min(result.nextDelayMs ?? intervalMs, intervalMs, leaseTtlMs / 3)
    if (result.unavailable === undefined) await this.#waitForWake(wholeMs)
    else await this.#waitOut(wholeMs)
  }

  /** Resolves after `wholeMs` or at a wake signal, but not before the least delay. */
  async #waitForWake(wholeMs: number): Promise<void> {
    const { runtime } = this.#parts
    const firstMs = Math.min(wholeMs, this.#options.minDelayMs)
    await runtime.sleep(firstMs, this.#stop.signal)
    if (wholeMs <= firstMs || this.#stop.signal.aborted) return
    await runtime.sleep(wholeMs - firstMs, this.#woken.signal)
    this.#woken = new AbortController()
  }

  /**
   * Waits in an outage, and goes on reading the control: at the interval, and at each wake signal. A wake
   * signal brings no tick: a thousand puts must not become a thousand calls of a side that is down.
   */
  async #waitOut(wholeMs: number): Promise<void> {
    const { runtime, leaseTtlMs, ticker } = this.#parts
    const endAtMonotonic = runtime.monotonicMs() + wholeMs
    for (;;) {
      const leftMs = endAtMonotonic - runtime.monotonicMs()
      await this.#waitForWake(Math.min(leftMs, this.#options.intervalMs, leaseTtlMs / 3))
      // Less than a timer can tell apart is over.
      if (this.#stop.signal.aborted || endAtMonotonic - runtime.monotonicMs() < 1) return
      await ticker.attend()
    }
  }

  #outageDelayMs({ result, outages }: Ticked): number {
    const { intervalMs, maxBackoffMs } = this.#options
    const { runtime } = this.#parts
    const backoff = { baseMs: intervalMs, factor: 2, maxMs: Math.max(maxBackoffMs, intervalMs), jitter: 0.5 }
    const delayMs = backoffMs(backoff, outages, () => runtime.random())
    return Math.max(delayMs, result.nextDelayMs ?? 0, 1)
  }

  /**
   * Wakes the loop at each value of the worker's watch. One that fails does no harm: the interval goes on,
   * and it is begun again.
   */
  async #watch(signal: AbortSignal): Promise<void> {
    const { worker, runtime } = this.#parts
    if (!worker.supports.watch) return
    for (let failures = 1; !signal.aborted; failures++) {
      try {
        const values = worker.watch?.({ signal })
        if (values === undefined) return
        for await (const value of values) {
          void value
          failures = 0
          this.wake()
        }
      } catch {
        // A worker that can't be reached: the next tick reports it.
      }
      await runtime.sleep(
        backoffMs(WATCH_AGAIN, Math.max(failures, 1), () => runtime.random()),
        signal,
      )
    }
  }
}

/**
 * The tick could not do its work at all. A worker that only takes no jobs is still polled: the tick leaves it
 * alone with sends.
 */
function isDown({ unavailable, reconciled }: TickResult): boolean {
  return unavailable !== undefined && !reconciled
}
