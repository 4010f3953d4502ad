import { isSluiceError, type Runtime, type Logger, type Queue } from '@sluice/core'
import type { LoweredLimit } from '../backpressure/effective-limit.js'
import type { LeaseKeeper } from '../tick/lease-keeper.js'
import { settingsOf, type DispatchPolicy } from '../policies/dispatch-policy.js'
import type { Holdup } from '../holdups/holdup.js'
import type { CallWatch } from '../watchdog/call-watch.js'
import {
  loweredLimitOf,
  parseDispatcher,
  sentWellOf,
  toJson,
  type DispatcherState,
} from './dispatcher-document.js'
import { DISPATCHER_DOCUMENT } from './document-names.js'

export interface DispatcherRecordOptions {
  readonly queue: Pick<Queue, 'document' | 'now'>
  readonly lease: Pick<LeaseKeeper, 'current'>
  readonly leaseTtlMs: number
  readonly runtime: Pick<Runtime, 'monotonicMs'>
  readonly logger: Logger
  /** It is recorded as data. Default: what the document has. */
  readonly policy?: DispatchPolicy
  /** Of its engine: after that was given up, every write of this record rejects. */
  readonly calls?: Pick<CallWatch, 'isAbandoned'>
}

/** A change of the record; absent fields stay as they were. */
export interface DispatcherNote {
  readonly is?: DispatcherState['is']
  readonly syncedTo?: number
  readonly holdups?: readonly Holdup[]
  readonly atMost?: number | undefined
  /** `none`: only the policy limits. Absent: as before. */
  readonly lowered?: LoweredLimit | 'none'
}

type StoredDocument = Awaited<ReturnType<ReturnType<Queue['document']>['read']>> & object
type SentWell = NonNullable<DispatcherState['sentWell']>

/** How often the item that was sent is updated: it should still exist when it is needed. */
const SENT_WELL_MS = 600_000

/** After a denied write the next try is this much later: permissions don't change in a second. */
const DENIED_MS = 600_000

/**
 * Keeps the document that says who dispatches, for one engine. It is written only when it has changed.
 * Failures to read or write it stop nothing: it is for observers, and no item depends on it.
 */
export class DispatcherRecord {
  readonly #options: DispatcherRecordOptions
  /** As it is stored, by this engine, under this fencing token. */
  #stored: DispatcherState | undefined
  #version: number | undefined
  /** What was read at the beginning of a term, for the first write of it. */
  #before: { readonly fencingToken: number; readonly found: StoredDocument | undefined } | undefined
  #sentWell: SentWell | undefined
  #sentWellAtMonotonic = Number.NEGATIVE_INFINITY
  #isFailing = false
  /** What the storage's clock is ahead of this machine's monotonic one. */
  #clockAheadMs: number | undefined
  #writing: Promise<void> = Promise.resolve()
  #deniedUntilMonotonic = Number.NEGATIVE_INFINITY

  constructor(options: DispatcherRecordOptions) {
    this.#options = options
  }

  /** The `syncedTo` in the document: the answer to `control.sync()`. */
  get syncedTo(): number | undefined {
    return this.#stored?.syncedTo
  }

  /** An item that was sent, by this engine or an earlier one. */
  get sentWell(): SentWell | undefined {
    return this.#sentWell
  }

  /** An item was sent. Noted often and stored rarely. */
  noteSentWell({ id, uid }: SentWell): void {
    const nowMonotonic = this.#options.runtime.monotonicMs()
    if (this.#sentWell !== undefined && nowMonotonic - this.#sentWellAtMonotonic < SENT_WELL_MS) return
    this.#sentWell = { id, uid }
    this.#sentWellAtMonotonic = nowMonotonic
  }

  /**
   * The lowered limit that the dispatcher before has recorded. What is read serves the first write of the
   * term too.
   *
   * @throws SluiceError of the queue
   */
  async readLowered(fencingToken: number): Promise<LoweredLimit | undefined> {
    const found = await this.#options.queue.document(DISPATCHER_DOCUMENT).read()
    this.#before = { fencingToken, found }
    return loweredLimitOf(found?.value)
  }

  /**
   * Adds a holdup until the next {@link DispatcherRecord.write}. Never rejects: steps that need the lease
   * renew it themselves.
   */
  async add(holdup: Holdup): Promise<void> {
    const others = (this.#stored?.holdups ?? []).filter(({ code }) => code !== holdup.code)
    await this.write({ holdups: [holdup, ...others] }).catch(() => {
      // The lease is lost: another engine writes the document now.
    })
  }

  /**
   * Writes changes. Without a lease nothing is written: another engine writes the document then.
   *
   * @throws SluiceError SLUICE_LEASE_LOST
   */
  async write(note: DispatcherNote): Promise<void> {
    const { runtime } = this.#options
    if (runtime.monotonicMs() < this.#deniedUntilMonotonic) return
    // One after the other: each is based on what the one before has stored.
    const writing = this.#writing.then(() => this.#write(note))
    this.#writing = writing.catch(() => {
      // Its own caller gets the error.
    })
    try {
      await writing
      this.#isFailing = false
    } catch (error) {
      if (isSluiceError(error, 'SLUICE_LEASE_LOST')) throw error
      this.#stored = undefined
      if (isSluiceError(error, 'SLUICE_QUEUE_DENIED'))
        this.#deniedUntilMonotonic = runtime.monotonicMs() + DENIED_MS
      this.#reportFailing(error)
    }
  }

  async #write(note: DispatcherNote): Promise<void> {
    const { queue, lease } = this.#options
    const { current } = lease
    if (current === undefined) return
    const document = queue.document(DISPATCHER_DOCUMENT)
    const before =
      this.#stored?.fencingToken === current.fencingToken ? this.#stored : await this.#begin(current)
    const state = this.#next(before, note)
    if (before === this.#stored && isSame(before, state)) return
    const isWritten = await document.write(toJson(state), { ifVersion: this.#version, lease: current })
    // Not written: another process wrote it, and it is read again before the next write.
    this.#stored = isWritten ? state : undefined
    // The versions of a document that was removed go on [Q-DOC-2].
    if (this.#version === undefined) this.#version = (await document.read())?.version
    else this.#version += 1
  }

  /** The first state of a new dispatcher, based on that of the one before. */
  async #begin({ holder, fencingToken }: { holder: string; fencingToken: number }): Promise<DispatcherState> {
    const { queue, leaseTtlMs, runtime } = this.#options
    const known = this.#before?.fencingToken === fencingToken ? this.#before : undefined
    this.#before = undefined
    const found = known === undefined ? await queue.document(DISPATCHER_DOCUMENT).read() : known.found
    const last = parseDispatcher(found?.value)
    this.#version = found?.version
    this.#sentWell ??= sentWellOf(found?.value)
    if (last?.fencingToken === fencingToken && last.holder === holder) return last
    const sinceAt = await queue.now()
    this.#clockAheadMs = sinceAt - runtime.monotonicMs()
    const lowered = last?.lowered === undefined ? {} : { lowered: last.lowered }
    return { holder, fencingToken, is: 'working', sinceAt, leaseTtlMs, syncedTo: 0, holdups: [], ...lowered }
  }

  #next(
    {
      atMost: before,
      sentWell: lastWell,
      policy: lastPolicy,
      lowered: lastLowered,
      ...last
    }: DispatcherState,
    { is = 'working', syncedTo, holdups, atMost = before, lowered = lastLowered ?? 'none' }: DispatcherNote,
  ): DispatcherState {
    const sentWell = this.#sentWell ?? lastWell
    const { policy: own } = this.#options
    const policy = own === undefined ? lastPolicy : settingsOf(own)
    // Always in this order: changes are found by comparing the text.
    return {
      ...last,
      is,
      syncedTo: syncedTo ?? last.syncedTo,
      holdups: holdups === undefined ? last.holdups : this.#dated(holdups, last.holdups),
      ...(atMost === undefined ? {} : { atMost }),
      ...(policy === undefined ? {} : { policy }),
      ...(lowered === 'none' ? {} : { lowered }),
      ...(sentWell === undefined ? {} : { sentWell }),
    }
  }

  /** A holdup that continues keeps its beginning. */
  #dated(holdups: readonly Holdup[], before: readonly Holdup[]): Holdup[] {
    const ahead = this.#clockAheadMs
    const now = ahead === undefined ? undefined : Math.round(this.#options.runtime.monotonicMs() + ahead)
    return holdups.map((holdup) => {
      const sinceAt = holdup.sinceAt ?? before.find(({ code }) => code === holdup.code)?.sinceAt ?? now
      return sinceAt === undefined ? holdup : { ...holdup, sinceAt }
    })
  }

  #reportFailing(error: unknown): void {
    if (this.#options.calls?.isAbandoned === true) return
    const level = this.#isFailing ? 'debug' : 'warn'
    this.#isFailing = true
    const what = 'the document that says who dispatches could not be written: `status` may be out of date'
    this.#options.logger[level]({ err: error }, what)
  }
}

/** Changes of a holdup's remaining time, and small changes of its number of items, are no reason to write. */
function isSame(one: DispatcherState, other: DispatcherState): boolean {
  return comparable(one) === comparable(other)
}

function comparable(state: DispatcherState): string {
  return JSON.stringify(state, (key, value: unknown) => {
    if (key === 'forMs') return undefined
    // Only when the number of items doubles or halves.
    return key === 'items' && typeof value === 'number' ? Math.floor(Math.log2(value + 1)) : value
  })
}
