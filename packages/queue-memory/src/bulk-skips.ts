import { isSameJson, type JsonValue, type SkipReason, type SkippedItem } from '@sluice/core'

/** What `putMany` says of an item that is there already [Q-PUT-4]. */
export function compared(stored: JsonValue, given: JsonValue): 'exists-same' | 'exists-changed' {
  return isSameJson(stored, given) ? 'exists-same' : 'exists-changed'
}

/** Does a bulk call mention by mention: each id once, what `skip` says of it as the reason why not [Q-BULK-1]. */
export function skippedOf<T, R extends SkipReason>(
  mentions: readonly T[],
  idOf: (mention: T) => string,
  skip: (mention: T) => R | undefined,
): SkippedItem<R | 'repeated'>[] {
  const seen = new Set<string>()
  return mentions.flatMap((mention) => {
    const id = idOf(mention)
    const reason = seen.has(id) ? 'repeated' : skip(mention)
    seen.add(id)
    return reason === undefined ? [] : [{ id, reason }]
  })
}
