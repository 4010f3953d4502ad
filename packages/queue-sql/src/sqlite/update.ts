import type { ChangeRow } from '../items/moves.js'
import { all } from './run.js'
import type { SqliteWrites, WaitingPlace } from './writes.js'

interface Place extends WaitingPlace {
  readonly not_before_at: number | null
}

/** An item that waits, and the place in the batch of what is to be changed of it. */
interface ChangeableRow extends Place {
  readonly turn: number
}

/**
 * The update of {@link SqliteMoves}: no claim runs beside its transaction, and one that comes later reads what is stored [Q-UPDATE-1].
 *
 * @returns the ids that were changed
 */
export async function updateInSqlite(writes: SqliteWrites, rows: readonly ChangeRow[]): Promise<string[]> {
  const { texts, queueId } = writes
  const asked = JSON.stringify(rows.map(({ id, uid }) => [id, uid]))
  return writes.write(async (trx) => {
    const found = await all<ChangeableRow>(trx, texts.changeable, [asked, queueId])
    if (found.length === 0) return []
    const now = await writes.now(trx)
    const changes = found.flatMap(({ turn, ...from }) => {
      const wanted = rows[turn]
      return wanted === undefined ? [] : [{ from, wanted, to: placeOf(from, wanted, now) }]
    })
    const values = changes.map(({ wanted, to }) => [
      wanted.body,
      to.priority,
      to.not_before_at,
      to.available_at,
      to.seq,
    ])
    await all(trx, texts.changeItem, values)
    const moved = changes.filter(({ from, to }) => !isSame(from, to))
    await writes.leaveWaiting(
      trx,
      moved.map(({ from }) => from),
    )
    await writes.enterWaiting(
      trx,
      moved.map(({ to }) => to),
    )
    // It changes no size, and finds out whether the queue is still there.
    await writes.count(trx, {})
    return changes.map(({ wanted }) => wanted.id)
  })
}

/** By its priority alone an item stands by when it became available; by an instant as an item that is put then [Q-UPDATE-3]. */
function placeOf(from: Place, { priority, not_before_at }: ChangeRow, now: number): Place {
  const placed = { ...from, priority: priority ?? from.priority }
  if (not_before_at === null) return placed
  const isLater = not_before_at > now
  return {
    ...placed,
    available_at: isLater ? not_before_at : now,
    not_before_at: isLater ? not_before_at : null,
  }
}

function isSame(one: WaitingPlace, other: WaitingPlace): boolean {
  return one.priority === other.priority && one.available_at === other.available_at
}
