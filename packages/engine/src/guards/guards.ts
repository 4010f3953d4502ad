import { type ControlState, type ItemSummary, type Logger, type Queue, type Runtime } from '@sluice/core'
import { hashOfJob } from '../records/seen-jobs-format.js'
import type { LeaseKeeper } from '../tick/lease-keeper.js'
import type { WorkEvent } from '../work-event.js'
import { admissionOf, type Admission } from './admission.js'
import { FIRST_ITEMS, isCounting, isTimed, type GuardRule } from './breaker-options.js'
import { GuardStore } from './guard-store.js'
import {
  withEnds,
  withNextRun,
  withPause,
  withProbe,
  withResume,
  type AttemptEnd,
  type Counting,
} from './guard-state.js'
import { isPausedByItself, pauseText, type OpenBreaker, type StoredPause } from './open-breaker.js'
import { withRefusal, withSuccess, type Refusal, type RefusalKind } from './refusal-rows.js'
import { tripOf, type Trip } from './trip.js'

export interface GuardsOptions {
  readonly queue: Pick<Queue, 'document' | 'control' | 'now' | 'listSummaries'>
  readonly lease: Pick<LeaseKeeper, 'current'>
  readonly logger: Logger
  readonly emit: (event: WorkEvent) => void
  readonly runtime: Pick<Runtime, 'monotonicMs'>
  readonly rule: GuardRule
  /** Of this engine. */
  readonly holder: string
  /** The control reads as paused, whether or not the queue is. */
  readonly drain: boolean
}

/** The items in PROCESSING, and those of them that are about to be settled. */
export interface Observed {
  readonly items: ReadonlyMap<string, ItemSummary>
  readonly ends: readonly AttemptEnd[]
}

/**
 * Pauses the queue where going on would fail item after item, and limits the first items of a run. The counts
 * and the pause are in one document of the queue, under the lease, so that restarts and failovers continue
 * from it.
 *
 * The order is: count, pause, settle. A process that dies after counting leaves items in PROCESSING, whose
 * attempts count once however often they are reported; one that dies before pausing leaves a pause that the
 * next engine applies before it sends anything.
 */
export class Guards {
  readonly #options: GuardsOptions
  readonly #store: GuardStore
  #isReported = false
  #wasPaused = false
  #isNew = false
  /** What the storage's clock is ahead of this machine's monotonic one. */
  #clockAheadMs = 0
  /** Items in PROCESSING that are not of this run, and stay in this tick. */
  #others = 0
  /** Since when items of this run are in flight. */
  #beganAtMonotonic: number | undefined
  /** The latest claim found nothing that could be given out. */
  #isNothingDue = false
  /** Items wait all the same; not checked again before there is something to claim. */
  #isDelayed = false

  constructor(options: GuardsOptions) {
    this.#options = options
    this.#store = new GuardStore(options)
  }

  /** Why Sluice itself has paused the queue, during that pause. */
  get pause(): OpenBreaker | undefined {
    const { pause } = this.#store.state
    if (pause === undefined) return undefined
    const { isApplied: _, ...breaker } = pause
    return breaker
  }

  /** No more jobs may start: a guard has paused the queue, or is about to. */
  get isTripped(): boolean {
    return this.#store.state.pause !== undefined || this.#trip !== undefined
  }

  get #trip(): Trip | undefined {
    return tripOf(this.#store.state, this.#options.rule)
  }

  /** Since when jobs are refused at their start, by the worker's clock; `undefined`: none are. */
  get startsRefusedSinceAt(): number | undefined {
    const { rows } = this.#store.state
    const beganAt = rows.flatMap((row) => (row.kind === 'start' ? [row.sinceAt ?? 0] : []))
    return beganAt.length === 0 ? undefined : Math.min(...beganAt)
  }

  /**
   * How many more items may start, besides what the policy allows.
   *
   * @param processing items in PROCESSING
   */
  admission(processing: number): Admission {
    const { rule, runtime } = this.#options
    const started = Math.max(0, processing - this.#others)
    const forMs = this.#beganAtMonotonic === undefined ? 0 : runtime.monotonicMs() - this.#beganAtMonotonic
    return admissionOf(this.#store.state, rule, { started, forMs })
  }

  /** Reads the document, once for each fencing token. */
  async read(fencingToken: number | undefined): Promise<void> {
    const { rule, queue, runtime } = this.#options
    if (!(await this.#store.read(fencingToken))) return
    this.#isReported = this.#wasPaused = this.#isNothingDue = this.#isDelayed = false
    this.#isNew = true
    this.#beganAtMonotonic = undefined
    if (isTimed(rule)) this.#clockAheadMs = (await queue.now()) - runtime.monotonicMs()
    this.#report()
  }

  /** The worker rejected an attempt for good. {@link Guards.record} must come before its settle. */
  noteRejected(settlement: Refusal['settlement']): void {
    this.#noteRefused({ kind: 'send', settlement })
    this.noteEnds([{ settlement }])
  }

  /** A job was refused at its start; its end is noted besides. */
  noteRefusedStart(refusal: Omit<Refusal, 'kind'>): void {
    this.#noteRefused({ kind: 'start', ...refusal })
  }

  #noteRefused(refusal: Refusal): void {
    if (this.#options.rule.isOff || this.#store.state.pause !== undefined) return
    this.#store.change((state) =>
      state.pause === undefined && !state.counted.has(hashOfJob(refusal.settlement))
        ? { ...state, rows: withRefusal(state.rows, refusal) }
        : state,
    )
  }

  /** The worker accepted an item, or a job succeeded. */
  noteSuccess(kind: RefusalKind): void {
    // A full row stays full: a later success was not in between.
    if (!this.#store.state.rows.some((row) => row.kind === kind) || this.isTripped) return
    this.#store.change((state) =>
      tripOf(state, this.#options.rule) === undefined
        ? { ...state, rows: withSuccess(state.rows, kind) }
        : state,
    )
  }

  /** Attempts have ended. {@link Guards.record} must come before they are settled. */
  noteEnds(ends: readonly AttemptEnd[]): void {
    const { rule, holder, runtime } = this.#options
    const now = Math.round(runtime.monotonicMs() + this.#clockAheadMs)
    const counting: Counting = { rule, holder, now }
    if (ends.length === 0 || (rule.isOff && !isCounting(rule))) return
    this.#store.change((state) => withEnds(state, ends, counting))
  }

  /** A claim returned so many items. */
  noteClaimed(items: number): void {
    this.#isNothingDue = items === 0
    if (items === 0) return
    this.#isDelayed = false
    this.#beganAtMonotonic ??= this.#options.runtime.monotonicMs()
  }

  /**
   * Stores what was noted, and pauses the queue where that opens the breaker, before anything of it is
   * settled. Without changes there is no call.
   *
   * @throws SluiceError of the queue: then nothing may be settled; SLUICE_LEASE_LOST when another engine
   * dispatches
   */
  async record(control: ControlState): Promise<void> {
    this.#closeProbed()
    await this.#save()
    if (this.#store.state.pause?.isApplied === false) await this.#apply(control)
  }

  /**
   * Compares the stored pause with the control, once a tick: applies one that an engine left unapplied, ends
   * one that was resumed, and begins a probe that is due.
   *
   * @throws SluiceError as {@link Guards.record}
   */
  async obey(control: ControlState, observed: Observed): Promise<void> {
    const isResumed = await this.#obeyPause(control, observed)
    const { run, probe } = this.#store.state
    if (isResumed || run.isResumed || (this.#wasPaused && !control.paused && probe === undefined))
      this.#beginRun(observed)
    this.#wasPaused = control.paused && !this.#options.drain
    this.#countOthers(observed)
  }

  /** @returns whether the pause has been resumed */
  async #obeyPause(control: ControlState, observed: Observed): Promise<boolean> {
    const { probe } = this.#store.state
    // The engine that began the probe died before it resumed the queue.
    if (probe !== undefined && this.#isOwn(control)) await this.#options.queue.control.resume()
    if (this.#store.state.pause === undefined) return false
    // `sluice resume` may have removed it, and an operator may have paused the queue again since.
    this.#store.noteStale()
    await this.#save()
    const { pause } = this.#store.state
    if (pause === undefined) return true
    if (!pause.isApplied) await this.#apply(control)
    else if (!control.paused) return true
    else if (this.#isProbeDue(pause, control)) await this.#beginProbe(observed)
    return false
  }

  /** During a drain the control reads as paused. */
  #isOwn(control: ControlState): boolean {
    return !this.#options.drain && isPausedByItself(control)
  }

  #isProbeDue(pause: StoredPause, control: ControlState): boolean {
    const { rule, runtime } = this.#options
    if (pause.halfOpenAt === undefined || rule.halfOpenMs === undefined) return false
    return this.#isOwn(control) && runtime.monotonicMs() + this.#clockAheadMs >= pause.halfOpenAt
  }

  /**
   * Stored first: an engine that dies before it resumes the queue leaves a probe that the next one begins.
   */
  async #beginProbe({ items }: Observed): Promise<void> {
    this.#store.set(withProbe(this.#store.state, hashesOf(items)))
    await this.#save()
    if (this.#store.state.probe === undefined) return
    await this.#options.queue.control.resume()
    this.#isReported = false
    this.#options.emit({ kind: 'breaker-half-open', items: this.#options.rule.halfOpenItems })
  }

  /** The first failure opens it again: what is left has succeeded. */
  #closeProbed(): void {
    const { probe, counted } = this.#store.state
    if (probe === undefined || probe.hasFailed || probe.ended < this.#options.rule.halfOpenItems) return
    this.#store.set(withResume(this.#store.state, counted))
    this.#beganAtMonotonic = undefined
    this.#options.emit({ kind: 'breaker-closed' })
  }

  #beginRun({ items }: Observed): void {
    this.#store.set(withResume(this.#store.state, hashesOf(items)))
    this.#beganAtMonotonic = undefined
    this.#isReported = this.#isNew = false
  }

  #countOthers({ items, ends }: Observed): void {
    const { state } = this.#store
    this.#others = 0
    if (state.counted.size > 0) {
      const kept = new Set([...hashesOf(items)].filter((hash) => state.counted.has(hash)))
      if (kept.size < state.counted.size) this.#store.set({ ...state, counted: kept })
      // Those are places again once they are settled.
      this.#others = kept.size - ends.filter((end) => kept.has(hashOfJob(end.settlement))).length
    }
    const started = items.size - this.#others
    // So many were not started alone.
    if (this.#isNew && started > FIRST_ITEMS) this.#beganAtMonotonic = Number.NEGATIVE_INFINITY
    if (started > 0) this.#beganAtMonotonic ??= this.#options.runtime.monotonicMs()
    this.#isNew = false
  }

  /**
   * At the end of a tick: where nothing is in PROCESSING and nothing waits, the next put begins a new run.
   *
   * @throws SluiceError as {@link Guards.record}
   */
  async noteEnd(processing: number): Promise<void> {
    const { run, pause, probe } = this.#store.state
    if (
      !this.#isNothingDue ||
      this.#isDelayed ||
      processing > 0 ||
      pause !== undefined ||
      probe !== undefined
    )
      return
    const isUntouched = !run.hasSucceeded && !run.hasFailed && run.ended === 0
    if (isUntouched) this.#beganAtMonotonic = undefined
    if (isUntouched) return
    // What failed may wait for its next attempt.
    if ((run.hasFailed || isCounting(this.#options.rule)) && (await this.#hasWaiting())) {
      this.#isDelayed = true
      return
    }
    this.#store.set(withNextRun(this.#store.state))
    this.#beganAtMonotonic = undefined
    await this.#save()
  }

  async #hasWaiting(): Promise<boolean> {
    const { items, cursor } = await this.#options.queue.listSummaries('WAITING', { limit: 1 })
    return items.length > 0 || cursor !== undefined
  }

  #save(): Promise<void> {
    return this.#store.store(async () => {
      const trip = this.#trip
      if (trip !== undefined) this.#store.set(withPause(this.#store.state, await this.#newPause(trip)))
    })
  }

  async #newPause(trip: Trip): Promise<StoredPause> {
    const { queue, rule } = this.#options
    const sinceAt = await queue.now()
    const { halfOpenMs } = rule
    // What halts a run, halts it.
    const isFinal = halfOpenMs === undefined || trip.guard === 'halt'
    return { ...trip, sinceAt, ...(isFinal ? {} : { halfOpenAt: sinceAt + halfOpenMs }), isApplied: false }
  }

  async #apply(control: ControlState): Promise<void> {
    const { pause } = this.#store.state
    if (pause === undefined) return
    // An operator's own pause keeps its reason.
    const pauses = this.#options.drain || !control.paused
    if (pauses) await this.#options.queue.control.pause(pauseText(pause))
    this.#store.set({ ...this.#store.state, pause: { ...pause, isApplied: true } })
    await this.#save()
    // Resumed just before: the resume is the later command.
    if (pauses && this.#store.state.pause === undefined) await this.#options.queue.control.resume()
    this.#report()
  }

  #report(): void {
    if (this.#isReported || this.pause === undefined) return
    this.#isReported = true
    this.#options.emit({ kind: 'breaker-open', breaker: this.pause })
  }
}

function hashesOf(items: ReadonlyMap<string, ItemSummary>): ReadonlySet<string> {
  return new Set([...items.values()].map(hashOfJob))
}
