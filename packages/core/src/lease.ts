/** A lease that was taken. Who lets it run out has lost it, and finds out at the next `renew`. */
export interface Lease {
  readonly name: string
  readonly holder: string
  /** Grows with each change of holder and never shrinks; the same holder renewing keeps it. */
  readonly fence: number
  readonly ttlMs: number
  /**
   * Extends it to `ttlMs` from now. `false`: it is lost, to somebody else or to time, and this object is of no more use.
   *
   * @throws SluiceError SLUICE_QUEUE_CORRUPT where a newer release has upgraded the storage [Q-VERSION-1]
   */
  renew(): Promise<boolean>
  /** Gives it back at once if it is still held; otherwise nothing happens. */
  release(): Promise<void>
}
