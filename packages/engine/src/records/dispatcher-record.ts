import { isSluiceError, type Runtime, type Logger, type Queue } from '@sluice/core'
import type { LeaseKeeper } from '../tick/lease-keeper.js'
import type { Holdup } from '../holdups/holdup.js'
import type { CallWatch } from '../watchdog/call-watch.js'
import { parseDispatcher, sentWellOf, toJson, type DispatcherState } from './dispatcher-document.js'
import { DISPATCHER_DOCUMENT } from './document-names.js'

export interface DispatcherRecordOptions {
  readonly queue: Pick<Queue, 'document' | 'now'>
  readonly lease: Pick<LeaseKeeper, 'current'>
  readonly leaseTtlMs: number
  readonly runtime: Pick<Runtime, 'monotonicMs'>
  readonly logger: Logger
  /** Of the engine that it speaks for: once it is given up, a record of its own says so, and this one gets through to nothing. */
  readonly calls?: Pick<CallWatch, 'isAbandoned'>
}

/** What the engine has to say of itself; what isn't given stays as it was. */
export interface DispatcherNote {
  readonly is?: DispatcherState['is']
  readonly syncedTo?: number
  readonly holdups?: readonly Holdup[]
  readonly atMost?: number | undefined
}

type SentWell = NonNullable<DispatcherState['sentWell']>

/** The item that was sent well is to be there still when it is needed; one write in so long keeps it so. */
const SENT_WELL_MS = 600_000

/** A permission that is missing is not there a second later. */
const DENIED_MS = 600_000

/**
 * Keeps the document that says who dispatches, for one engine. It is written only when it changed, and that it can't be read or written stops nothing:
 * it is what others look at, and no item hangs on it.
 */
export class DispatcherRecord {
  readonly #options: DispatcherRecordOptions
  /** As it is stored, by this engine, under this fencing token. */
  #stored: DispatcherState | undefined
  #version: number | undefined
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

  /** How far the document says that this engine is with what was asked of it by `control.sync()`. */
  get syncedTo(): number | undefined {
    return this.#stored?.syncedTo
  }

  /** An item that was sent well, by this engine or by one before. */
  get sentWell(): SentWell | undefined {
    return this.#sentWell
  }

  /** An item was sent well. Noted often and stored seldom. */
  noteSentWell({ id, uid }: SentWell): void {
    const nowMonotonic = this.#options.runtime.monotonicMs()
    if (this.#sentWell !== undefined && nowMonotonic - this.#sentWellAtMonotonic < SENT_WELL_MS) return
    this.#sentWell = { id, uid }
    this.#sentWellAtMonotonic = nowMonotonic
  }

  /** One more thing that holds the queue back, until the next {@link DispatcherRecord.write}. Never rejects: whoever needs the lease asks for it. */
  async tell(holdup: Holdup): Promise<void> {
    const others = (this.#stored?.holdups ?? []).filter(({ code }) => code !== holdup.code)
    await this.write({ holdups: [holdup, ...others] }).catch(() => {
      // The lease is lost: another engine's word counts now.
    })
  }

  /**
   * Writes what is new. Under no lease nothing is written: another engine's word counts then.
   *
   * @throws SluiceError SLUICE_LEASE_LOST
   */
  async write(note: DispatcherNote): Promise<void> {
    const { runtime } = this.#options
    if (runtime.monotonicMs() < this.#deniedUntilMonotonic) return
    // One after the other: each goes on from what the one before has stored.
    const writing = this.#writing.then(() => this.#write(note))
    this.#writing = writing.catch(() => {
      // Its own caller is told.
    })
    try {
      await writing
      this.#isFailing = false
    } catch (error) {
      if (isSluiceError(error, 'SLUICE_LEASE_LOST')) throw error
      this.#stored = undefined
      if (isSluiceError(error, 'SLUICE_QUEUE_DENIED')) this.#deniedUntilMonotonic = runtime.monotonicMs() + DENIED_MS
      this.#tellFailing(error)
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
    // Not written: somebody else has, and what stands there is read again before the next write.
    this.#stored = isWritten ? state : undefined
    // One that was removed before goes on above the number that it had [Q-DOC-2].
    if (this.#version === undefined) this.#version = (await document.read())?.version
    else this.#version += 1
  }

  /** The first word of a new dispatcher: it goes on from what the one before has left. */
  async #begin({ holder, fencingToken }: { holder: string; fencingToken: number }): Promise<DispatcherState> {
    const { queue, leaseTtlMs, runtime } = this.#options
    const found = await queue.document(DISPATCHER_DOCUMENT).read()
    const last = parseDispatcher(found?.value)
    this.#version = found?.version
    this.#sentWell ??= sentWellOf(found?.value)
    if (last?.fencingToken === fencingToken && last.holder === holder) return last
    const sinceAt = await queue.now()
    this.#clockAheadMs = sinceAt - runtime.monotonicMs()
    return { holder, fencingToken, is: 'working', sinceAt, leaseTtlMs, syncedTo: 0, holdups: [] }
  }

  #next(
    { atMost: before, sentWell: lastWell, ...last }: DispatcherState,
    { is = 'working', syncedTo, holdups, atMost = before }: DispatcherNote,
  ): DispatcherState {
    const sentWell = this.#sentWell ?? lastWell
    // Always in this order: whether anything changed is told by the text.
    return {
      ...last,
      is,
      syncedTo: syncedTo ?? last.syncedTo,
      holdups: holdups === undefined ? last.holdups : this.#dated(holdups, last.holdups),
      ...(atMost === undefined ? {} : { atMost }),
      ...(sentWell === undefined ? {} : { sentWell }),
    }
  }

  /** What goes on has begun when it was first told of. */
  #dated(holdups: readonly Holdup[], before: readonly Holdup[]): Holdup[] {
    const ahead = this.#clockAheadMs
    const now = ahead === undefined ? undefined : Math.round(this.#options.runtime.monotonicMs() + ahead)
    return holdups.map((holdup) => {
      const sinceAt = holdup.sinceAt ?? before.find(({ code }) => code === holdup.code)?.sinceAt ?? now
      return sinceAt === undefined ? holdup : { ...holdup, sinceAt }
    })
  }

  #tellFailing(error: unknown): void {
    if (this.#options.calls?.isAbandoned === true) return
    const level = this.#isFailing ? 'debug' : 'warn'
    this.#isFailing = true
    const what = 'the document that says who dispatches could not be written: `status` may be out of date'
    this.#options.logger[level]({ err: error }, what)
  }
}

/** How long a holdup lasts, and how many items it concerns while their number is as large as it was, change with every look and are no reason to write. */
function isSame(one: DispatcherState, other: DispatcherState): boolean {
  return comparable(one) === comparable(other)
}

function comparable(state: DispatcherState): string {
  return JSON.stringify(state, (key, value: unknown) => {
    if (key === 'forMs') return undefined
    // A write at each step of a count that goes up and down would cost more than the number is worth.
    return key === 'items' && typeof value === 'number' ? Math.floor(Math.log2(value + 1)) : value
  })
}
