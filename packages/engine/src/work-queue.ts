import { isSluiceError, type Clock, type ControlState } from '@sluice/core'
import { dispatch, NOTHING_CLAIMED, startAhead } from './dispatch.js'
import { Doorbell } from './doorbell.js'
import type { Engine } from './engine.js'
import { isOutage } from './engine-errors.js'
import { checkedOptions, type CheckedOptions, type WorkQueueOptions } from './engine-options.js'
import { JobMemory } from './job-memory.js'
import { LeaseKeeper } from './lease-keeper.js'
import { LookupBudget } from './lookup-budget.js'
import { OutageLog } from './outage-log.js'
import { PollState } from './poll-state.js'
import { look, reconcile } from './reconcile.js'
import { RunningJobs } from './running-jobs.js'
import { newSendPass } from './send.js'
import { Sweeper } from './sweeper.js'
import { newTally, type Tally, type TickResult } from './tick-result.js'
import type { WorkEvent } from './work-event.js'

/**
 * Lets the items of a queue through to a worker, and follows each job to its end. One pass is a {@link WorkQueue.tick}; the timer is
 * {@link runLoop}.
 *
 * Unfinished jobs never exceed what the policy allows, whatever crashes or restarts. Any number of these, in any number of processes,
 * may share one queue: the one that holds the lease works, the others stand by and take over within its ttl. An outage of queue or
 * worker fails no item. All that it must not lose is in the queue and at the worker: a new one goes on where another was killed.
 *
 * @example
 * ```ts
 * import { WorkQueue, processingLimit } from '@sluice/engine'
 * import { openQueue } from '@sluice/queue-memory'
 * import { openWorker } from '@sluice/worker-dummy'
 *
 * const queue = await openQueue({ name: 'tiles' })
 * const worker = await openWorker({ name: 'tiles', rule: { afterMs: 50 } })
 * const workQueue = new WorkQueue({ queue, worker, policy: processingLimit(2) })
 * await queue.put('tile-1', { url: 's3://maps/1.tif' })
 * const { sent } = await workQueue.tick()
 * await workQueue.stop()
 * ```
 */
export class WorkQueue {
  readonly #options: CheckedOptions
  readonly #engine: Engine
  readonly #outages: OutageLog
  readonly #sweeper: Sweeper
  readonly #doorbell = new Doorbell()
  #lastTick: Promise<unknown> = Promise.resolve()
  #role: TickResult['role'] | undefined
  #fence: number | undefined
  #paused = false
  #sendAtMs = Number.NEGATIVE_INFINITY
  #refusal: TickResult['unavailable']

  /** @throws TypeError that names the option that is wrong; a queue and a worker of different names are */
  constructor(options: WorkQueueOptions) {
    this.#options = checkedOptions(options)
    this.#engine = this.#newEngine(this.#options)
    const emit = (event: WorkEvent) => this.#emit(event)
    this.#outages = new OutageLog({ ...this.#options, emit })
    this.#sweeper = new Sweeper({ ...this.#options, rule: this.#options.sweep, emit })
  }

  get clock(): Clock {
    return this.#options.clock
  }

  get leaseTtlMs(): number {
    return this.#options.leaseTtlMs
  }

  /** How many items this object remembers: those in PROCESSING alone. */
  get remembered(): number {
    return this.#engine.memory.size
  }

  /**
   * One pass: reconcile, then dispatch. Called while another runs, it comes after it. An outage of the queue or the worker doesn't
   * reject: the result says so in `unavailable`, and what was begun is finished by a later tick.
   *
   * @throws SluiceError SLUICE_QUEUE_CLOSED, SLUICE_QUEUE_DENIED, SLUICE_QUEUE_CORRUPT, SLUICE_WORKER_CLOSED, and whatever a queue
   * throws without documenting it. Items claimed by then stay in PROCESSING and are taken up by the next tick or engine.
   */
  tick(): Promise<TickResult> {
    const tick = this.#lastTick.then(() => this.#tick())
    this.#lastTick = tick.catch(() => {
      // Whoever called that tick has been told; the next one starts afresh.
    })
    return tick
  }

  /**
   * Waits for the tick under way and gives the lease back, so that a standby takes over at once. Jobs that run go on, and are
   * adopted by the next engine. A later `tick` takes the lease again: end the loop first.
   *
   * @throws SluiceError of the queue; the lease then runs out by itself
   */
  async stop(): Promise<void> {
    await this.#lastTick
    await this.#engine.lease.giveBack()
    this.#role = undefined
  }

  /** Ends the loop's wait: something was put, or a limit was changed, and a tick now is worth it. */
  wake(): void {
    this.#doorbell.ring()
  }

  /** Resolves after `ms`, or earlier at a {@link WorkQueue.wake} or when the signal aborts. */
  waitForWake(ms: number, signal: AbortSignal): Promise<void> {
    return this.#doorbell.wait(this.clock, ms, signal)
  }

  /** The worker's doorbell, if it has one: each value says that a tick now may be worth it. */
  watchWorker(signal: AbortSignal): AsyncIterable<unknown> | undefined {
    const { worker } = this.#options
    return worker.supports.watch ? worker.watch?.(signal) : undefined
  }

  #newEngine(options: CheckedOptions): Engine {
    const { queue, holder, leaseTtlMs: ttlMs, clock, retry, lost, random, logger } = options
    const { pendingTimeoutMs } = options.jobs
    const emit = (event: WorkEvent): void => this.#emit(event)
    return {
      ...options,
      rules: { retry, lost, random, ...(pendingTimeoutMs === undefined ? {} : { pendingTimeoutMs }) },
      memory: new JobMemory(lost.graceMs, random),
      running: new RunningJobs(),
      polls: new PollState({ logger, emit }),
      lookups: new LookupBudget(options.maxLookupsPerSecond),
      stop: { requested: false },
      lease: new LeaseKeeper({ queue, holder, ttlMs, clock }),
      told: { orphans: new Set(), forgetFailing: false, cancelFailing: false },
      emit,
    }
  }

  async #tick(): Promise<TickResult> {
    const tally = newTally()
    try {
      await this.#pass(tally)
    } catch (error) {
      if (isSluiceError(error, 'SLUICE_LEASE_LOST')) this.#engine.lease.forget()
      else if (isOutage(error)) tally.unavailable = error
      else throw error
      // Unless the poll was read, no grace has passed for jobs that are absent from it.
      if (!tally.reconciled) this.#engine.memory.lookAway()
    }
    const askedMs = tally.unavailable?.retryAfterMs
    if (askedMs !== undefined) tally.nextDelayMs ??= askedMs
    this.#noteRole(tally)
    this.#outages.note(tally.unavailable)
    if (isAtLeisure(tally)) this.#sweeper.start()
    return tally
  }

  async #pass(tally: Tally): Promise<void> {
    if (!(await this.#engine.lease.take())) return
    this.#noteRole(tally)
    // Side by side: neither moves an item, and every round trip less is a shorter tick. Both have ended before the tick can fail.
    const [controlRead, looked] = await Promise.allSettled([
      this.#engine.queue.control.read(),
      look(this.#engine, tally),
    ])
    if (controlRead.status === 'rejected') throw controlRead.reason
    const control = controlRead.value
    this.#notePause(tally, control)
    if (looked.status === 'rejected') throw looked.reason
    const findings = looked.value
    const { resends } = findings.decisions
    const isHeld = control.paused || tally.unavailable !== undefined || !this.#engine.polls.mayStart
    const startsAhead = !isHeld && this.#leftAloneMs() <= 0
    const pass = newSendPass(tally)
    // What has ended makes room for what is to start, and is settled before that. Only what there is room for anyway is started meanwhile,
    // which counts what is not settled yet.
    const [settling, starting] = await Promise.allSettled([
      reconcile(this.#engine, tally, findings),
      startsAhead ? startAhead(this.#engine, pass, { resends, control }) : NOTHING_CLAIMED,
    ])
    if (settling.status === 'rejected') throw settling.reason
    tally.reconciled = true
    if (starting.status === 'rejected') throw starting.reason
    if (isHeld || (!startsAhead && this.#leftAlone(tally))) return
    await dispatch(this.#engine, pass, { resends, control, ahead: starting.value })
    this.#noteRefusal(tally)
  }

  #noteRole(tally: Tally): void {
    const { lease } = this.#engine
    tally.role = lease.held ? 'dispatcher' : 'standby'
    // Another engine has worked in between: what was seen before is no ground for judging what is absent now.
    if (lease.held && lease.fence !== this.#fence) this.#distrust()
    if (lease.held) this.#fence = lease.fence
    if (tally.role === this.#role || tally.unavailable !== undefined) return
    this.#role = tally.role
    this.#emit(lease.held ? { kind: 'dispatcher', fence: lease.fence ?? 0 } : { kind: 'standby' })
  }

  #distrust(): void {
    this.#engine.memory.distrust()
    this.#engine.polls.noteNewDispatcher()
  }

  #notePause(tally: Tally, { paused, reason }: ControlState): void {
    tally.paused = paused
    if (paused === this.#paused) return
    this.#paused = paused
    if (!paused) this.#emit({ kind: 'resumed' })
    else this.#emit({ kind: 'paused', ...(reason === undefined ? {} : { reason }) })
  }

  /** A worker that refused a send, and said for how long, gets nothing before that; its jobs are followed all the same. */
  #leftAlone(tally: Tally): boolean {
    const leftMs = this.#leftAloneMs()
    if (leftMs <= 0) return false
    if (this.#refusal !== undefined) tally.unavailable = this.#refusal
    tally.nextDelayMs = leftMs
    return true
  }

  #leftAloneMs(): number {
    return this.#sendAtMs - this.clock.monotonicMs()
  }

  #noteRefusal(tally: Tally): void {
    const { unavailable } = tally
    this.#refusal = unavailable
    if (unavailable?.retryAfterMs === undefined) return
    this.#sendAtMs = this.clock.monotonicMs() + unavailable.retryAfterMs
  }

  #emit(event: WorkEvent): void {
    try {
      this.#options.onEvent(event)
    } catch (error) {
      this.#options.logger.error({ err: error, event: event.kind }, 'onEvent threw; the work goes on')
    }
  }
}

/** A tick that did all it wanted to: the storage answers, and there is nothing to hurry for. */
function isAtLeisure({ role, reconciled, unavailable, nextDelayMs }: TickResult): boolean {
  return role === 'dispatcher' && reconciled && unavailable === undefined && nextDelayMs !== 0
}
