import type { SkipReason, SkippedItem } from '../../items/queue.js'

interface Mention {
  readonly id: string
}

/**
 * The mentions of a bulk call whose ids did not come before in it: they count, and the others are repeated
 * [Q-BULK-1].
 */
export function firstMentions<T extends Mention>(mentions: readonly T[]): readonly T[] {
  if (mentions.length < 2) return mentions
  const seen = new Set<string>()
  for (const { id } of mentions) seen.add(id)
  if (seen.size === mentions.length) return mentions
  return mentions.filter(({ id }) => seen.delete(id))
}

/**
 * The mentions that changed nothing, in the order of the call [Q-BULK-1].
 *
 * @param firsts their {@link firstMentions}
 * @param refusals why, by id, for those of `firsts` that changed nothing
 */
export function skippedOf<T extends Mention, Reason extends SkipReason>(
  mentions: readonly T[],
  firsts: readonly T[],
  refusals: ReadonlyMap<string, Reason>,
): SkippedItem<Reason | 'repeated'>[] {
  if (firsts.length === mentions.length && refusals.size === 0) return []
  const counted = new Set(firsts)
  return mentions.flatMap((mention): SkippedItem<Reason | 'repeated'>[] => {
    const { id } = mention
    const reason = counted.delete(mention) ? refusals.get(id) : 'repeated'
    return reason === undefined ? [] : [{ id, reason }]
  })
}
