import type { Runtime, Lease, Queue } from '@sluice/core'
import type { CallWatch } from '../watchdog/call-watch.js'

/** The name of the lease whose holder dispatches and reconciles. */
export const DISPATCHER_LEASE = 'dispatcher'

export interface LeaseKeeperOptions {
  readonly queue: Pick<Queue, 'lease'>
  readonly holder: string
  readonly ttlMs: number
  readonly runtime: Runtime
  /** Notes the calls, so that one that never ends is found. Default: nobody does. */
  readonly calls?: Pick<CallWatch, 'run'>
}

/**
 * Holds the dispatcher's lease for one engine. That it is held is judged by this machine's own monotonic clock, from before the
 * call that took or renewed it: the storage can't have begun to count earlier, so the lease is over here before it is there.
 */
export class LeaseKeeper {
  readonly #options: LeaseKeeperOptions
  #lease: Lease | undefined
  #fencingToken: number | undefined
  #renewAtMonotonic = 0
  #endsAtMonotonic = 0
  #renewing: Promise<boolean> | undefined

  constructor(options: LeaseKeeperOptions) {
    this.#options = options
  }

  /** The fencing token of the lease that was held last: a new number says that another holder may have been there in between. */
  get fencingToken(): number | undefined {
    return this.#fencingToken
  }

  /** The lease, for calls of the queue that are to hold only under it [Q-GET-5, Q-DOC-3]: one that has run out is refused there. */
  get current(): Lease | undefined {
    return this.#lease
  }

  /** Whether it is held at this instant, without asking anybody. */
  get held(): boolean {
    return this.#lease !== undefined && this.#options.runtime.monotonicMs() < this.#endsAtMonotonic
  }

  /**
   * Takes the lease, or renews it when a third of its life is over: at the start of a tick.
   *
   * @returns whether it is held
   */
  async take(): Promise<boolean> {
    if (await this.keep()) return true
    await this.#take()
    return this.held
  }

  /**
   * Renews the lease when a third of its life is over. Called within a tick before each thing that only the holder may start: of what
   * is started then, two thirds of the lease lie ahead. It never takes a lease that was lost: another may have worked in between, even
   * if it has stopped since, and then what the tick has read is no longer so. Any number of calls at once ask the storage once.
   *
   * @returns whether it is held, and has been without a gap
   */
  keep(): Promise<boolean> {
    if (this.held && this.#options.runtime.monotonicMs() < this.#renewAtMonotonic) return Promise.resolve(true)
    this.#renewing ??= this.#renew().finally(() => {
      this.#renewing = undefined
    })
    return this.#renewing
  }

  /** Gives it back, so that another can have it at once. Nobody watches over this call: it is the last one, and made after a stall too. */
  async giveBack(): Promise<void> {
    const lease = this.#lease
    this.#lease = undefined
    await lease?.release()
  }

  /** The storage has said that it is lost: another may hold it, and what this tick has read is no longer so. */
  noteLost(): void {
    this.#lease = undefined
  }

  async #renew(): Promise<boolean> {
    if (this.#lease === undefined) return false
    const beforeMonotonic = this.#options.runtime.monotonicMs()
    const lease = this.#lease
    const isRenewed = await this.#watched('renew', () => lease.renew())
    // Given back, or taken anew, while the answer was on its way.
    if (this.#lease !== lease) return false
    if (isRenewed) this.#heldFrom(beforeMonotonic)
    else this.#lease = undefined
    return this.held
  }

  async #take(): Promise<void> {
    const { queue, holder, ttlMs, runtime } = this.#options
    const beforeMonotonic = runtime.monotonicMs()
    const lease = await this.#watched('lease', () => queue.lease(DISPATCHER_LEASE, holder, ttlMs))
    if (lease === undefined) return
    this.#lease = lease
    this.#fencingToken = lease.fencingToken
    this.#heldFrom(beforeMonotonic)
  }

  #watched<T>(method: string, call: () => Promise<T>): Promise<T> {
    const { calls } = this.#options
    return calls === undefined ? call() : calls.run({ of: 'queue', method, subject: 'the lease' }, call)
  }

  #heldFrom(beforeMonotonic: number): void {
    const { ttlMs } = this.#options
    this.#renewAtMonotonic = beforeMonotonic + ttlMs / 3
    this.#endsAtMonotonic = beforeMonotonic + ttlMs
  }
}
