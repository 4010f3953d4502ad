import type { SkipReason, SkippedItem } from '@sluice/core'

/** What became of one item of a bulk call: `done`, or why it was left as it was. */
export type BulkVerdict<R extends SkipReason> = 'done' | R

/**
 * The mentions of a bulk call whose ids did not come before in it: they count, and the others are repeated
 * [Q-BULK-1].
 */
export function firstMentions<T extends { readonly id: string }>(mentions: readonly T[]): readonly T[] {
  const seen = new Set<string>()
  return mentions.filter(({ id }) => {
    if (seen.has(id)) return false
    seen.add(id)
    return true
  })
}

/**
 * The mentions that changed nothing, in the order of the call.
 *
 * @param verdicts those of {@link firstMentions}, in their order
 */
export function skippedMentions<R extends SkipReason>(
  mentions: readonly { readonly id: string }[],
  verdicts: readonly BulkVerdict<R>[],
): SkippedItem<R | 'repeated'>[] {
  const firsts = new Set(firstMentions(mentions))
  const left = verdicts.values()
  return mentions.flatMap((mention): SkippedItem<R | 'repeated'>[] => {
    const { id } = mention
    if (!firsts.has(mention)) return [{ id, reason: 'repeated' }]
    const { value: verdict = 'done' } = left.next()
    return isDone(verdict) ? [] : [{ id, reason: verdict }]
  })
}

function isDone<R extends SkipReason>(verdict: BulkVerdict<R>): verdict is 'done' {
  return verdict === 'done'
}
