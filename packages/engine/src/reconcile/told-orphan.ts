/** What was decided of a running job whose item doesn't wait for it; decided once, since the record of an attempt that is over does not change. */
export interface ToldOrphan {
  /** Of the job within the queue. */
  readonly name: string
  /** Why it is to be ended; absent: it is left alone. */
  readonly endFor?: 'cancelled' | 'unsent' | 'made-again'
  /** Told to end as often. */
  tries: number
  /** Not told again before this instant of the clock that never goes back. */
  dueAtMs: number
}
