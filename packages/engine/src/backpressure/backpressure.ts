import type { Logger, Runtime, SluiceError } from '@sluice/core'
import { isOutage } from '../engine-errors.js'
import type { Holdup } from '../holdups/holdup.js'
import type { PendingJob } from '../reconcile/pending.js'
import type { DispatcherRecord } from '../records/dispatcher-record.js'
import type { WorkEvent } from '../work-event.js'
import { RecentCount } from './recent-count.js'
import type { BackpressureRule } from './backpressure-options.js'
import { EffectiveLimit, type LoweredLimit, type Pushback } from './effective-limit.js'
import { LimitReports, type LimitChange } from './limit-reports.js'
import {
  fullPushback,
  isOverload,
  latencyPushback,
  pendingPushback,
  refusedPushback,
  type RefusedSends,
  type UnclearSends,
} from './pushback.js'
import { SendLatency } from './send-latency.js'

export interface BackpressureParts {
  readonly rule: BackpressureRule
  readonly record: Pick<DispatcherRecord, 'readLowered'>
  readonly runtime: Pick<Runtime, 'monotonicMs'>
  readonly logger: Logger
  readonly emit: (event: WorkEvent) => void
}

/** The places at the end of a pass. */
export interface PassPlaces {
  /** Unfinished jobs; claims without a job are not counted. */
  readonly unfinished: number
  /** The most that policy and live limits allow, `Infinity` without a limit. */
  readonly most: number
}

/**
 * Lowers the limit on unfinished jobs while the worker pushes back, and lets it return afterwards. The limit
 * is recorded for the next engine: a restart must not fill the places at once that were given up.
 */
export class Backpressure {
  readonly #parts: BackpressureParts
  readonly #limit: EffectiveLimit
  readonly #latency = new SendLatency()
  readonly #reports = new LimitReports()
  readonly #accepted: RecentCount
  #most: number | undefined
  #refused: RefusedSends | undefined
  #full: RefusedSends | undefined
  #fullAt = 0
  #unclear: UnclearSends | undefined
  #pending: readonly PendingJob[] = []
  #term: number | undefined

  constructor(parts: BackpressureParts) {
    this.#parts = parts
    const { rule } = parts
    this.#limit = new EffectiveLimit(rule === 'off' ? 1 : rule.minLimit)
    this.#accepted = new RecentCount(rule === 'off' ? 0 : rule.pendingMs)
  }

  /** As it is reported: to the log, to the record, in holdups. `undefined`: only the policy limits. */
  get lowered(): LoweredLimit | undefined {
    return this.#reports.last
  }

  /**
   * At the beginning of a term as dispatcher, what the one before has recorded is read; nothing to do
   * otherwise. Never rejects for an outage: without the record, the limit is learned again.
   */
  resume(fencingToken: number | undefined): Promise<void> | undefined {
    if (this.#parts.rule === 'off' || fencingToken === undefined || fencingToken === this.#term)
      return undefined
    this.#term = fencingToken
    this.#refused = undefined
    this.#latency.drop()
    return this.#read(fencingToken)
  }

  async #read(fencingToken: number): Promise<void> {
    const { record, runtime, logger } = this.#parts
    try {
      const lowered = await record.readLowered(fencingToken)
      if (lowered === undefined) return
      this.#limit.resume(lowered, runtime.monotonicMs())
      this.#reports.resume(lowered)
      logger.info({ limit: lowered.limit }, `continues with the effective limit of ${lowered.limit}`)
    } catch (error) {
      if (!isOutage(error)) throw error
      logger.debug({ err: error }, 'the effective limit of the last dispatcher could not be read')
    }
  }

  /** How many more jobs may start; `Infinity` where only the policy limits. */
  room(unfinished: number): number {
    if (this.#limit.lowered === undefined) return Number.POSITIVE_INFINITY
    return Math.max(0, this.#limit.at(this.#parts.runtime.monotonicMs()) - unfinished)
  }

  /** A call has started so many jobs. */
  noteSent(jobs: number, beganAtMonotonic: number): void {
    if (this.#parts.rule === 'off') return
    const nowMonotonic = this.#parts.runtime.monotonicMs()
    this.#latency.note((nowMonotonic - beganAtMonotonic) / jobs, nowMonotonic)
    this.#accepted.note(jobs, nowMonotonic)
  }

  /**
   * A send failed for the worker's trouble, or with a `Retry-After`. A worker that is full, and works, is not
   * overloaded: see {@link CapacityGate}.
   */
  noteRefused({ message }: SluiceError): void {
    this.#refused = { message: oneLine(message) }
  }

  /** The worker said that it is full. */
  noteFull({ message }: SluiceError): void {
    this.#full = { message: oneLine(message) }
  }

  /** The worker accepts jobs again. */
  noteFullOver(): void {
    this.#fullAt = 0
  }

  /** The send of an item that never failed before failed in unknown words. */
  noteUnclear({ message }: SluiceError): void {
    this.#unclear = { sends: (this.#unclear?.sends ?? 0) + 1, message: oneLine(message) }
  }

  /** Of the poll of this pass. */
  notePending(jobs: readonly PendingJob[]): void {
    this.#pending = jobs
  }

  /** Judges the pass, in which so many sends succeeded, and lowers or raises the limit. */
  endPass(sent: number, places: () => PassPlaces): void {
    const { rule, runtime } = this.#parts
    if (rule === 'off') return
    const nowMonotonic = runtime.monotonicMs()
    if (this.#unclear !== undefined && isOverload(this.#unclear, sent)) this.#refused ??= this.#unclear
    this.#unclear = undefined
    const latency = this.#latency.read(nowMonotonic)
    if (this.#isQuiet && (latency === undefined || latency.nowMs <= rule.slowSendMs)) return
    const { unfinished, most } = places()
    const slow = latency === undefined ? { isHeld: false } : latencyPushback(rule, latency, unfinished)
    const pending = this.#judgePending(rule, unfinished, nowMonotonic)
    const refused = this.#refused && refusedPushback(this.#refused, unfinished)
    this.#refused = undefined
    const pushback = lowest([refused, this.#judgeFull(unfinished), slow.pushback, pending.pushback])
    if (pushback !== undefined) this.#latency.drop()
    const isHeld = slow.isHeld || pending.isHeld
    this.#limit.step({ nowMonotonic, unfinished, most, pushback, isHeld })
    this.#report(most, nowMonotonic)
  }

  /** The holdup while the limit is reached. */
  holdup(unfinished: number): Holdup | undefined {
    const { last } = this.#reports
    if (last === undefined || this.room(unfinished) > 0) return undefined
    return { code: 'backpressure', message: loweredText(last, this.#most) }
  }

  /** Neither is anything lowered, nor has the worker shown anything: the rule for a worker that is well. */
  get #isQuiet(): boolean {
    return (
      this.#limit.lowered === undefined &&
      this.#refused === undefined &&
      this.#full === undefined &&
      this.#pending.length < 2
    )
  }

  #judgeFull(unfinished: number): Pushback | undefined {
    const full = this.#full
    if (full === undefined) return undefined
    this.#full = undefined
    const pushback = fullPushback(full, unfinished, this.#fullAt)
    this.#fullAt = Math.max(this.#fullAt, unfinished)
    return pushback
  }

  #judgePending(
    rule: Exclude<BackpressureRule, 'off'>,
    unfinished: number,
    nowMonotonic: number,
  ): { pushback?: Pushback; isHeld: boolean } {
    const longest = this.#pending.reduce<PendingJob | undefined>(
      (one, other) => (one === undefined || other.pendingMs > one.pendingMs ? other : one),
      undefined,
    )
    return pendingPushback(rule, {
      unfinished,
      pendingMs: this.#pending.map(({ pendingMs }) => pendingMs),
      acceptedOfLate: this.#accepted.read(nowMonotonic),
      message: longest?.report.message,
    })
  }

  #report(most: number, nowMonotonic: number): void {
    const { logger, emit } = this.#parts
    const { lowered } = this.#limit
    this.#most = Number.isFinite(most) ? most : undefined
    const change = this.#reports.take({ nowMonotonic, limit: this.#limit.at(nowMonotonic), most, lowered })
    if (change === undefined) return
    if (change === 'over') {
      logger.info({}, 'the worker pushes back no more: the effective limit is that of the policy again')
      emit({ kind: 'backpressure-over' })
      return
    }
    const { limit, before, reason, cause } = change
    const isLower = before === undefined || limit < before
    const level = before === undefined ? 'warn' : 'info'
    logger[level]({ limit, cause }, isLower ? loweredLog(change) : raisedLog(change))
    emit({ kind: 'backpressure', limit, cause, reason, ...ofChange(change) })
  }
}

function ofChange({ before, most }: LimitChange): { before?: number; atMost?: number } {
  return {
    ...(before === undefined ? {} : { before }),
    ...(most === undefined ? {} : { atMost: most }),
  }
}

function loweredLog({ limit, before, most, reason }: LimitChange): string {
  return `the effective limit is lowered from ${before ?? most ?? 'none'} to ${limit}: ${reason}`
}

function raisedLog({ limit, before, most }: LimitChange): string {
  const of = most === undefined ? '' : ` of ${most}`
  return `the effective limit is raised from ${before ?? 'none'} to ${limit}${of}: the worker pushes back less`
}

/** Such as `limit 200 lowered to 80: 429 Too Many Requests`. */
export function loweredText({ limit, reason }: LoweredLimit, most: number | undefined): string {
  return `limit ${most === undefined ? '' : `${most} `}lowered to ${limit}: ${reason}`
}

function lowest(pushbacks: readonly (Pushback | undefined)[]): Pushback | undefined {
  return pushbacks.filter((one) => one !== undefined).toSorted((one, other) => one.target - other.target)[0]
}

/** Longest reason, in characters. */
const MAX_REASON_CHARS = 300

function oneLine(text: string): string {
  return text.replaceAll(/\s+/gu, ' ').trim().slice(0, MAX_REASON_CHARS)
}
