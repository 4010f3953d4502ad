/**
 * Every code a {@link SluiceError} can have. The list is closed and under semantic versioning; messages are
 * free to change. What is retryable may be tried again unchanged and can then succeed.
 */
export const ERROR_CODES = {
  SLUICE_ITEM_EXISTS: { retryable: false, means: 'the id is in the queue already, in whatever stage' },
  SLUICE_ITEM_NOT_FOUND: {
    retryable: false,
    means: 'the queue has no item of this id, or the worker no log of this job',
  },
  SLUICE_STAGE_CONFLICT: {
    retryable: false,
    means: 'the item is not in the stage, or not at the attempt, that the move needs',
  },
  SLUICE_LEASE_LOST: {
    retryable: false,
    means:
      'the lease that the call was made under is held by another process, has run out, or was released: nothing changed',
  },
  SLUICE_QUEUE_CLOSED: { retryable: false, means: 'close() was called on this queue' },
  SLUICE_QUEUE_UNAVAILABLE: {
    retryable: true,
    means: 'the storage could not be reached or did not answer in time',
  },
  SLUICE_QUEUE_DENIED: {
    retryable: false,
    means: 'the storage refused the credentials or a permission is missing',
  },
  SLUICE_QUEUE_CORRUPT: {
    retryable: false,
    means: 'what is stored there is not a queue of ours, or is damaged',
  },
  SLUICE_JOB_REJECTED: { retryable: false, means: 'the worker can never accept this item: the item fails' },
  SLUICE_WORKER_UNAVAILABLE: {
    retryable: true,
    means: 'the worker could not be reached: no item fails for it',
  },
  SLUICE_WORKER_DENIED: { retryable: false, means: 'the worker refused the credentials: everything pauses' },
  SLUICE_WORKER_CLOSED: { retryable: false, means: 'close() was called on this worker' },
  SLUICE_CONFIG_INVALID: { retryable: false, means: 'an option or a configuration file is wrong' },
  SLUICE_INPUT_INVALID: { retryable: false, means: 'a manifest or an argument is wrong' },
  SLUICE_PACKAGE_MISSING: { retryable: false, means: 'a backend or worker package is not installed' },
} as const satisfies Record<string, { retryable: boolean; means: string }>

export type ErrorCode = keyof typeof ERROR_CODES

/** What a `putMany` had stored when it failed [Q-PUT-3]. */
export interface PartlyStored {
  /** Items that are new in the queue, and known to be stored. */
  readonly added: number
  /** Items that were there already, or came earlier in the same call. */
  readonly skipped: number
  /** Items whose write got no answer: stored or not. All others of the call are not stored. */
  readonly unknown: number
}

/**
 * Whose trouble a refused or failed call of a worker is. `item`: this one item's, others may go well ·
 * `worker`: everybody's, and never counts against an item · `capacity`: the worker works, and takes no more
 * for now.
 */
export type TroubleConcerns = 'item' | 'worker' | 'capacity'

export interface SluiceErrorOptions {
  readonly itemId?: string
  /**
   * Of what `sendJob` and `lookupJob` reject with. Absent: the worker's answer is not one that it knows
   * [W-SEND-2].
   */
  readonly concerns?: TroubleConcerns
  /** Of a `putMany` that failed: what of it is stored all the same. */
  readonly stored?: PartlyStored
  /** Overrides what the code says, for the rare case that knows better. */
  readonly retryable?: boolean
  /** How long the other side asked to be left alone, in ms. */
  readonly retryAfterMs?: number
  readonly cause?: unknown
}

const BRAND = Symbol.for('@sluice/error')

/**
 * The one error class of Sluice. Branch on `code`, or on `retryable`; never on the message. A caller's own
 * mistake is a bare `TypeError` instead.
 */
export class SluiceError<Code extends ErrorCode = ErrorCode> extends Error {
  override readonly name = 'SluiceError'
  readonly code: Code
  readonly retryable: boolean
  readonly itemId?: string
  readonly retryAfterMs?: number
  readonly stored?: PartlyStored
  readonly concerns?: TroubleConcerns

  constructor(code: Code, message: string, options: SluiceErrorOptions = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause })
    this.code = code
    this.retryable = options.retryable ?? ERROR_CODES[code].retryable
    if (options.itemId !== undefined) this.itemId = options.itemId
    if (options.retryAfterMs !== undefined) this.retryAfterMs = options.retryAfterMs
    if (options.stored !== undefined) this.stored = options.stored
    if (options.concerns !== undefined) this.concerns = options.concerns
    Object.defineProperty(this, BRAND, { value: true })
  }
}

/**
 * The same error, with what of the call is stored all the same; what isn't a {@link SluiceError} stays as it
 * is.
 */
export function withStored(error: unknown, stored: PartlyStored): unknown {
  if (!isSluiceError(error)) return error
  const { code, message, retryable, itemId, retryAfterMs, concerns, cause } = error
  return new SluiceError(code, message, {
    retryable,
    stored,
    ...(itemId === undefined ? {} : { itemId }),
    ...(retryAfterMs === undefined ? {} : { retryAfterMs }),
    ...(concerns === undefined ? {} : { concerns }),
    ...(cause === undefined ? {} : { cause }),
  })
}

/**
 * Whether a value is a {@link SluiceError}, of the given code if one is given. It looks for a brand rather
 * than the class, since two copies of this package may be loaded in one program.
 */
export function isSluiceError<Code extends ErrorCode = ErrorCode>(
  error: unknown,
  code?: Code,
): error is SluiceError<Code> {
  if (typeof error !== 'object' || error === null || !(BRAND in error)) return false
  return code === undefined || ('code' in error && error.code === code)
}
