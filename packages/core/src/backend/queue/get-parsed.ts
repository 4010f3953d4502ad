import type { QueueItem } from '../../items/item.js'
import type { Settlement } from '../../items/queue.js'
import type { BodyParser, ParsedItem } from './body-parser.js'

const SCHEMA_FAILED = 'not given out: the schema of the bodies failed'

export interface ParsedClaims {
  readonly parser: BodyParser
  readonly claim: (maxItems: number) => Promise<QueueItem[]>
  readonly settle: (moves: readonly Settlement[]) => Promise<unknown>
}

/**
 * Claims items until there are enough whose bodies fit, or nothing waits. An item whose body does not fit
 * becomes FAIL of class `invalid-body`. Where the schema itself fails, the item goes back to its place,
 * uncounted. Crash points: killed while the schema runs, or before the moves are stored, the items are in
 * PROCESSING without a job, as after any claim, and are parsed again before they are sent.
 *
 * @throws TypeError with a `cause` when the schema failed and no item fits; what else the claim or the moves
 * reject with, when no item fits
 */
export async function getParsed(claims: ParsedClaims, maxItems: number): Promise<QueueItem[]> {
  const fit: QueueItem[] = []
  for (;;) {
    const { items, goesOn, failure } = await parseRound(claims, maxItems - fit.length).catch(failedRound)
    fit.push(...items)
    // What fits is claimed, and must reach the caller.
    if (failure !== undefined && fit.length === 0) throw failure.error
    if (failure !== undefined || fit.length >= maxItems || !goesOn) return fit
  }
}

interface Round {
  readonly items: readonly QueueItem[]
  readonly goesOn: boolean
  /** Why no more is claimed. */
  readonly failure?: { readonly error: unknown }
}

function failedRound(error: unknown): Round {
  return { items: [], goesOn: false, failure: { error } }
}

async function parseRound({ parser, claim, settle }: ParsedClaims, maxItems: number): Promise<Round> {
  const claimed = await claim(maxItems)
  const parsed = await Promise.all(claimed.map((item) => parser.parseItem(item)))
  const items = parsed.filter((one) => isFit(one)).map(({ item }) => item)
  const moves = parsed.flatMap(moveOf)
  const failed = parsed.find((one) => 'error' in one)
  try {
    if (moves.length > 0) await settle(moves)
  } catch (error) {
    return { items, goesOn: false, failure: { error } }
  }
  return { items, goesOn: claimed.length > 0, ...(failed && { failure: { error: failed.error } }) }
}

function isFit(parsed: ParsedItem): boolean {
  return !('error' in parsed) && !('reason' in parsed)
}

function moveOf(parsed: ParsedItem): Settlement[] {
  const { id, attempt, uid } = parsed.item
  if ('error' in parsed)
    return [{ id, attempt, uid, stage: 'WAITING', unsent: true, keepPlace: true, reason: SCHEMA_FAILED }]
  if (!('reason' in parsed)) return []
  return [
    {
      id,
      attempt,
      uid,
      stage: 'FAIL',
      failureClass: 'invalid-body',
      reason: `the body does not fit the schema: ${parsed.reason}`,
    },
  ]
}
