import type { ItemRecord } from '@sluice/core'

/** Failures that differ only in numbers, ids and the like. */
export interface FailureGroup {
  /** The reason with `…` where the members differ. */
  readonly reason: string
  readonly count: number
  /** The id of one of them. */
  readonly example: string
}

/** Reasons that all differ must not fill the memory. */
const MAX_GROUPS = 10_000
const OTHER = '(other reasons)'

/** Groups failures by what their reasons have in common. */
export class FailureGroups {
  readonly #groups = new Map<string, { count: number; example: string }>()

  add(item: Pick<ItemRecord, 'id' | 'reason'>): void {
    const folded = foldReason(item.reason, item.id)
    const room = this.#groups.size < MAX_GROUPS || this.#groups.has(folded)
    const key = room ? folded : OTHER
    const group = this.#groups.get(key)
    if (group === undefined) this.#groups.set(key, { count: 1, example: item.id })
    else group.count += 1
  }

  /** The largest first. */
  top(count: number): FailureGroup[] {
    const groups = [...this.#groups].map(([reason, group]) => ({ reason, ...group }))
    return groups.toSorted((a, b) => b.count - a.count || (a.reason < b.reason ? -1 : 1)).slice(0, count)
  }

  get size(): number {
    return this.#groups.size
  }
}

const FOLDS: readonly (readonly [RegExp, string])[] = [
  [/\b[0-9a-f]{8}-(?:[0-9a-f]{4}-){3}[0-9a-f]{12}\b/giu, '…'],
  [/\b\d{4}-\d\d-\d\d[T ]\d\d:\d\d(?::\d\d(?:\.\d+)?)?(?:Z|[+-]\d\d:?\d\d)?/gu, '…'],
  // Hexadecimal of some length, if a digit shows that it is no word.
  [/\b(?=[0-9a-f]*\d)[0-9a-f]{8,}\b/giu, '…'],
  [/\b0x[0-9a-f]+\b/giu, '…'],
  [/\d+(?:[.,]\d+)*/gu, '…'],
]

/** A reason without what is peculiar to one item: its id, numbers, instants, hashes. Its first line is enough. */
export function foldReason(reason: string | undefined, id: string): string {
  const line = (reason ?? '').trim().split('\n', 1)[0] ?? ''
  if (line === '') return '(no reason given)'
  let folded = withoutId(line, id)
  for (const [pattern, by] of FOLDS) folded = folded.replaceAll(pattern, by)
  return folded.length > 200 ? `${folded.slice(0, 199).toWellFormed()}…` : folded
}

/** A short id only where it stands alone: the letters of `a` or `it` are in many words. */
function withoutId(line: string, id: string): string {
  if (id.length >= 8) return line.replaceAll(id, '…')
  const literal = id.replaceAll(/[\\^$.*+?()[\]{}|/]/gu, String.raw`\$&`)
  return line.replaceAll(new RegExp(`(?<![\\p{L}\\p{N}])${literal}(?![\\p{L}\\p{N}])`, 'gu'), '…')
}
