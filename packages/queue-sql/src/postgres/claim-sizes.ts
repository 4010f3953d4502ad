import { MAX_BATCH_CHARS } from '../calls/batch.js'
import type { ClaimedRow } from '../items/moves.js'

/** Of bodies in one claim, as in one put: a slow link carries no more in the time of a statement. */
export const MAX_CLAIM_BYTES = MAX_BATCH_CHARS
/** A claim that comes to this is not gone on with for the sake of its size. */
export const ENOUGH_CLAIM_BYTES = MAX_CLAIM_BYTES / 2

/** The largest body that there can be, in bytes of text: so many of them fit in any case. */
const MAX_BODY_BYTES = 1_048_576
/** The next items may be so many times larger on average before a claim that relies on their size is in vain. */
const MARGIN = 2
/** So many claims after one in vain go by the largest body, not by the average. */
const CAUTIOUS_CLAIMS = 64
const SINK = 0.9

/**
 * How many items a claim may take for their bodies to have no more than {@link MAX_CLAIM_BYTES}, by the bodies of this process's claims before. Most are
 * small, and the number is no limit then. A claim that has more all the same fails whole ({@link FITS}), and is made again for as many as fit in any case.
 *
 * The server does not choose by size: it would have to lock more rows than it takes, and whoever claims meanwhile would find nothing where there is something.
 */
export class ClaimSizes {
  #expectedBytes = MAX_BODY_BYTES
  #cautious = 0

  /** Items of the next claim, at most. */
  get most(): number {
    return Math.floor(MAX_CLAIM_BYTES / this.#expectedBytes)
  }

  note(rows: readonly Pick<ClaimedRow, 'body'>[]): void {
    if (rows.length === 0) return
    const sizes = rows.map(({ body }) => Buffer.byteLength(body))
    const average = sizes.reduce((sum, bytes) => sum + bytes, 0) / sizes.length
    if (this.#cautious === 0) this.#expect(average * MARGIN)
    else {
      this.#cautious -= 1
      this.#expect(sizes.reduce((most, bytes) => Math.max(most, bytes), this.#expectedBytes * SINK))
    }
  }

  /** A claim was in vain. */
  noteTooLarge(): void {
    this.#cautious = CAUTIOUS_CLAIMS
    this.#expect(MAX_BODY_BYTES)
  }

  #expect(bytes: number): void {
    this.#expectedBytes = Math.min(MAX_BODY_BYTES, Math.max(1, bytes))
  }
}

const TOO_MANY = 'bytes are too many for one claim'

/**
 * A column over the bodies that a statement has picked: true, or it fails the statement whole when they have more than the most. It adds up lengths, which
 * reads no body that is stored apart, beside a count that is made anyway.
 */
export const FITS = `case when coalesce(sum(octet_length(body)), 0) <= ${MAX_CLAIM_BYTES} then true
        else (sum(octet_length(body)) || ' ${TOO_MANY}')::boolean end as fits`

/** SQLSTATE invalid_text_representation. @see https://www.postgresql.org/docs/current/errcodes-appendix.html */
export function isTooLarge(error: unknown): boolean {
  return (
    error instanceof Error && 'code' in error && error.code === '22P02' && error.message.includes(TOO_MANY)
  )
}
