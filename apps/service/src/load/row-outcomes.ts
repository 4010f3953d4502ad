import type { NewItem, SkippedItem, SkipReason } from '@sluice/core'
import { isSameJson } from '@sluice/core/backend'

/** The outcome of a row that was not added. */
export type RowFate = 'same' | 'changed' | 'duplicate' | 'duplicate-changed' | 'exists'

/** A row of a batch that was not added. */
export interface RowOutcome {
  /** Its index in the batch. */
  readonly index: number
  readonly fate: RowFate
}

export interface PutBatch {
  readonly items: readonly NewItem[]
  /** Rows whose id may be in an earlier batch. */
  readonly suspects: ReadonlySet<number>
  /** Whether bodies are compared. */
  readonly compare: boolean
}

/**
 * Classifies the rows of a batch that the storage did not add. The storage decides: a suspect that was added
 * is no duplicate.
 *
 * @param skipped as `putMany` returned it, in the order of the batch [Q-BULK-1]
 */
export function outcomesOf(batch: PutBatch, skipped: readonly SkippedItem[]): RowOutcome[] {
  if (skipped.length === 0) return []
  const firsts = skipped.some(({ reason }) => reason === 'repeated') ? firstRows(batch.items) : undefined
  const outcomes: RowOutcome[] = []
  /** First rows of repeated ids that were changed. */
  const changedFirsts = new Set<number>()
  let next = 0
  for (const [index, { id }] of batch.items.entries()) {
    const skip = skipped[next]
    if (skip === undefined) break
    const first = firsts?.get(id) ?? index
    if (skip.id !== id || (skip.reason === 'repeated') !== first < index) continue
    next += 1
    const fate =
      first < index
        ? repeatedFate(batch, { index, first, changedFirsts })
        : fateOf(skip.reason, batch.suspects.has(index))
    if (fate === 'changed' || fate === 'duplicate-changed') changedFirsts.add(index)
    outcomes.push({ index, fate })
  }
  return outcomes
}

function firstRows(items: readonly NewItem[]): ReadonlyMap<string, number> {
  const firsts = new Map<string, number>()
  for (const [index, { id }] of items.entries()) if (!firsts.has(id)) firsts.set(id, index)
  return firsts
}

function fateOf(reason: SkipReason, isSuspect: boolean): RowFate {
  if (reason === 'exists-changed') return isSuspect ? 'duplicate-changed' : 'changed'
  if (isSuspect) return 'duplicate'
  return reason === 'exists-same' ? 'same' : 'exists'
}

/** The stored body is the first row's, unless that row was not added because its body differed. */
function repeatedFate(
  { items, compare }: PutBatch,
  row: { readonly index: number; readonly first: number; readonly changedFirsts: ReadonlySet<number> },
): RowFate {
  if (!compare) return 'duplicate'
  if (row.changedFirsts.has(row.first)) return 'duplicate-changed'
  const [one, other] = [items[row.first], items[row.index]]
  return one !== undefined && other !== undefined && isSameJson(one.body, other.body)
    ? 'duplicate'
    : 'duplicate-changed'
}
