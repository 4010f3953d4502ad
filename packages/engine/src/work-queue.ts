import { SluiceError, type JsonValue } from '@sluice/core'
import { assertSpan } from '@sluice/core/backend'
import { RunLoop } from './run/run-loop.js'
import { checkedRunOptions, DEFAULT_STOP_DEADLINE_MS, type RunOptions } from './run/run-options.js'
import type { TickResult } from './tick/tick-result.js'
import { Ticker, type TickOptions } from './tick/ticker.js'
import { checkedOptions, type CheckedOptions, type WorkQueueOptions } from './work-queue-options.js'

/** How {@link WorkQueue.close} closes. */
export interface CloseOptions {
  /** A tick that has not ended by then is given up, in ms, 0 or more. Default 10,000. */
  readonly deadlineMs?: number
}

/**
 * Dispatches the items of a queue to a worker, and follows each job to its end. {@link WorkQueue.run} does so
 * until it is told to end; one pass is a {@link WorkQueue.tick}.
 *
 * Unfinished jobs never exceed what the policy allows, whatever crashes or restarts. Any number of these, in
 * any number of processes, may share one queue: the one that holds the lease works, the others stand by and
 * take over within its ttl. An outage of queue or worker fails no item. All that must not be lost is in the
 * queue and at the worker: a new work queue goes on where another was killed.
 *
 * @example
 * ```ts
 * import { WorkQueue, processingLimit } from '@sluice/engine'
 * import { openQueue } from '@sluice/queue-memory'
 * import { openWorker } from '@sluice/worker-dummy'
 *
 * const queue = await openQueue({ name: 'tiles' })
 * const worker = await openWorker({ name: 'tiles', rule: { afterMs: 50 } })
 * await queue.put('tile-1', { url: 's3://maps/1.tif' })
 * const workQueue = new WorkQueue({ queue, worker, policy: processingLimit(2) })
 * await workQueue.run({ intervalMs: 1_000, signal: AbortSignal.timeout(60_000) })
 * ```
 */
export class WorkQueue<Body = JsonValue> {
  readonly #options: CheckedOptions
  readonly #ticker: Ticker
  #loop: RunLoop | undefined
  #closing: Promise<void> | undefined

  /** @throws TypeError that names the option that is wrong; a queue and a worker of different names are */
  constructor(options: WorkQueueOptions<Body>) {
    this.#options = checkedOptions(options)
    this.#ticker = new Ticker(this.#options)
  }

  /**
   * Ticks at once, then at the interval, or earlier at a wake signal of the worker's `watch` or of
   * {@link WorkQueue.wake}, until the signal aborts. From then on no send and no claim begins; claims that
   * were not sent go back to their places, uncounted; the tick under way ends, or is given up at
   * `stopDeadlineMs`; the lease is given back, so that a standby takes over at once. Jobs that run go on, and
   * are adopted by the next engine. Afterwards the object can be used again.
   *
   * @returns resolves when all of that is done; a lease that could not be given back is logged, and runs out
   * by itself
   * @throws TypeError for a wrong option, and while another run of this object is under way; whatever
   * {@link WorkQueue.tick} throws, once the lease is given back
   */
  async run(options: RunOptions = {}): Promise<void> {
    const checked = checkedRunOptions(options)
    this.#assertOpen('run')
    if (this.#loop !== undefined)
      throw new TypeError('Cannot run: another run of this work queue is under way')
    const { worker, runtime, leaseTtlMs } = this.#options
    const parts = { ticker: this.#ticker, worker, runtime, leaseTtlMs }
    this.#loop = new RunLoop(parts, checked)
    try {
      await this.#loop.run(options.signal)
    } finally {
      this.#loop = undefined
    }
  }

  /**
   * One pass: reconcile, then dispatch. Called while another runs, it comes after it. An outage of the queue
   * or the worker doesn't reject: the result says so in `unavailable`, and what was begun is finished by a
   * later tick.
   *
   * The lease is renewed while it runs, however long a call takes. A tick of which a call has stalled ends
   * all the same: the call is given up, the lease given back, and ticks do nothing for as long as the lease
   * lives, so that another engine can go on.
   *
   * @throws SluiceError SLUICE_QUEUE_CLOSED, also after {@link WorkQueue.close}, SLUICE_QUEUE_DENIED,
   * SLUICE_QUEUE_CORRUPT, SLUICE_WORKER_CLOSED, SLUICE_CONFIG_INVALID when the worker is another one than
   * before and `acceptNewWorker` is not set, and whatever a queue throws without documenting it. Items
   * claimed by then stay in PROCESSING and are taken up by the next tick or engine. SLUICE_QUEUE_UNAVAILABLE
   * or SLUICE_WORKER_UNAVAILABLE, not retryable, when a call that was given up has still not ended
   */
  async tick(options: TickOptions = {}): Promise<TickResult> {
    this.#assertOpen('tick')
    return this.#ticker.tick(options)
  }

  /**
   * Ends the wait of {@link WorkQueue.run}: something was put, or a limit was changed, and a tick now is
   * worth it.
   */
  wake(): void {
    this.#loop?.wake()
  }

  /**
   * Ends the run, or the tick, that is under way, as an abort of its signal does, and gives the lease back.
   * Queue and worker stay open: they are the caller's. Twice is fine.
   *
   * @throws TypeError for a wrong deadline
   */
  async close({ deadlineMs = DEFAULT_STOP_DEADLINE_MS }: CloseOptions = {}): Promise<void> {
    assertSpan(deadlineMs, 'deadlineMs')
    this.#closing ??= this.#close(deadlineMs)
    await this.#closing
  }

  /** {@link WorkQueue.close}, for `await using`. */
  [Symbol.asyncDispose](): Promise<void> {
    return this.close()
  }

  async #close(deadlineMs: number): Promise<void> {
    if (this.#loop === undefined) return this.#ticker.leave(deadlineMs)
    this.#loop.end(deadlineMs)
    await this.#loop.ended
  }

  #assertOpen(what: string): void {
    if (this.#closing === undefined) return
    throw new SluiceError(
      'SLUICE_QUEUE_CLOSED',
      `Cannot ${what}: close() was called on this work queue; make a new one`,
    )
  }
}
