/** How one tick is to be done. */
export interface TickOptions {
  /** From its abort on the tick begins no more sends, and gives claims back that were not sent; what has ended is still settled. */
  readonly signal?: AbortSignal
}

/** How an engine is to be stopped. */
export interface StopOptions {
  /** A tick that has not ended by then is given up, in ms, 0 or more. Default 10,000. */
  readonly deadlineMs?: number
}

export const DEFAULT_DEADLINE_MS = 10_000
