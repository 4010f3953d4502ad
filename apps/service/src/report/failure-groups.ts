import type { ItemRecord } from '@sluice/core'
import { foldMessage } from '@sluice/engine'

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

/** A reason without what is peculiar to one item: its id, numbers, instants, hashes. Its first line is enough. */
export function foldReason(reason: string | undefined, id: string): string {
  const folded = foldMessage(reason ?? '', [id])
  return folded === '' ? '(no reason given)' : folded
}
