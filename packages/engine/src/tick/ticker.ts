import { assertSpan, isSluiceError, type Runtime, type ControlState } from '@sluice/core'
import { ControlNotes } from './control-log.js'
import { dispatch, NOTHING_CLAIMED, startAhead } from '../dispatch/dispatch.js'
import { Doorbell } from '../run/wake-signal.js'
import type { Engine } from './tick.js'
import { isOutage, sideOf } from '../engine-errors.js'
import { checkedOptions, stallSpanMs, type CheckedOptions, type WorkQueueOptions } from '../work-queue-options.js'
import { Guards } from '../guards/guards.js'
import { JobMemory } from '../reconcile/job-memory.js'
import { LeaseKeeper } from './lease-keeper.js'
import { LookupBudget } from '../lookups/lookup-budget.js'
import { OutageLog } from './outage-log.js'
import { PollState } from '../reconcile/poll-state.js'
import { DispatcherRecord } from '../records/dispatcher-record.js'
import { MissingJobs } from '../records/missing-jobs.js'
import { KnownWorker } from '../records/known-worker.js'
import { look, reconcile, type Findings } from '../reconcile/reconcile.js'
import { SeenJobs } from '../records/seen-jobs.js'
import { RunningJobs } from '../reconcile/running-jobs.js'
import { CallWatch } from '../watchdog/call-watch.js'
import { noteHoldups } from '../holdups/tick-holdups.js'
import { StandDown } from '../watchdog/stand-down.js'
import { StopSwitch } from './stop-switch.js'
import { DEFAULT_DEADLINE_MS, type StopOptions, type TickOptions } from './tick-options.js'
import { UnsentClaims } from '../dispatch/unsent-claims.js'
import { watchedQueue, watchedWorker } from '../watchdog/watched.js'
import { within } from '../watchdog/within.js'
import { obeyGuards } from '../guards/obey-guards.js'
import { giveBackPaused } from '../dispatch/give-back.js'
import { controlHoldups, holdupsNow, mostAtOnce } from '../holdups/dispatch-holdups.js'
import { SendPass } from '../dispatch/send-pass.js'
import { SendState } from '../sending/send-state.js'
import { settled } from './settled.js'
import { Sweeper } from './sweeper.js'
import { OpenLookups } from '../lookups/open-lookups.js'
import { QuietJobs } from '../lookups/quiet-jobs.js'
import { isAtLeisure, newTally, type Tally, type TickResult } from './tick-result.js'
import type { WorkEvent } from '../work-event.js'

/** As much of the deadline is kept for giving the lease back, a fifth of it at most. */
const LEAVE_MS = 1_000

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
  #engine: Engine
  readonly #outages: OutageLog
  readonly #control: ControlNotes
  readonly #sweeper: Sweeper
  readonly #standDown: StandDown
  readonly #doorbell = new Doorbell()
  readonly #stopSwitch = new StopSwitch()
  #lastTurn: Promise<unknown> = Promise.resolve()
  #role: TickResult['role'] | undefined
  #fencingToken: number | undefined
  /** The tick has written what it has to say to other processes. */
  #isSaid = false
  /** Of the latest tick. */
  #last: Pick<TickResult, 'unavailable' | 'holdups' | 'processing' | 'orphans' | 'pending'> = newTally()
  /** As the control was read last. */
  #atMost: number | undefined

  /** @throws TypeError that names the option that is wrong; a queue and a worker of different names are */
  constructor(options: WorkQueueOptions) {
    this.#options = checkedOptions(options)
    this.#engine = this.#newEngine(this.#options)
    const emit = (event: WorkEvent) => this.#emit(event)
    this.#outages = new OutageLog({ ...this.#options, emit })
    this.#control = new ControlNotes(this.#options.logger, emit, this.#options)
    this.#standDown = new StandDown({ ...this.#options, emit })
    this.#sweeper = new Sweeper({ ...this.#options, rule: this.#options.sweep, emit })
  }

  get runtime(): Runtime {
    return this.#options.runtime
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
   * The lease is renewed while it runs, however long a call takes. A tick of which a call has stalled ends all the same: the call is given up, the
   * lease given back, and ticks do nothing for as long as the lease lives, so that another engine can go on.
   *
   * @throws SluiceError SLUICE_QUEUE_CLOSED, SLUICE_QUEUE_DENIED, SLUICE_QUEUE_CORRUPT, SLUICE_WORKER_CLOSED, SLUICE_CONFIG_INVALID when the
   * worker is another one than before and `acceptNewWorker` is not set, and whatever a queue throws without documenting it. Items claimed by then stay in PROCESSING and are taken up by the next tick or engine.
   * SLUICE_QUEUE_UNAVAILABLE or SLUICE_WORKER_UNAVAILABLE, not retryable, when a call that was given up has still not ended
   */
  tick(options: TickOptions = {}): Promise<TickResult> {
    return this.#inTurn(() => this.#tick(options))
  }

  /**
   * In an outage of the worker, between two ticks: keeps the lease, reads what operators have said since, and says so. The worker gets no call.
   * Nothing happens in an outage of the queue, and outside of one.
   *
   * @throws SluiceError as `tick` does
   */
  attend(): Promise<void> {
    return this.#inTurn(() => this.#attend())
  }

  /**
   * Begins no more sends from now on, gives claims that were not sent back, waits for the tick under way, and gives the lease back, so that a standby
   * takes over at once. Jobs that run go on, and are adopted by the next engine. A tick that has not ended by the deadline is given up. A later `tick`
   * takes the lease again: end the loop first.
   *
   * @throws SluiceError of the queue; the lease then runs out by itself
   */
  async stop({ deadlineMs = DEFAULT_DEADLINE_MS }: StopOptions = {}): Promise<void> {
    assertSpan(deadlineMs, 'deadlineMs')
    const endAtMs = this.runtime.monotonicMs() + deadlineMs
    const leaveMs = Math.min(deadlineMs / 5, LEAVE_MS)
    const engine = this.#engine
    this.#stopSwitch.press(engine)
    try {
      if (!(await within(this.runtime, deadlineMs - leaveMs, this.#lastTurn))) {
        this.#standDown.abandon(engine)
        this.#engine = this.#newEngine(this.#options)
      }
      const leftMs = endAtMs - this.runtime.monotonicMs()
      await this.#standDown.leave(engine, { is: 'stopped', holdups: [] }, leftMs)
    } finally {
      this.#stopSwitch.release()
      this.#role = undefined
    }
  }

  /** Ends the loop's wait: something was put, or a limit was changed, and a tick now is worth it. */
  wake(): void {
    this.#doorbell.ring()
  }

  /** Resolves after `ms`, or earlier at a {@link WorkQueue.wake} or when the signal aborts. */
  waitForWake(ms: number, signal: AbortSignal): Promise<void> {
    return this.#doorbell.wait(this.runtime, ms, signal)
  }

  /** The worker's doorbell, if it has one: each value says that a tick now may be worth it. */
  watchWorker(signal: AbortSignal): AsyncIterable<unknown> | undefined {
    const { worker } = this.#options
    return worker.supports.watch ? worker.watch?.(signal) : undefined
  }

  #newEngine(options: CheckedOptions): Engine {
    const { holder, leaseTtlMs: ttlMs, runtime, retry, lost, random, logger } = options
    const { pendingTimeoutMs, askAfterMs } = options.jobs
    const emit = (event: WorkEvent): void => this.#emit(event)
    const calls = new CallWatch(runtime)
    const queue = watchedQueue(options.queue, calls, { drain: options.drain })
    const lease = new LeaseKeeper({ queue: options.queue, holder, ttlMs, runtime, calls })
    const { drain } = options
    return {
      ...options,
      queue,
      worker: watchedWorker(options.worker, calls),
      stallMs: stallSpanMs(options),
      rules: { retry, lost, random, ...(pendingTimeoutMs === undefined ? {} : { pendingTimeoutMs }) },
      memory: new JobMemory(lost.graceMs, random),
      running: new RunningJobs(),
      polls: new PollState({ logger, emit }),
      lookups: new LookupBudget(options.maxLookupsPerSecond),
      open: new OpenLookups(),
      stop: { requested: false },
      lease,
      calls,
      record: new DispatcherRecord({ queue, lease, leaseTtlMs: ttlMs, runtime, logger, calls }),
      unsent: new UnsentClaims(),
      seen: new SeenJobs({ queue, logger }),
      guards: new Guards({ queue, lease, logger, emit, drain }),
      missing: new MissingJobs({ queue, runtime, logger, graceMs: lost.graceMs }),
      known: new KnownWorker(),
      quiet: new QuietJobs({ askAfterMs, lookupsPerSecond: options.maxLookupsPerSecond }),
      told: {
        orphans: new Map(),
        movedOn: new Set(),
        forgetFailures: 0,
        cancelFailing: false,
        forgetAtMs: Number.NEGATIVE_INFINITY,
      },
      sendState: new SendState({ ...options, queue }),
      emit,
    }
  }

  #inTurn<T>(work: () => Promise<T>): Promise<T> {
    const turn = this.#lastTurn.then(work)
    this.#lastTurn = turn.catch(() => {
      // Whoever called it has been told; the next one starts afresh.
    })
    return turn
  }

  async #tick({ signal }: TickOptions): Promise<TickResult> {
    const tally = newTally()
    const wasDown = this.#standDown.isActive
    if (this.#standDown.isWaiting(tally)) return tally
    if (wasDown) this.#engine = this.#newEngine(this.#options)
    const engine = this.#engine
    await this.#standDown.guard(engine, tally, () => this.#work(engine, tally, signal))
    // Given up meanwhile: whoever did so has told of it.
    if (this.#engine !== engine || this.#standDown.isActive) {
      this.#role = undefined
      return tally
    }
    this.#noteRole(tally)
    this.#outages.note(tally.unavailable)
    this.#last = tally
    if (isAtLeisure(tally)) this.#sweeper.start()
    return tally
  }

  async #work(engine: Engine, tally: Tally, signal: AbortSignal | undefined): Promise<void> {
    this.#isSaid = false
    try {
      await this.#stopSwitch.obey(engine, { tally, signal }, () => this.#pass(engine, tally))
    } catch (error) {
      this.#noteTrouble(engine, tally, error)
    }
    const { maxRetryAfterMs } = engine.sends
    const askedMs = tally.unavailable?.retryAfterMs
    // A worker that takes no sends for a while is polled all the same.
    if (askedMs !== undefined && !tally.reconciled) tally.nextDelayMs ??= Math.min(askedMs, maxRetryAfterMs)
    noteHoldups(engine, tally)
    await this.#say(engine, tally)
  }

  #noteTrouble({ lease, memory }: Engine, tally: Tally, error: unknown): void {
    if (isSluiceError(error, 'SLUICE_LEASE_LOST')) lease.noteLost()
    else if (isOutage(error)) tally.unavailable = error
    else throw error
    // Unless the poll was read, no grace has passed for jobs that are absent from it.
    if (!tally.reconciled) memory.lookAway()
  }

  /** Tells other processes how it stands, once a tick. */
  async #say(engine: Engine, tally: Tally): Promise<void> {
    const { unavailable, holdups } = tally
    if (this.#isSaid || (unavailable !== undefined && sideOf(unavailable) === 'queue')) return
    try {
      await engine.record.write({ holdups, atMost: this.#atMost })
    } catch {
      // The one error that it has: the lease is lost.
      engine.lease.noteLost()
    }
  }

  async #pass(engine: Engine, tally: Tally): Promise<void> {
    if (!(await engine.lease.take())) return engine.known.foresee(engine)
    this.#noteRole(tally)
    await engine.guards.read(engine.lease.fencingToken)
    const readAtMs = this.runtime.monotonicMs()
    // Side by side: neither moves an item, and every round trip less is a shorter tick. Both have ended before the tick can fail.
    const looking = settled(look(engine, tally))
    const read = await settled(engine.queue.control.read())
    if (read.status === 'rejected') {
      await looking
      throw read.reason
    }
    const state = read.value
    this.#control.note(tally, state)
    // From now on the control is read every second: a poll may take long.
    const onRead = (later: ControlState): void => this.#control.note(tally, later)
    const pass = new SendPass(engine, tally, { state, readAtMs, onRead })
    try {
      await this.#answerSync(engine, state)
      const looked = await looking
      if (looked.status === 'rejected') throw looked.reason
      engine.unsent.keepOnly(looked.value.found.items)
      await this.#settleAndSend(engine, pass, looked.value)
    } catch (error) {
      pass.halt('queue')
      throw error
    } finally {
      await looking
      await pass.sendsEnded()
      pass.stop()
      tally.holdups.unshift(...controlHoldups(engine, tally, pass.control))
      this.#atMost = mostAtOnce(engine.policy, pass.control)
    }
    pass.assertWhole()
  }

  async #settleAndSend(engine: Engine, pass: SendPass, findings: Findings): Promise<void> {
    const { tally } = pass
    const { flights } = engine.sendState
    const isPaused = await obeyGuards(engine, pass, findings)
    // Of those whose sends are still under way nothing is known yet.
    const resends = findings.decisions.resends.filter((item) => !flights.has(item))
    const isHeld = isPaused || tally.unavailable !== undefined || !engine.polls.mayStart
    // What has ended makes room for what is to start, and is settled before that. Only what there is room for anyway is started meanwhile,
    // which counts what is not settled yet.
    const [settling, starting] = await Promise.allSettled([
      reconcile(engine, tally, findings),
      isHeld ? NOTHING_CLAIMED : startAhead(engine, pass, { resends }),
    ])
    if (settling.status === 'rejected') throw settling.reason
    tally.reconciled = true
    if (starting.status === 'rejected') throw starting.reason
    if (isPaused) await giveBackPaused(engine, pass, [...resends, ...findings.decisions.earlierWaits])
    if (!isHeld) await dispatch(engine, pass, { resends, ahead: starting.value })
  }

  /** Whoever waits for this is told before anything is sent: but for those in flight all sends of earlier ticks have ended. */
  async #answerSync({ record, sendState }: Engine, { syncs = 0 }: ControlState): Promise<void> {
    const syncedTo = sendState.flights.syncedTo(syncs)
    if (syncedTo === (record.syncedTo ?? 0)) return
    await record.write({ syncedTo, holdups: this.#last.holdups, atMost: this.#atMost })
    this.#isSaid = true
  }

  async #attend(): Promise<void> {
    const { unavailable } = this.#last
    if (this.#standDown.isActive || unavailable === undefined || sideOf(unavailable) === 'queue') return
    const engine = this.#engine
    const tally = newTally()
    await this.#standDown.guard(engine, tally, async () => {
      try {
        await this.#lookAtControl(engine, tally)
      } catch (error) {
        // An outage of the queue, beside the other one: the next tick tells of it.
        this.#noteTrouble(engine, tally, error)
      }
    })
    this.#outages.note(unavailable)
  }

  async #lookAtControl(engine: Engine, tally: Tally): Promise<void> {
    if (!(await engine.lease.take())) return
    this.#noteRole(tally)
    const control = await engine.queue.control.read()
    this.#control.note(tally, control)
    const holdups = holdupsNow(engine, this.#last, control)
    const syncedTo = engine.sendState.flights.syncedTo(control.syncs ?? 0)
    await engine.record.write({ syncedTo, holdups, atMost: mostAtOnce(engine.policy, control) })
  }

  #noteRole(tally: Tally): void {
    const { lease } = this.#engine
    tally.role = lease.held ? 'dispatcher' : 'standby'
    // Another engine has worked in between: what was seen before is no ground for judging what is absent now.
    if (lease.held && lease.fencingToken !== this.#fencingToken) this.#distrust()
    if (lease.held) this.#fencingToken = lease.fencingToken
    if (tally.role === this.#role || tally.unavailable !== undefined) return
    this.#role = tally.role
    this.#emit(
      lease.held ? { kind: 'dispatcher', fencingToken: lease.fencingToken ?? 0 } : { kind: 'standby' },
    )
  }

  #distrust(): void {
    this.#engine.memory.distrust()
    this.#engine.running.noteNewDispatcher()
    this.#engine.open.clear()
    this.#engine.unsent.clear()
    this.#engine.polls.noteNewDispatcher()
    this.#engine.sendState.noteNewDispatcher()
  }

  #emit(event: WorkEvent): void {
    try {
      this.#options.onEvent(event)
    } catch (error) {
      this.#options.logger.error({ err: error, event: event.kind }, 'onEvent threw; the work goes on')
    }
  }
}
