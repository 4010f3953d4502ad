import { isSameJson, type NewItem, type SkippedItem, type SkipReason } from '@sluice/core'

/** What a row is called that was not added. */
export type RowFate = 'same' | 'changed' | 'duplicate' | 'duplicate-changed' | 'exists'

/** A row of a batch that was not added. */
export interface RowOutcome {
  /** In the batch. */
  readonly index: number
  readonly fate: RowFate
}

export interface PutBatch {
  readonly items: readonly NewItem[]
  /** Rows whose id may have come in an earlier batch. */
  readonly suspects: ReadonlySet<number>
  /** Whether bodies are compared. */
  readonly compare: boolean
}

/**
 * Names the rows of a batch that the storage did not add. Its answer decides what a row is: a suspect that was added is no duplicate.
 *
 * @param skipped as `putMany` gave it, in the order of the batch [Q-BULK-1]
 */
export function outcomesOf(batch: PutBatch, skipped: readonly SkippedItem[]): RowOutcome[] {
  if (skipped.length === 0) return []
  const firsts = skipped.some(({ reason }) => reason === 'repeated') ? firstRows(batch.items) : undefined
  const outcomes: RowOutcome[] = []
  /** Of rows that others of the batch repeat. */
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

/** The storage compares with what it has, which is the first row's body unless that row was not added for having another one. */
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
