import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { openQueue } from '@sluice/queue-sql'
import type { Adapter, Claimed } from '../adapter.ts'
import { storeOf } from './sluice.ts'

/** Sluice in a SQLite file that survives a power cut. */
export const sluiceSqlite: Adapter = {
  name: 'sluice',
  open: async ({ directory }) =>
    storeOf([await openQueue({ name: 'bench', url: `sqlite:${join(directory, 'queue.db')}` })]),
}

/**
 * Bare prepared statements on the same tables, one row at a time in one transaction a call: what the queue
 * keeps of an item, without priorities in the order, fences, checks of input, or anybody else.
 */
export const bareSqlite: Adapter = {
  name: 'prepared statements',
  open: async ({ directory }) => {
    const path = join(directory, 'queue.db')
    const queue = await openQueue({ name: 'bench', url: `sqlite:${path}` })
    await queue.close()
    const database = new DatabaseSync(path)
    database.exec('pragma synchronous = full')
    return { ...statements(database), close: async () => database.close() }
  },
}

function statements(database: DatabaseSync) {
  const now = `cast(round(unixepoch('subsec') * 1000) as integer)`
  const prepare = (text: string) => database.prepare(text)
  const insertItem =
    prepare(`insert into sluice_items (available_at, put_at, queue_id, attempt, refunds, priority, uid, id, body)
    values (${now}, ${now}, 1, 0, 0, 0, ?, ?, ?) returning seq, available_at`)
  const insertWaiting = prepare(
    'insert into sluice_waiting (queue_id, rank, available_at, seq) values (1, 0, ?, ?)',
  )
  const takeWaiting =
    prepare(`delete from sluice_waiting where (queue_id, rank, available_at, seq) in (select queue_id, rank, available_at, seq
    from sluice_waiting where queue_id = 1 order by rank, available_at, seq limit ?) returning seq`)
  const readItem = prepare('select * from sluice_items where seq = ?')
  const insertProcessing = prepare(
    `insert into sluice_processing (seq, claimed_at, queue_id, attempt, uid, id) values (?, ${now}, 1, ?, ?, ?)`,
  )
  const takeProcessing = prepare(
    'delete from sluice_processing where queue_id = 1 and id = ? and attempt = ? returning seq, claimed_at',
  )
  const insertFinished = prepare(
    `insert into sluice_finished (seq, claimed_at, ended_at, queue_id, attempt, stage) values (?, ?, ${now}, 1, ?, 2)`,
  )
  const count =
    prepare(`update sluice_counters set waiting = waiting + ?, processing = processing + ?, success = success + ?
    where queue_id = 1 and slot = 0`)
  const stage = prepare(
    `select exists (select 1 from sluice_processing where queue_id = 1 and id = ?) as running`,
  )
  const waiting = prepare('select waiting from sluice_counters where queue_id = 1 and slot = 0')
  const whole = <T>(run: () => T): T => {
    database.exec('begin immediate')
    const result = run()
    database.exec('commit')
    return result
  }
  return {
    put: async (items: readonly { id: string; body: object }[]) => {
      whole(() => {
        for (const { id, body } of items) {
          const row = insertItem.get(crypto.randomUUID(), id, JSON.stringify(body))
          insertWaiting.run(Number(row?.['available_at']), Number(row?.['seq']))
        }
        count.run(items.length, 0, 0)
      })
    },
    claim: async (max: number): Promise<Claimed[]> =>
      whole(() => {
        const claimed = takeWaiting.all(max).map(({ seq }): Claimed => {
          const item = readItem.get(Number(seq))
          const attempt = Number(item?.['attempt']) + 1
          JSON.parse(String(item?.['body']))
          insertProcessing.run(Number(seq), attempt, String(item?.['uid']), String(item?.['id']))
          return { id: String(item?.['id']), attempt }
        })
        count.run(-claimed.length, claimed.length, 0)
        return claimed
      }),
    settle: async (claimed: readonly Claimed[]) => {
      whole(() => {
        for (const { id, attempt } of claimed) {
          const row = takeProcessing.get(id, attempt)
          insertFinished.run(Number(row?.['seq']), Number(row?.['claimed_at']), attempt)
        }
        count.run(0, -claimed.length, claimed.length)
      })
    },
    countWaiting: async () => Number(waiting.get()?.['waiting']),
    lookup: async (id: string) => stage.get(id),
  }
}
