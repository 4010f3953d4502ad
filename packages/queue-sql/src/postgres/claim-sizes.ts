import { MAX_BATCH_CHARS } from '../calls/batch.js'
import type { ClaimedRow } from '../items/moves.js'

/** The bodies of one claim, as of one put: a slow link carries no more within the time of a statement. */
export const MAX_CLAIM_BYTES = MAX_BATCH_CHARS
/** A claim of this size does not continue. */
export const ENOUGH_CLAIM_BYTES = MAX_CLAIM_BYTES / 2

/** The largest possible body, in bytes of text. */
const MAX_BODY_BYTES = 1_048_576
/** The average body of the next items may be this much larger before a claim of the expected size fails. */
const MARGIN = 2
/** Claims after a failed one that expect the largest body instead of the average. */
const CHECKED_CLAIMS = 64
const DECAY = 0.9

/**
 * Limits the items of a claim so that their bodies stay within {@link MAX_CLAIM_BYTES}, estimated from
 * earlier claims of this process. Most bodies are small, and the limit is then not reached. A claim that is
 * too large fails whole ({@link FITS}) and is repeated for as many items as always fit.
 *
 * The server does not choose by size: it would lock more rows than it takes, and a concurrent claim would
 * find nothing although items wait.
 */
export class ClaimSizes {
  #expectedBytes = MAX_BODY_BYTES
  #checkedLeft = 0

  /** The most items of the next claim. */
  get most(): number {
    return Math.floor(MAX_CLAIM_BYTES / this.#expectedBytes)
  }

  note(rows: readonly Pick<ClaimedRow, 'body'>[]): void {
    if (rows.length === 0) return
    const sizes = rows.map(({ body }) => Buffer.byteLength(body))
    const average = sizes.reduce((sum, bytes) => sum + bytes, 0) / sizes.length
    if (this.#checkedLeft === 0) this.#expect(average * MARGIN)
    else {
      this.#checkedLeft -= 1
      this.#expect(sizes.reduce((most, bytes) => Math.max(most, bytes), this.#expectedBytes * DECAY))
    }
  }

  /** A claim failed because it was too large. */
  noteTooLarge(): void {
    this.#checkedLeft = CHECKED_CLAIMS
    this.#expect(MAX_BODY_BYTES)
  }

  #expect(bytes: number): void {
    this.#expectedBytes = Math.min(MAX_BODY_BYTES, Math.max(1, bytes))
  }
}

const TOO_MANY = 'bytes are too many for one claim'

/**
 * A column over the picked bodies: true, or it fails the whole statement if they exceed
 * {@link MAX_CLAIM_BYTES}. It adds up lengths, which does not read bodies that are stored out of line
 * (TOAST).
 */
export const FITS = `case when coalesce(sum(octet_length(body)), 0) <= ${MAX_CLAIM_BYTES} then true
        else (sum(octet_length(body)) || ' ${TOO_MANY}')::boolean end as fits`

/**
 * SQLSTATE invalid_text_representation. @see https://www.postgresql.org/docs/current/errcodes-appendix.html
 */
export function isTooLarge(error: unknown): boolean {
  return (
    error instanceof Error && 'code' in error && error.code === '22P02' && error.message.includes(TOO_MANY)
  )
}
