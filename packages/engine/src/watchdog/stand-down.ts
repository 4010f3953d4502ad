import type { EngineParts, Tick } from '../tick/tick.js'
import type { CheckedOptions } from '../work-queue-options.js'
import { DispatcherRecord, type DispatcherNote } from '../records/dispatcher-record.js'
import type { Tally } from '../tick/tick-result.js'
import type { WorkEvent } from '../work-event.js'
import { callText, type OpenCall } from './call-watch.js'
import { outageHoldups } from '../holdups/tick-holdups.js'
import { hangingError, lateError, stalledError, type Stall } from './stall.js'
import { guardTick } from './tick-guard.js'
import { within } from './within.js'

export interface StandDownOptions extends Pick<
  CheckedOptions,
  'queue' | 'runtime' | 'logger' | 'leaseTtlMs'
> {
  readonly emit: (event: WorkEvent) => void
}

/** How long leaving may take after a stall: the storage may be what hangs. */
const LEAVE_MS = 1_000

/**
 * Takes an engine out of service: one with a call that never ends, or one that is stopped. Nothing more
 * begins in it, and its late answers are dropped: a late claim is fenced by the lease, a late move by the
 * attempt, a late send by the job's name.
 */
export class StandDown {
  readonly #options: StandDownOptions
  #stall: Stall | undefined

  constructor(options: StandDownOptions) {
    this.#options = options
  }

  /** Whether a call was given up, and the engine with it. */
  get isActive(): boolean {
    return this.#stall !== undefined
  }

  /** Runs a tick under a guard, which keeps the lease, and ends the tick when a call of it is stuck. */
  async guard(tick: Tick, work: () => Promise<void>): Promise<void> {
    const ended = new AbortController()
    const onSlow = (slow: OpenCall): void => this.#reportSlow(tick, slow)
    const guarding = guardTick({ ...tick, onSlow }, ended.signal)
    const working = work()
    try {
      const stuck = await Promise.race([working.then(() => undefined), guarding])
      if (stuck === undefined) return
      // The stall is the error of the tick.
      working.catch(() => undefined)
      await this.#giveUp(tick, stuck)
    } finally {
      ended.abort()
    }
  }

  /**
   * Whether another engine still has time to take over; the tally then says so.
   *
   * @throws SluiceError when that time is over, and the call has still not ended
   */
  isWaiting(tally: Tally): boolean {
    const { runtime, leaseTtlMs, logger } = this.#options
    const stall = this.#stall
    if (stall === undefined) return false
    const leftMs = stall.untilMonotonic - runtime.monotonicMs()
    if (leftMs > 0) {
      Object.assign(tally, { unavailable: stall.error, nextDelayMs: leftMs })
      return true
    }
    if (!stall.calls.isIdle) throw hangingError(stall, leaseTtlMs - leftMs)
    this.#stall = undefined
    logger.info(
      { call: callText(stall.stuck.call) },
      'the call that was given up has ended: this engine goes on',
    )
    return false
  }

  /** The tick of an engine has not ended by the deadline of a stop. */
  abandon({ calls }: EngineParts): void {
    const late = calls.stuck(0)
    const call = late === undefined ? {} : { call: callText(late.call) }
    const what =
      'the tick under way did not end in time and is given up; nothing is lost, the next engine goes on'
    this.#options.logger.warn(call, what)
    calls.abandon(lateError(late))
  }

  /**
   * Records that the engine no longer dispatches, and gives the lease back, both within `ms`.
   *
   * @throws SluiceError of the queue: the lease runs out by itself
   */
  async leave({ lease, claimLog }: EngineParts, note: DispatcherNote, ms: number): Promise<void> {
    const { runtime, logger } = this.#options
    const endAtMonotonic = runtime.monotonicMs() + ms
    // With a record of its own: every call of an engine that was given up rejects.
    const record = new DispatcherRecord({ ...this.#options, lease })
    // Claims that could not be recorded as not made count for the next dispatcher.
    if (lease.held) await within(runtime, ms / 2, Promise.all([record.write(note), claimLog?.close()]))
    const giving = lease.giveBack()
    if (await within(runtime, endAtMonotonic - runtime.monotonicMs(), giving)) await giving
    else logger.warn({}, 'the lease could not be given back in time; it runs out by itself')
  }

  /** The tick goes on waiting; the log and `status` show for what. */
  #reportSlow({ record, stallMs }: Tick, { call, forMs }: OpenCall): void {
    const seconds = Math.round(forMs / 1_000)
    const message = `${callText(call)} has not answered for ${seconds} s; it is given up after ${Math.round(stallMs / 1_000)} s`
    this.#options.logger.warn({ call: callText(call), forMs: Math.round(forMs) }, message)
    // A storage that hangs can't be written to.
    if (call.of === 'worker') void record.add({ code: 'worker-unavailable', message })
  }

  async #giveUp(tick: Tick, stuck: OpenCall): Promise<void> {
    const { logger, runtime, leaseTtlMs, emit } = this.#options
    const error = stalledError(stuck)
    const [call, forMs] = [callText(stuck.call), Math.round(stuck.forMs)]
    this.#stall = { stuck, calls: tick.calls, untilMonotonic: runtime.monotonicMs() + leaseTtlMs, error }
    tick.stop.requested = true
    tick.calls.abandon(error)
    logger.error({ code: error.code, call, forMs }, error.message)
    emit({ kind: 'stalled', call, forMs })
    Object.assign(tick.tally, { role: 'standby', unavailable: error, nextDelayMs: leaseTtlMs })
    const holdups = outageHoldups(error, { said: [], maxRetryAfterMs: 0 })
    try {
      await this.leave(tick, { is: 'stalled', holdups }, LEAVE_MS)
    } catch {
      // The storage may be what hangs; the lease runs out by itself.
    }
  }
}
