import type { LeaseView, Stage, StoredQueue } from '@sluice/core'
import { sql } from 'kysely'
import { CallGate } from '../calls/call-gate.js'
import { LATEST_DROP, nameBeforeDrop } from '../queue-row.js'
import { total } from '../items/item-reads.js'
import { isPlaceThere, openStore } from '../open-backend.js'
import { SCHEMA_VERSION } from '../schema/steps.js'
import { leaseView } from '../sql-leases.js'
import type { SqlQueueSettings } from '../sql-options.js'
import type { OpenOptions, SqlStore } from '../sql-store.js'

interface QueueFacts {
  readonly id: number
  readonly name: string
}

/** All queues of the tables, by name. It only reads. */
export async function listSqlQueues(
  settings: SqlQueueSettings,
  open: OpenOptions = {},
): Promise<readonly StoredQueue[]> {
  if (!isPlaceThere(settings, open.warn)) return []
  const store = await openStore(settings, { ...open, warn: undefined })
  const gate = new CallGate(settings.name, store)
  try {
    return await gate.run('list the queues', () => readQueues(store))
  } finally {
    await gate.close()
  }
}

async function readQueues(store: SqlStore): Promise<readonly StoredQueue[]> {
  const version = await store.tablesVersion()
  if (version === 0) return []
  const rows = await store.db.selectFrom(store.names.queues).select(['id', 'name']).execute()
  // Opening a queue upgrades older tables; listing does not.
  const isCurrent = version === SCHEMA_VERSION
  const sizes = isCurrent ? await sizesOf(store) : new Map<number, Record<Stage, number>>()
  const leases = isCurrent ? await heldLeases(store) : new Map<number, LeaseView[]>()
  const found = rows.flatMap(({ id, name }) => describe({ id, name }, { version, leases, sizes }))
  return found.toSorted((a, b) => (a.name < b.name ? -1 : 1))
}

interface Known {
  readonly version: number
  readonly leases: ReadonlyMap<number, readonly LeaseView[]>
  readonly sizes: ReadonlyMap<number, Record<Stage, number>>
}

function describe({ id, name }: QueueFacts, { version, leases, sizes }: Known): StoredQueue[] {
  if (name === LATEST_DROP) return []
  const format = `tables of version ${version}`
  const before = nameBeforeDrop(name)
  if (before !== undefined) return [{ name: before, state: 'dropping', format, leases: [] }]
  const counted = sizes.get(id)
  return [
    {
      name,
      state: 'ready',
      format,
      leases: leases.get(id) ?? [],
      ...(counted === undefined ? {} : { sizes: counted }),
    },
  ]
}

/** From the counters that every move keeps. */
async function sizesOf({ db, names }: SqlStore): Promise<Map<number, Record<Stage, number>>> {
  const rows = await db
    .selectFrom(names.counters)
    .select([
      'queue_id',
      total('waiting').as('WAITING'),
      total('processing').as('PROCESSING'),
      total('success').as('SUCCESS'),
      total('fail').as('FAIL'),
    ])
    .groupBy('queue_id')
    .execute()
  return new Map(rows.map(({ queue_id, ...sizes }) => [queue_id, sizes]))
}

/** @param queueId default all queues */
export async function heldLeases(
  { db, names, nowMs }: Pick<SqlStore, 'db' | 'names' | 'nowMs'>,
  queueId?: number,
): Promise<Map<number, LeaseView[]>> {
  const rows = await db
    .selectFrom(names.leases)
    .select([
      'queue_id',
      'name',
      'holder',
      'fence',
      'ttl_ms',
      sql<number>`expires_at - ${nowMs}`.as('left_ms'),
    ])
    .where(sql<boolean>`expires_at > ${nowMs}`)
    .$if(queueId !== undefined, (query) => query.where('queue_id', '=', queueId ?? 0))
    .orderBy('name')
    .execute()
  const held = new Map<number, LeaseView[]>()
  for (const { queue_id, ...row } of rows) held.set(queue_id, [...(held.get(queue_id) ?? []), leaseView(row)])
  return held
}
