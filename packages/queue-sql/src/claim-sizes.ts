import { MAX_BATCH_CHARS } from './batch.js'
import type { ClaimedRow } from './moves.js'

/** Of bodies in one claim, as in one put: a slow link carries no more in the time of a statement. One item goes in any case. */
export const MAX_CLAIM_BYTES = MAX_BATCH_CHARS

/** The largest body there can be, in bytes of text. */
const MAX_BODY_BYTES = 1_048_576
/** The next items may be so many times larger before a claim that relies on their size is in vain. */
const MARGIN = 4
/** A claim that is cut locks so many times as many rows as it is expected to take: others pass over them until it is done. */
const LOCKED = 2
/** How far what is expected sinks with each claim of smaller bodies. */
const SINK = 0.9

/** How a claim is to be made. */
export interface ClaimPlan {
  /** Rows that it locks at most. */
  readonly max: number
  /** Whether the statement looks at the sizes of bodies before it takes any, which costs it a look-up for each. */
  readonly isCut: boolean
}

/**
 * What the bodies of this process's next claim are expected to have, by those before: most claims are far below {@link MAX_CLAIM_BYTES}, and rely on it. One
 * that is above it after all fails whole, and is made again by size.
 */
export class ClaimSizes {
  /** Of a body; nothing is known before the first claim. */
  #expectedBytes = MAX_BODY_BYTES
  #isKnown = false

  plan(max: number): ClaimPlan {
    if (max * this.#expectedBytes * (this.#isKnown ? MARGIN : 1) <= MAX_CLAIM_BYTES)
      return { max, isCut: false }
    if (!this.#isKnown) return { max, isCut: true }
    const locked = Math.ceil((LOCKED * MAX_CLAIM_BYTES) / this.#expectedBytes)
    return { max: Math.min(max, locked), isCut: true }
  }

  /** What a claim gave. */
  note(rows: readonly Pick<ClaimedRow, 'body'>[]): void {
    if (rows.length === 0) return
    const average = rows.reduce((sum, { body }) => sum + body.length, 0) / rows.length
    const before = this.#isKnown ? this.#expectedBytes * SINK : 0
    this.#expectedBytes = Math.max(1, average, before)
    this.#isKnown = true
  }

  /** A claim was above the most all the same: nothing is known of what comes. */
  forget(): void {
    this.#isKnown = false
    this.#expectedBytes = MAX_BODY_BYTES
  }
}

const TOO_MANY = 'bytes are too many for one claim'

/** A part of a statement that fails it whole when what it picked is above the most; it adds up lengths, which reads no body. */
export function guardText(picked: string): string {
  return `(select case when coalesce(sum(octet_length(body)), 0) <= ${MAX_CLAIM_BYTES} then true
      else (sum(octet_length(body)) || ' ${TOO_MANY}')::boolean end from ${picked})`
}

/** SQLSTATE invalid_text_representation. @see https://www.postgresql.org/docs/current/errcodes-appendix.html */
export function isTooLarge(error: unknown): boolean {
  return (
    error instanceof Error && 'code' in error && error.code === '22P02' && error.message.includes(TOO_MANY)
  )
}
