/**
 * What operators have set for a queue's services. It lives in the queue's store, so that it outlives them
 * all.
 */
export interface ControlState {
  readonly paused: boolean
  /** Why it is paused. */
  readonly reason?: string
  /** Epoch ms of the storage's clock. */
  readonly pausedAt?: number
  /** Live limits by name, such as `maxProcessing`; what isn't here is as the service was configured. */
  readonly limits: Readonly<Record<string, number>>
  /** How often {@link QueueControl.sync} was called, 0 or absent for never. */
  readonly syncs?: number
}

/**
 * Reads and changes the {@link ControlState}. Writers on several machines don't undo each other: each call
 * changes its own part [Q-CTRL-1].
 */
export interface QueueControl {
  read(): Promise<ControlState>
  /** No new jobs start; those that run are followed to their end. */
  pause(reason?: string): Promise<void>
  resume(): Promise<void>
  /**
   * Sets limits by name, each a number of 0 or more; `null` takes one away. Names that aren't mentioned stay
   * as they are.
   */
  setLimits(limits: Readonly<Record<string, number | null>>): Promise<void>
  /**
   * Asks the dispatching service to report when everything is over that it began before it could know what is
   * stored now: it notes the number in its document once each send that had begun by then has ended
   * [Q-CTRL-2].
   *
   * @returns the number, one more than the last
   */
  sync(): Promise<number>
}

/** The live limit that `processingLimit` obeys. */
export const MAX_PROCESSING_LIMIT = 'maxProcessing'
