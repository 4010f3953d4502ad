import type { ControlState, ItemSummary, SluiceError } from '@sluice/core'
import type { Tick } from '../tick/tick.js'
import { roomForClaimed } from '../policies/rooms.js'
import type { DecidedSettlement } from '../settling/settle.js'
import type { Tally } from '../tick/tick-result.js'
import { ControlWatch } from './control-watch.js'
import type { Flight } from '../sending/flights.js'
import { FreshClaims } from './fresh-claims.js'
import { FEW_FAILURES } from '../sending/worker-trust.js'

/**
 * Why nothing more is sent in a pass. `lease`: another engine may dispatch · `queue`: the storage can't be
 * used · `stop`: this engine stops · `less`, `more`: the control has changed; with `less` claims go back ·
 * `guard`: this engine is about to pause the queue, since the same refusal occurred too often · `worker`: an
 * outage · `doubt`: many items failed in a row although a probe succeeded, or a call was rejected as a whole
 * · `capacity`, `retry-after`: the worker accepts no more for now · `busy`: slow sends of earlier passes hold
 * all places.
 */
export type Halt =
  | 'lease'
  | 'queue'
  | 'stop'
  | 'less'
  | 'more'
  | 'guard'
  | 'worker'
  | 'doubt'
  | 'capacity'
  | 'retry-after'
  | 'busy'

/** A failed send that counts as the item's trouble, unless others fail too. */
export interface Suspect {
  readonly item: ItemSummary
  readonly error: unknown
  /** Sends that had succeeded by then. */
  readonly successes: number
}

/** The control as the tick has read it, and what is called when it is read again. */
export interface PassControl {
  readonly state: ControlState
  /** When that read began, by the monotonic clock. */
  readonly readAtMonotonic: number
  readonly onRead: (control: ControlState) => void
}

/** The sends of one tick. */
export class SendPass {
  readonly tally: Tally
  readonly claims: FreshClaims
  readonly #rejected: DecidedSettlement[] = []
  readonly #left = new Map<Flight, () => void>()
  readonly #tick: Tick
  readonly #watch: ControlWatch
  #width = Number.POSITIVE_INFINITY
  readonly #unsent = new Map<string, ItemSummary>()
  #suspects: Suspect[] = []
  #control: ControlState
  #halt: Halt | undefined
  readonly #failures: unknown[] = []
  #inFlight = 0
  readonly #sends = new Set<Promise<void>>()
  #waiting: (() => void)[] = []
  #kept = 0
  /** Items that had never failed before, and whose sends began. */
  freshSends = 0
  /** The one probe of the pass. */
  probe: Promise<'well' | 'failed' | 'impossible'> | undefined
  #outage: SluiceError | undefined
  #isPuzzling = false

  constructor(tick: Tick, { state, readAtMonotonic, onRead }: PassControl) {
    this.tally = tick.tally
    this.#tick = tick
    this.#control = state
    const { queue, runtime, sendState } = tick
    this.claims = new FreshClaims(queue, runtime)
    const watch = {
      queue,
      runtime,
      onTick: () => this.#leaveStragglers(),
      onRead: (read: ControlState) => {
        onRead(read)
        this.#noteControl(read)
      },
      onError: (error: unknown) => this.fail(error),
    }
    this.#watch = new ControlWatch(watch, readAtMonotonic)
    this.#carryOver(sendState.pass)
    sendState.pass = this
    sendState.trust.beginPass()
    sendState.capacity.beginPass()
    if (sendState.retryAfter.leftMs(runtime.monotonicMs()) > 0) this.halt('retry-after')
  }

  /** After ended jobs are settled: each end makes room at a full worker. */
  measureCapacity(): void {
    const { sendState, runtime } = this.#tick
    this.#width = sendState.capacity.places(runtime.monotonicMs())
    if (this.#width === 0) this.halt('capacity')
  }

  /** As it was read last. */
  get control(): ControlState {
    return this.#control
  }

  get halted(): Halt | undefined {
    if (this.#tick.stop.requested) this.halt('stop')
    return this.#halt
  }

  /** Items that are claimed and whose sends have not begun. */
  get unsent(): readonly ItemSummary[] {
    return [...this.#unsent.values()]
  }

  /** Sends in flight go on; no more begin. The first reason stands. */
  halt(why: Halt): void {
    this.#halt ??= why
    this.wake()
  }

  /** The worker accepts nothing, and it is no item's trouble: all keep their claims. */
  noteOutage(error: SluiceError, why: 'known' | 'unknown words' = 'known'): void {
    this.#outage ??= error
    this.#isPuzzling ||= why === 'unknown words'
    this.halt('worker')
  }

  /** The outage that the sends met; no item failed for it. */
  get outage(): SluiceError | undefined {
    return this.#outage
  }

  /** An outage that only the failures themselves show. */
  get isPuzzling(): boolean {
    return this.#isPuzzling
  }

  /** The storage can't be used: the pass ends, and then rejects with this. */
  fail(error: unknown): void {
    this.#failures.push(error)
    this.halt('queue')
  }

  /** The control is no longer watched. */
  stop(): void {
    this.#watch.stop()
  }

  /** @throws what {@link SendPass.fail} was given */
  assertWhole(): void {
    if (this.#failures.length > 0) throw this.#failures[0]
  }

  /** They are claimed, and will be sent. */
  expect(items: readonly ItemSummary[]): void {
    for (const item of items) this.#unsent.set(item.uid, item)
  }

  /** So many items keep their claims, and are not sent in this pass. */
  keep(items: number): void {
    this.#kept += items
  }

  /** Claims that have no job, as far as it is known. */
  get withoutJob(): number {
    return this.#unsent.size + this.#kept
  }

  /** Its send begins, or it is known to have been moved. */
  noteBegun({ uid }: Pick<ItemSummary, 'uid'>): void {
    this.#unsent.delete(uid)
  }

  noteSuspect(suspect: Suspect): void {
    this.#suspects.push(suspect)
  }

  /** Failed sends are not judged yet. */
  get hasSuspects(): boolean {
    return this.#suspects.length > 0
  }

  noteRejected(decided: DecidedSettlement): void {
    this.#rejected.push(decided)
    const { guards } = this.#tick
    guards.noteRejected(decided.settlement)
    if (guards.isTripped) this.halt('guard')
  }

  /** Its body does not fit the queue's schema, or its deadline is over: no refusal of the worker. */
  noteInvalid(decided: DecidedSettlement): void {
    this.#rejected.push(decided)
    const { guards } = this.#tick
    guards.noteEnds([decided])
    if (guards.isTripped) this.halt('guard')
  }

  takeRejected(): readonly DecidedSettlement[] {
    return this.#rejected.splice(0)
  }

  /** Another engine has dispatched since: it finds out the outcomes of these sends. */
  dropOutcomes(): void {
    this.takeSuspects()
    this.takeRejected()
  }

  /** Resolves when the call that these flights are of has ended, or is left to itself for taking too long. */
  async untilLeft(flights: readonly Flight[], ended: Promise<void>): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>()
    for (const flight of flights) this.#left.set(flight, resolve)
    await Promise.race([ended, promise])
    for (const flight of flights) this.#left.delete(flight)
  }

  takeSuspects(): readonly Suspect[] {
    const suspects = this.#suspects
    this.#suspects = []
    return suspects
  }

  /**
   * Waits for places in flight. There are only a few while no send has succeeded, and after failures in a
   * row.
   *
   * @param wanted how many sends wait for places, 1 or more
   * @returns how many of them may begin; for as many {@link SendPass.leave} is to be called. 0: none in this
   * pass
   */
  async enter(wanted: number): Promise<number> {
    while (this.halted === undefined && this.#inFlight >= this.#places()) {
      // No send of this pass would free a place.
      if (this.#inFlight === 0) this.halt('busy')
      const { promise, resolve } = Promise.withResolvers<void>()
      this.#waiting.push(resolve)
      await promise
    }
    if (this.halted !== undefined) return 0
    const places = Math.min(wanted, this.#places() - this.#inFlight)
    this.#inFlight += places
    return places
  }

  /** Sends that the pass waits for before it ends. */
  track(ended: Promise<void>): void {
    this.#sends.add(ended)
    void ended.then(() => this.#sends.delete(ended))
  }

  get isSending(): boolean {
    return this.#sends.size > 0
  }

  async sendsEnded(): Promise<void> {
    await Promise.all(this.#sends)
  }

  leave(places: number): void {
    this.#inFlight -= places
    this.wake()
  }

  /** Resolves once the control was read recently. */
  controlIsCurrent(): Promise<void> {
    return this.#watch.current()
  }

  #places(): number {
    const { sendConcurrency, maxJobsPerSend, sendState } = this.#tick
    const { trust, flights } = sendState
    const others = flights.size - this.#left.size
    const most = trust.inDoubt || trust.isSuspect ? FEW_FAILURES : sendConcurrency * maxJobsPerSend
    return Math.min(this.#width, most - others)
  }

  #leaveStragglers(): void {
    const { sendState, runtime } = this.#tick
    for (const flight of sendState.stragglers(runtime.monotonicMs())) this.#left.get(flight)?.()
  }

  #carryOver(before: SendPass | undefined): void {
    if (before === undefined) return
    this.#suspects = [...before.takeSuspects()]
    this.#rejected.push(...before.takeRejected())
  }

  /** A place may be free. */
  wake(): void {
    const waiting = this.#waiting
    this.#waiting = []
    for (const wake of waiting) wake()
  }

  #noteControl(read: ControlState): void {
    const before = this.#control
    this.#control = read
    const [least, most] = [total(this.#tick, before), total(this.#tick, read)]
    if (read.paused || (most < least && this.surplus() > 0)) this.halt('less')
    else if (most > least || read.syncs !== before.syncs) this.halt('more')
  }

  /** How many of the unsent claims there is no room for. */
  surplus(): number {
    if (this.#control.paused) return this.#unsent.size
    const { processing, orphans } = this.tally
    const begun = processing - this.#unsent.size
    const room = roomForClaimed(this.#tick, { processing: begun, orphans, limits: this.#control.limits })
    return Math.max(0, this.#unsent.size - room)
  }
}

/** How many jobs the policy allows in total. */
function total(tick: Tick, { limits }: ControlState): number {
  return roomForClaimed(tick, { processing: 0, orphans: 0, limits })
}
