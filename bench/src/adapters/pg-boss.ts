import pg from 'pg'
import { PgBoss } from 'pg-boss'
import type { Adapter } from '../adapter.ts'

const QUEUE = 'bench'

/**
 * pg-boss at its best: no monitors, no schedules, no fence of attempts, many jobs in one `insert`, ids that
 * grow.
 */
export const pgBoss: Adapter = {
  name: 'pg-boss',
  open: async ({ postgresUrl }, clients) => {
    const boss = new PgBoss({
      connectionString: postgresUrl,
      max: clients,
      supervise: false,
      schedule: false,
    })
    boss.on('error', (error) => console.error('pg-boss:', error))
    await boss.start()
    await boss.createQueue(QUEUE)
    const pool = new pg.Pool({ connectionString: postgresUrl, max: 1 })
    return {
      put: async (items) => {
        await boss.insert(
          QUEUE,
          items.map(({ id, body }) => ({ id: uuidOf(id), data: body })),
        )
      },
      claim: async (max) => {
        const jobs = await boss.fetch(QUEUE, { batchSize: max })
        return jobs.map(({ id }) => ({ id, attempt: 1 }))
      },
      settle: async (claimed) => {
        await boss.complete(
          QUEUE,
          claimed.map(({ id }) => id),
        )
      },
      countWaiting: async () => {
        // Its own numbers are those of a monitor, which looks every so often; this is what it would count.
        const { rows } = await pool.query<{ state: string; n: string }>(
          'select state, count(*) as n from pgboss.job group by state',
        )
        return Number(rows.find(({ state }) => state === 'created')?.n ?? 0)
      },
      lookup: (id) => boss.getJobById(QUEUE, uuidOf(id)),
      close: async () => {
        await pool.end()
        await boss.stop({ graceful: false })
      },
    }
  },
}

/** Jobs have UUIDs; one that grows with the item's number, which is kinder to an index than a random one. */
function uuidOf(id: string): string {
  return `01900000-0000-7000-8000-${id.replace('item-', '').padStart(12, '0')}`
}
