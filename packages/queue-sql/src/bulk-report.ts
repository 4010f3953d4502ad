import type { SkippedItem, SkipReason } from '@sluice/core'

interface Mention {
  readonly id: string
}

/** Of the items of a bulk call those with a reason, in the order of the call [Q-BULK-1]. */
export function skippedOf<Reason extends SkipReason>(
  items: readonly Mention[],
  reasons: readonly (Reason | undefined)[],
): SkippedItem<Reason>[] {
  const skipped: SkippedItem<Reason>[] = []
  for (const [index, { id }] of items.entries()) {
    const reason = reasons[index]
    if (reason !== undefined) skipped.push({ id, reason })
  }
  return skipped
}

/** For each mention of an id the reason of the first one, or that it is not the first. */
export function reasonsById<Reason extends SkipReason>(
  items: readonly Mention[],
  known: ReadonlyMap<string, Reason | undefined>,
): (Reason | 'repeated' | undefined)[] {
  const seen = new Set<string>()
  return items.map(({ id }) => (seen.size < seen.add(id).size ? known.get(id) : 'repeated'))
}
