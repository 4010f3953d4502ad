import { isSluiceError, type ControlState } from '@sluice/core'
import { isOutage, sideOf } from '../engine-errors.js'
import { holdupsNow, mostAtOnce } from '../holdups/dispatch-holdups.js'
import { noteHoldups } from '../holdups/tick-holdups.js'
import { StandDown } from '../watchdog/stand-down.js'
import { within } from '../watchdog/within.js'
import type { WorkEvent } from '../work-event.js'
import type { CheckedOptions } from '../work-queue-options.js'
import { ControlLog } from './control-log.js'
import { newEngineParts } from './engine-parts.js'
import { OutageLog } from './outage-log.js'
import { runPass } from './pass.js'
import { StopSwitch } from './stop-switch.js'
import { Sweeper } from './sweeper.js'
import { isAtLeisure, newTally, type TickResult } from './tick-result.js'
import type { EngineParts, Tick } from './tick.js'

/** How one tick runs. */
export interface TickOptions {
  /**
   * After its abort the tick begins no more sends, and gives claims back that were not sent; what has ended
   * is still settled.
   */
  readonly signal?: AbortSignal
}

/** As much of the deadline is kept for giving the lease back, a fifth of it at most. */
const LEAVE_MS = 1_000

/** The ticks of one work queue, one after the other, and what is kept between them. */
export class Ticker {
  readonly #options: CheckedOptions
  #parts: EngineParts
  readonly #outages: OutageLog
  readonly #control: ControlLog
  readonly #sweeper: Sweeper
  readonly #standDown: StandDown
  readonly #stopSwitch = new StopSwitch()
  #lastTurn: Promise<unknown> = Promise.resolve()
  #role: TickResult['role'] | undefined
  #fencingToken: number | undefined
  /** The tick has written its record. */
  #isRecorded = false
  /** Of the latest tick. */
  #last: Pick<TickResult, 'unavailable' | 'holdups' | 'processing' | 'orphans' | 'pending'> = newTally()
  /** By policy and control, as the control was read last. */
  #atMost: number | undefined

  constructor(options: CheckedOptions) {
    this.#options = options
    const emit = (event: WorkEvent): void => this.#emit(event)
    this.#parts = newEngineParts(options, emit)
    this.#outages = new OutageLog({ ...options, emit })
    this.#control = new ControlLog({ ...options, emit })
    this.#standDown = new StandDown({ ...options, emit })
    this.#sweeper = new Sweeper({ ...options, rule: options.sweep, emit })
  }

  /** How many items it remembers: those in PROCESSING alone. */
  get remembered(): number {
    return this.#parts.memory.size
  }

  /** See `WorkQueue.tick`. */
  tick(options: TickOptions = {}): Promise<TickResult> {
    return this.#inTurn(() => this.#tick(options))
  }

  /**
   * In an outage of the worker, between two ticks: keeps the lease, reads the control and records the
   * holdups. The worker gets no call. Does nothing in an outage of the queue, and outside of one.
   *
   * @throws SluiceError as `tick` does
   */
  attend(): Promise<void> {
    return this.#inTurn(() => this.#attend())
  }

  /**
   * Begins no more sends from now on, gives claims that were not sent back, waits for the tick under way, and
   * gives the lease back, so that a standby takes over at once. Jobs that run go on, and are adopted by the
   * next engine. A tick that has not ended by the deadline is given up. A later `tick` takes the lease again.
   * Never rejects: a lease that could not be given back is logged, and runs out by itself.
   */
  async leave(deadlineMs: number): Promise<void> {
    const { runtime } = this.#options
    const endAtMonotonic = runtime.monotonicMs() + deadlineMs
    const leaveMs = Math.min(deadlineMs / 5, LEAVE_MS)
    const parts = this.#parts
    this.#stopSwitch.press(parts)
    try {
      if (!(await within(runtime, deadlineMs - leaveMs, this.#lastTurn))) {
        this.#standDown.abandon(parts)
        this.#renew()
      }
      await this.#standDown.leave(
        parts,
        { is: 'stopped', holdups: [] },
        endAtMonotonic - runtime.monotonicMs(),
      )
    } catch (error) {
      this.#options.logger.warn({ err: error }, 'the lease could not be given back; it runs out by itself')
    } finally {
      this.#stopSwitch.release()
      this.#role = undefined
    }
  }

  /** Nothing of the engine that was given up is used again. */
  #renew(): void {
    this.#parts = newEngineParts(this.#options, (event) => this.#emit(event))
  }

  #inTurn<T>(work: () => Promise<T>): Promise<T> {
    const turn = this.#lastTurn.then(work)
    this.#lastTurn = turn.catch(() => {
      // Its caller gets the error; the next turn is independent of it.
    })
    return turn
  }

  async #tick({ signal }: TickOptions): Promise<TickResult> {
    const tally = newTally()
    const wasDown = this.#standDown.isActive
    if (this.#standDown.isWaiting(tally)) return tally
    if (wasDown) this.#renew()
    const parts = this.#parts
    const tick = { ...parts, tally }
    await this.#standDown.guard(tick, () => this.#work(tick, signal))
    // Given up meanwhile, and reported then.
    if (this.#parts !== parts || this.#standDown.isActive) {
      this.#role = undefined
      return tally
    }
    this.#noteRole(tick)
    this.#outages.note(tally.unavailable)
    this.#last = tally
    if (isAtLeisure(tally)) this.#sweeper.start()
    return tally
  }

  async #work(tick: Tick, signal: AbortSignal | undefined): Promise<void> {
    const { tally } = tick
    this.#isRecorded = false
    try {
      await this.#stopSwitch.obey(tick, signal, () => this.#pass(tick))
    } catch (error) {
      noteTrouble(tick, error)
    }
    const { maxRetryAfterMs } = tick.sends
    const askedMs = tally.unavailable?.retryAfterMs
    // A worker that takes no sends for a while is polled all the same.
    if (askedMs !== undefined && !tally.reconciled) tally.nextDelayMs ??= Math.min(askedMs, maxRetryAfterMs)
    noteHoldups(tick)
    await this.#record(tick)
  }

  /** Writes the dispatcher's record for other processes, once a tick. */
  async #record({ record, lease, backpressure, tally: { unavailable, holdups } }: Tick): Promise<void> {
    if (this.#isRecorded || (unavailable !== undefined && sideOf(unavailable) === 'queue')) return
    try {
      await record.write({ holdups, atMost: this.#atMost, lowered: backpressure.lowered ?? 'none' })
    } catch {
      // The one error that it has: the lease is lost.
      lease.noteLost()
    }
  }

  async #pass(tick: Tick): Promise<void> {
    if (!(await tick.lease.take())) return tick.known.foresee(tick)
    this.#noteRole(tick)
    await runPass(tick, {
      onControl: (control) => this.#control.note(tick.tally, control),
      answerSync: (control) => this.#answerSync(tick, control),
      onEnd: (control) => {
        this.#atMost = mostAtOnce(tick, control)
      },
    })
  }

  async #answerSync({ record, sendState }: Tick, { syncs = 0 }: ControlState): Promise<void> {
    const syncedTo = sendState.flights.syncedTo(syncs)
    if (syncedTo === (record.syncedTo ?? 0)) return
    await record.write({ syncedTo, holdups: this.#last.holdups, atMost: this.#atMost })
    this.#isRecorded = true
  }

  async #attend(): Promise<void> {
    const { unavailable } = this.#last
    if (this.#standDown.isActive || unavailable === undefined || sideOf(unavailable) === 'queue') return
    const tick = { ...this.#parts, tally: newTally() }
    await this.#standDown.guard(tick, async () => {
      try {
        await this.#readControl(tick)
      } catch (error) {
        // An outage of the queue, beside the other one: the next tick reports it.
        noteTrouble(tick, error)
      }
    })
    this.#outages.note(unavailable)
  }

  async #readControl(tick: Tick): Promise<void> {
    const { lease, queue, sendState, record, tally } = tick
    if (!(await lease.take())) return
    this.#noteRole(tick)
    if (tick.claimLog !== undefined) await tick.claimLog.read(lease.fencingToken)
    const control = await queue.control.read()
    this.#control.note(tally, control)
    const holdups = holdupsNow(tick, this.#last, control)
    const syncedTo = sendState.flights.syncedTo(control.syncs ?? 0)
    await record.write({ syncedTo, holdups, atMost: mostAtOnce(tick, control) })
  }

  #noteRole({ tally }: Tick): void {
    const { lease } = this.#parts
    tally.role = lease.held ? 'dispatcher' : 'standby'
    // Another engine has worked in between: what was seen before is no ground for judging what is absent now.
    if (lease.held && lease.fencingToken !== this.#fencingToken) noteNewDispatcher(this.#parts)
    if (lease.held) this.#fencingToken = lease.fencingToken
    if (tally.role === this.#role || tally.unavailable !== undefined) return
    this.#role = tally.role
    this.#emit(
      lease.held ? { kind: 'dispatcher', fencingToken: lease.fencingToken ?? 0 } : { kind: 'standby' },
    )
  }

  #emit(event: WorkEvent): void {
    try {
      this.#options.onEvent(event)
    } catch (error) {
      this.#options.logger.error({ err: error, event: event.kind }, 'onEvent threw; the work goes on')
    }
  }
}

function noteTrouble({ lease, memory, tally }: Tick, error: unknown): void {
  if (isSluiceError(error, 'SLUICE_LEASE_LOST')) lease.noteLost()
  else if (isOutage(error)) tally.unavailable = error
  else throw error
  // Unless the poll was read, no grace has passed for jobs that are absent from it.
  if (!tally.reconciled) memory.resetAbsence()
}

function noteNewDispatcher({ memory, running, open, unsent, polls, sendState }: EngineParts): void {
  memory.noteNewDispatcher()
  running.noteNewDispatcher()
  open.clear()
  unsent.clear()
  polls.noteNewDispatcher()
  sendState.noteNewDispatcher()
}
