import type { CallGate } from '../calls/call-gate.js'
import type { Moves } from './moves.js'
import type { SqlStore } from '../sql-store.js'

/** Few enough that nobody waits long for the rows, or in SQLite for the file. */
const ROWS = 1_000

export interface ExpiryParts {
  readonly gate: CallGate
  readonly store: Pick<SqlStore, 'indexAges' | 'runtime'>
  readonly moves: Pick<Moves, 'expire'>
}

/**
 * Removes finished items by their age, some at a time and each batch a transaction, so that a sweep that is cut off has done what it has
 * done. It rests as long as it works: in SQLite the others would else hardly ever find the file free.
 *
 * The cost is that of what is removed: an index leads to the oldest, and each batch starts where the last one ended, past the entries of
 * what is gone.
 *
 * @returns how many were removed
 */
export async function expireItems({ gate, store, moves }: ExpiryParts, retentionMs: number): Promise<number> {
  const { runtime } = store
  // SQLite answers without ever leaving the event loop's turn: one sweep after another must not keep all others of this process out.
  await runtime.yield()
  await gate.run('make the index of ages', () => store.indexAges())
  let removed = 0
  for (let fromMs = 0; ;) {
    const startedAtMonotonic = runtime.monotonicMs()
    const order = { retentionMs, fromMs, max: ROWS }
    const batch = await gate.run('remove old items', () => moves.expire(order))
    removed += batch.removed
    if (batch.removed < ROWS || batch.lastMs === null) return removed
    fromMs = batch.lastMs
    await runtime.sleep(runtime.monotonicMs() - startedAtMonotonic)
  }
}
