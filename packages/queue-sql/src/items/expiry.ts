import type { CallGate } from '../calls/call-gate.js'
import type { SqlStore } from '../sql-store.js'
import type { Moves } from './moves.js'

/**
 * Items of one transaction: few enough that other processes do not wait long for the rows, or in SQLite for
 * the file.
 */
const ROWS = 1_000

export interface ExpiryParts {
  readonly gate: CallGate
  readonly store: Pick<SqlStore, 'indexAges' | 'runtime'>
  readonly moves: Pick<Moves, 'expire'>
}

/**
 * Removes finished items by age in batches, each a transaction, so that an interrupted sweep keeps its work.
 * It pauses for as long as each batch took: in SQLite other processes would otherwise rarely get the write
 * lock.
 *
 * The cost is that of the removed items: an index leads to the oldest, and each batch starts where the last
 * one ended, after the dead index entries.
 *
 * @param signal stops it between two batches: it rejects with the signal's reason
 * @returns the number of removed items
 */
export async function expireItems(
  { gate, store, moves }: ExpiryParts,
  retentionMs: number,
  signal?: AbortSignal,
): Promise<number> {
  const { runtime } = store
  // SQLite answers within one turn of the event loop: consecutive sweeps must not block it.
  await runtime.yield()
  await gate.run('create the index of ages', () => store.indexAges())
  let removed = 0
  for (let fromAt = 0; ;) {
    signal?.throwIfAborted()
    const startedAtMonotonic = runtime.monotonicMs()
    const order = { retentionMs, fromAt, max: ROWS }
    const batch = await gate.run('remove old items', () => moves.expire(order))
    removed += batch.removed
    if (batch.removed < ROWS || batch.lastAt === null) return removed
    fromAt = batch.lastAt
    await runtime.sleep(runtime.monotonicMs() - startedAtMonotonic, signal)
  }
}
