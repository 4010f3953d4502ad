import { SluiceError } from '@sluice/core'

/**
 * The longest part of a key between two slashes: the limit of stores that keep objects as files (MinIO,
 * SeaweedFS, Versity).
 */
export const MAX_SEGMENT_BYTES = 255
/** The longest key, by S3's own rules. */
const MAX_KEY_BYTES = 1_024

/** How long the keys of a queue may be: at first the known limits, then what this store refuses. */
export class KeyLimits {
  #maxSegmentBytes = MAX_SEGMENT_BYTES

  #takenBytes = 0

  /** The store has taken a key that is as long. */
  taken(key: string): void {
    this.#takenBytes = Math.max(this.#takenBytes, longestSegment(key))
  }

  /** Whether the store is known to take a key of this length. */
  isTaken(key: string): boolean {
    return longestSegment(key) <= this.#takenBytes
  }

  /** The store has refused this key for its length. */
  refused(key: string): void {
    this.#maxSegmentBytes = Math.min(this.#maxSegmentBytes, longestSegment(key) - 1)
  }

  /**
   * Checks the keys of an item before any of it is written.
   *
   * @param call what cannot be done to it otherwise
   * @throws SluiceError SLUICE_CONFIG_INVALID
   */
  assertFit(id: string, keys: readonly string[], call: 'put' | 'update' = 'put'): void {
    for (const key of keys) {
      const fits = longestSegment(key) <= this.#maxSegmentBytes && Buffer.byteLength(key) <= MAX_KEY_BYTES
      if (!fits) throw keyTooLong(id, key, { call })
    }
  }
}

/** SLUICE_CONFIG_INVALID for an item whose name the store refuses. */
export function keyTooLong(
  id: string,
  key: string,
  { call = 'put', cause }: { readonly call?: 'put' | 'update'; readonly cause?: unknown } = {},
): SluiceError {
  const kept = call === 'put' ? 'Nothing of it is stored' : 'It is unchanged'
  return new SluiceError(
    'SLUICE_CONFIG_INVALID',
    `Cannot ${call} item ${JSON.stringify(id)}: the store takes no key with a part of ${longestSegment(key)} bytes between two slashes ` +
      `(${Buffer.byteLength(key)} in all), which the item needs. ${kept}. Use a store that takes ${MAX_SEGMENT_BYTES} ` +
      'bytes there, or a shorter id or prefix',
    { itemId: id, ...(cause === undefined ? {} : { cause }) },
  )
}

function longestSegment(key: string): number {
  return Math.max(...key.split('/').map((segment) => Buffer.byteLength(segment)))
}
