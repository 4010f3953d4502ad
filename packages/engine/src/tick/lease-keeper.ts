import type { Runtime, Lease, Queue } from '@sluice/core'
import type { CallWatch } from '../watchdog/call-watch.js'

/** The name of the lease whose holder dispatches and reconciles. */
export const DISPATCHER_LEASE = 'dispatcher'

export interface LeaseKeeperOptions {
  readonly queue: Pick<Queue, 'lease'>
  readonly holder: string
  readonly ttlMs: number
  readonly runtime: Runtime
  /** Watches the calls for one that never ends. Default: unwatched. */
  readonly calls?: Pick<CallWatch, 'run'>
}

/**
 * Holds the dispatcher's lease for one engine. Whether it is held is judged by this process's monotonic
 * clock, from before the call that took or renewed it: the storage can't have started the ttl earlier, so the
 * lease ends here before it ends there.
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

  /**
   * The fencing token of the lease that was held last: with a new one, another holder may have been there in
   * between.
   */
  get fencingToken(): number | undefined {
    return this.#fencingToken
  }

  /**
   * The lease, for calls of the queue that are valid only under it [Q-GET-5, Q-DOC-3]: the storage refuses an
   * expired one.
   */
  get current(): Lease | undefined {
    return this.#lease
  }

  /** Whether it is held now, without a call. */
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
   * Renews the lease when a third of its life is over. Called in a tick before every action that only the
   * holder may start: two thirds of the ttl then remain. It never takes a lost lease again: another holder
   * may have worked in between, even if it has stopped since, and what the tick has read is outdated.
   * Concurrent calls make one request.
   *
   * @returns whether it is held, and has been without a gap
   */
  keep(): Promise<boolean> {
    if (this.held && this.#options.runtime.monotonicMs() < this.#renewAtMonotonic)
      return Promise.resolve(true)
    this.#renewing ??= this.#renew().finally(() => {
      this.#renewing = undefined
    })
    return this.#renewing
  }

  /**
   * Gives it back, so that another engine can take it at once. The call is unwatched: it is the last one,
   * also after a stall.
   */
  async giveBack(): Promise<void> {
    const lease = this.#lease
    this.#lease = undefined
    await lease?.release()
  }

  /**
   * The storage has reported it lost: another engine may hold it, and what this tick has read is outdated.
   */
  noteLost(): void {
    this.#lease = undefined
  }

  async #renew(): Promise<boolean> {
    if (this.#lease === undefined) return false
    const beforeMonotonic = this.#options.runtime.monotonicMs()
    const lease = this.#lease
    const isRenewed = await this.#watched('renew', () => lease.renew())
    // Given back, or taken again, while the answer was on its way.
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
