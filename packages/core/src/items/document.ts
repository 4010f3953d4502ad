import type { JsonValue } from '../json/json.js'
import type { Lease } from './lease.js'

/** A document as it was read. */
export interface DocumentVersion {
  readonly value: JsonValue
  /**
   * A whole number, 1 or more. Each write makes it exactly one more, and it never repeats: a document that
   * was removed and written again goes on above the number that it had [Q-DOC-2].
   */
  readonly version: number
}

export interface DocumentWriteOptions {
  /** The version that the new value is made from; `undefined`: the document does not exist. */
  readonly ifVersion: number | undefined
  /**
   * The write holds only under this lease, an object that `lease()` of the same queue gave. Compared in the
   * write itself where `supports.fencedClaims` says so, else right before it [Q-DOC-3].
   */
  readonly lease?: Lease
}

export interface DocumentRemoveOptions {
  /** Only this version. Default: whatever is there. */
  readonly ifVersion?: number
  readonly lease?: Lease
}

/**
 * A small durable value beside the items of a queue, changed by compare-and-set: what several processes of
 * one queue must agree on, or must know of an earlier one. The object is a handle; nothing is read or written
 * before a call.
 *
 * @example
 * ```ts
 * import { openQueue } from '@sluice/queue-memory'
 *
 * const queue = await openQueue({ name: 'tiles' })
 * const rates = queue.document('reports/rates')
 * const found = await rates.read()
 * const isWritten = await rates.write({ perSecond: 12 }, { ifVersion: found?.version })
 * ```
 */
export interface QueueDocument {
  readonly name: string

  /**
   * The current value, or `undefined`: it was never written, or was removed. It shows every write that
   * returned before [Q-DOC-1].
   */
  read(): Promise<DocumentVersion | undefined>

  /**
   * Replaces the value if the version is still the one that was read; all or nothing. Of several concurrent
   * writes of one version exactly one returns `true` [Q-DOC-2]. Repeated after a lost answer it returns
   * `false`: read again.
   *
   * @param value any JSON value up to the queue's `supports.maxBodyBytes`
   * @returns `false` when the version is another; nothing changed
   * @throws SluiceError SLUICE_LEASE_LOST when the lease is no longer held; nothing changed [Q-DOC-3]
   */
  write(value: JsonValue, options: DocumentWriteOptions): Promise<boolean>

  /**
   * Removes it; it is then neither read nor listed.
   *
   * @returns `false` when there is none, or it has another version
   * @throws SluiceError SLUICE_LEASE_LOST as for `write`
   */
  remove(options?: DocumentRemoveOptions): Promise<boolean>
}

/** Longest name of a document, in bytes of UTF-8. */
export const MAX_DOCUMENT_NAME_BYTES = 128
