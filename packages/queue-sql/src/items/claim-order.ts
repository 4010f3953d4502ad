import type { ClaimedRow } from './moves.js'

/**
 * The order of `get`: by priority, then since when available, then first put [Q-GET-1]. Sorted here, and not by the server, which would copy each body to
 * sort it; and over all statements of one call, since what a later one finds may come before what an earlier one found: a higher priority that was put in between,
 * or an item whose put took long to commit.
 */
export function inOrder(rows: readonly ClaimedRow[]): ClaimedRow[] {
  return rows.toSorted(
    (a, b) =>
      (b.priority ?? 0) - (a.priority ?? 0) ||
      (a.available_at ?? a.put_at) - (b.available_at ?? b.put_at) ||
      a.seq - b.seq,
  )
}
