/** A lease as it is stored [Q-LEASE-3]. */
export interface LeaseView {
  readonly name: string
  readonly holder: string
  readonly fencingToken: number
  readonly ttlMs: number
  /**
   * How long it lives on without `renew`, in ms by the storage's clock; 0 or less: it ran out so long ago,
   * and was not taken since.
   */
  readonly leftMs: number
}

/** A lease that was taken. It is lost once it has run out; the next `renew` says so. */
export interface Lease {
  readonly name: string
  readonly holder: string
  /** Grows with each change of holder and never shrinks; the same holder renewing keeps it. */
  readonly fencingToken: number
  readonly ttlMs: number
  /**
   * Extends it to `ttlMs` from now. `false`: it is lost, to another holder or to time, and this object is of
   * no more use.
   *
   * @throws SluiceError SLUICE_QUEUE_CORRUPT where a newer release has upgraded the storage [Q-VERSION-1]
   */
  renew(): Promise<boolean>
  /** Gives it back at once if it is still held; otherwise nothing happens. */
  release(): Promise<void>
  /** The same as `release`, for `await using`. */
  [Symbol.asyncDispose](): Promise<void>
}
