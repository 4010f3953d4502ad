import { comparedReason, type ComparedBody } from '../items/compared-body.js'
import type { NewRow, NotAdded, PutOrder } from '../items/moves.js'
import type { RowRun } from './dialect.js'
import { all } from './run.js'
import type { SqliteWrites, Trx } from './writes.js'
import { NO_ATTEMPT, STAGE_NUMBERS } from '../schema/tables.js'

/** The put of {@link SqliteMoves}. With `compare` the bodies of what is there are compared in the same transaction [Q-PUT-4]. */
export async function putInSqlite(
  writes: SqliteWrites,
  rows: readonly NewRow[],
  { compare, stage }: PutOrder,
): Promise<NotAdded> {
  return writes.write(async (trx) => {
    const now = await writes.now(trx)
    const timed = rows.map((row) => {
      const notBefore = row.not_before_at ?? (row.delay_ms === null ? null : now + row.delay_ms)
      return { ...row, not_before_at: notBefore, available_at: Math.max(now, notBefore ?? now) }
    })
    const values = timed.map(({ id, uid, priority, not_before_at, available_at, body }) => [
      writes.queueId,
      id,
      uid,
      priority,
      now,
      not_before_at,
      available_at,
      body,
    ])
    const runs = await all<RowRun>(trx, writes.texts.insertItem, values)
    const added = timed.flatMap((row, index) => {
      const run = runs[index]
      return run?.changes === 1 ? [{ ...row, seq: run.seq }] : []
    })
    if (added.length > 0 && stage === 'WAITING') {
      await writes.enterWaiting(trx, added)
      await writes.count(trx, { waiting: added.length })
    } else if (added.length > 0) {
      await enterDone(writes, trx, { added, now })
      await writes.count(trx, { success: added.length })
    }
    const known = rows.filter((_, index) => runs[index]?.changes !== 1)
    return compare ? compared(writes, trx, known) : new Map(known.map(({ id }) => [id, 'exists']))
  })
}

/** Without a row in the backlog there is nothing that a claim could find [Q-PUT-5]. */
async function enterDone(
  { texts, queueId }: SqliteWrites,
  trx: Trx,
  { added, now }: { readonly added: readonly { readonly seq: number }[]; readonly now: number },
): Promise<void> {
  const values = added.map(({ seq }) => [
    queueId,
    STAGE_NUMBERS.SUCCESS,
    seq,
    NO_ATTEMPT,
    now,
    now,
    null,
    null,
    null,
  ])
  await all(trx, texts.insertFinished, values)
}

async function compared(
  { texts, queueId }: SqliteWrites,
  trx: Trx,
  known: readonly NewRow[],
): Promise<NotAdded> {
  const values = known.map(({ id, body }) => [body, queueId, id])
  const stored = await all<ComparedBody & { id: string }>(trx, texts.compareBody, values)
  const given = new Map(known.map(({ id, body }) => [id, body]))
  return new Map(stored.map((row) => [row.id, comparedReason(row, given.get(row.id) ?? '')]))
}
