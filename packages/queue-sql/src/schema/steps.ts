import { POSTGRES_SLOTS } from '../postgres/statements/parts.js'
import type { TableNames } from './tables.js'

/** The version of the tables that this release reads and writes. */
export const SCHEMA_VERSION = 5

/**
 * The statements from each version to the next; `steps[0]` creates version 1. A released step never changes.
 */
export type SchemaSteps = readonly (readonly string[])[]

/**
 * The index by which a sweep finds old items. It is not part of the schema: it makes settling a tenth more
 * expensive, also for queues that are never swept.
 */
export function agesIndex(t: TableNames): { name: string; on: string } {
  return { name: `${t.finished}_ended`, on: `${t.finished} (queue_id, ended_at)` }
}

/** SQLite: `seq` is the rowid, and tables with another key are `without rowid`. */
export function sqliteSteps(t: TableNames): SchemaSteps {
  return [
    [
      `create table ${t.queues} (id integer primary key, name text not null unique, paused_at integer, pause_reason text)`,
      `create table ${t.limits} (queue_id integer not null, name text not null, value real not null,
        primary key (queue_id, name)) without rowid`,
      `create table ${olderNames(t).leases} (queue_id integer not null, name text not null, holder text not null,
        fence integer not null, expires_at integer not null, primary key (queue_id, name)) without rowid`,
      `create table ${t.counters} (queue_id integer not null, slot integer not null, waiting integer not null,
        processing integer not null, success integer not null, fail integer not null,
        primary key (queue_id, slot)) without rowid`,
      `create table ${t.items} (seq integer primary key, available_at integer not null, put_at integer not null,
        not_before_at integer, claimed_at integer, queue_id integer not null, attempt integer not null,
        refunds integer not null, priority integer not null, stage integer not null check (stage between 0 and 3),
        uid text not null, id text not null, unique (queue_id, id))`,
      `create table ${former(t).bodies} (seq integer primary key, body text not null)`,
      `create table ${t.waiting} (queue_id integer not null, rank integer not null, available_at integer not null,
        seq integer not null, primary key (queue_id, rank, available_at, seq)) without rowid`,
      `create table ${t.processing} (queue_id integer not null, seq integer not null,
        primary key (queue_id, seq)) without rowid`,
      `create table ${t.attempts} (seq integer not null, attempt integer not null, queue_id integer not null,
        outcome integer not null, final integer, claimed_at integer not null, ended_at integer not null,
        reason text, details text, result text, requeue_reason text, primary key (seq, attempt))`,
      `create index ${t.attempts}_final on ${t.attempts} (queue_id, final, seq) where final is not null`,
    ],
    sqliteItemsStayPut(t),
    sqliteDocumentsAndOutcomes(t),
    sqliteRefusesOlder(t),
    sqliteSelectsItems(t),
  ]
}

/**
 * PostgreSQL: dead rows of the small tables that items pass through are vacuumed early, because claims walk
 * over them.
 */
export function postgresSteps(t: TableNames): SchemaSteps {
  const churn = `autovacuum_vacuum_scale_factor = 0.01, autovacuum_vacuum_threshold = 1000,
    autovacuum_vacuum_cost_delay = 0, autovacuum_analyze_scale_factor = 0.02`
  return [
    [
      `create table ${t.queues} (id integer generated always as identity primary key,
        name text collate "C" not null unique, paused_at bigint, pause_reason text)`,
      `create table ${t.limits} (queue_id integer not null, name text collate "C" not null,
        value double precision not null, primary key (queue_id, name))`,
      `create table ${olderNames(t).leases} (expires_at bigint not null, fence bigint not null, queue_id integer not null,
        name text collate "C" not null, holder text not null, primary key (queue_id, name)) with (fillfactor = 50)`,
      `create table ${t.counters} (waiting bigint not null, processing bigint not null, success bigint not null,
        fail bigint not null, queue_id integer not null, slot integer not null,
        primary key (queue_id, slot)) with (fillfactor = 20, ${churn})`,
      // A separate sequence, so that a batch can number its items in one order and insert them in another.
      `create sequence ${t.items}_turn`,
      `create table ${t.items} (seq bigint primary key, available_at bigint not null,
        put_at bigint not null, not_before_at bigint, claimed_at bigint, queue_id integer not null,
        attempt integer not null, refunds integer not null, priority integer not null,
        stage smallint not null check (stage between 0 and 3), uid uuid not null, id text collate "C" not null,
        unique (queue_id, id)) with (fillfactor = 50, ${churn})`,
      `create table ${former(t).bodies} (seq bigint primary key, body text not null)`,
      `create table ${t.waiting} (available_at bigint not null, seq bigint not null, queue_id integer not null,
        rank integer not null, primary key (queue_id, rank, available_at, seq)) with (${churn})`,
      `create table ${t.processing} (seq bigint not null, queue_id integer not null,
        primary key (queue_id, seq)) with (${churn})`,
      `create table ${t.attempts} (seq bigint not null, claimed_at bigint not null, ended_at bigint not null,
        attempt integer not null, queue_id integer not null, outcome smallint not null, final smallint,
        reason text, details text, result text, requeue_reason text, primary key (seq, attempt))`,
      `create index ${t.attempts}_final on ${t.attempts} (queue_id, final, seq) where final is not null`,
    ],
    postgresItemsStayPut(t, churn),
    postgresDocumentsAndOutcomes(t),
    postgresRefusesOlder(t),
    [...postgresFindsClaims(t), ...postgresSelectsItems(t)],
  ]
}

/**
 * Version 2: a put writes an item once. Its stage is which of `waiting`, `processing` and `finished` has a
 * row of it; a move deletes that row and inserts one into the next table. In version 1 every move rewrote the
 * item's row.
 */
export function postgresItemsStayPut(t: TableNames, churn: string): string[] {
  const old = former(t)
  return [
    ...keepFormer(t),
    `create table ${t.items} (seq bigint primary key, available_at bigint not null, put_at bigint not null,
      not_before_at bigint, claimed_at bigint, queue_id integer not null, attempt integer not null,
      refunds integer not null, priority integer not null, uid uuid not null, id text collate "C" not null,
      body text not null, unique (queue_id, id))`,
    `create table ${t.processing} (seq bigint not null, claimed_at bigint not null, queue_id integer not null,
      attempt integer not null, uid uuid not null, id text collate "C" not null,
      primary key (queue_id, id)) with (${churn})`,
    `create table ${t.finished} (seq bigint not null, claimed_at bigint not null, ended_at bigint not null,
      queue_id integer not null, attempt integer not null, stage smallint not null check (stage in (2, 3)),
      reason text, details text, result text, primary key (queue_id, stage, seq))`,
    `create table ${t.attempts} (seq bigint not null, claimed_at bigint not null, ended_at bigint not null,
      attempt integer not null, outcome smallint not null, reason text, details text, requeue_reason text,
      primary key (seq, attempt))`,
    ...copyFormer(t),
    // A value of the sequence covers a thousand items: those of one batch differ by their position in it.
    `select setval('${t.items}_turn', (select coalesce(max(seq), 0) / 1000 + 1 from ${old.items}))`,
    ...dropFormer(t),
  ]
}

/** The same for SQLite. */
export function sqliteItemsStayPut(t: TableNames): string[] {
  return [
    ...keepFormer(t),
    `create table ${t.items} (seq integer primary key, available_at integer not null, put_at integer not null,
      not_before_at integer, claimed_at integer, queue_id integer not null, attempt integer not null,
      refunds integer not null, priority integer not null, uid text not null, id text not null,
      body text not null, unique (queue_id, id))`,
    `create table ${t.processing} (seq integer not null, claimed_at integer not null, queue_id integer not null,
      attempt integer not null, uid text not null, id text not null, primary key (queue_id, id)) without rowid`,
    `create table ${t.finished} (seq integer not null, claimed_at integer not null, ended_at integer not null,
      queue_id integer not null, attempt integer not null, stage integer not null check (stage in (2, 3)),
      reason text, details text, result text, primary key (queue_id, stage, seq)) without rowid`,
    `create table ${t.attempts} (seq integer not null, claimed_at integer not null, ended_at integer not null,
      attempt integer not null, outcome integer not null, reason text, details text, requeue_reason text,
      primary key (seq, attempt)) without rowid`,
    ...copyFormer(t),
    ...dropFormer(t),
  ]
}

/** The names of the tables of version 1 until their rows are copied; `bodies` is not renamed. */
export function former(t: TableNames): Record<'bodies' | 'items' | 'processing' | 'attempts', string> {
  const prefix = t.items.slice(0, -'items'.length)
  return {
    bodies: `${prefix}bodies`,
    items: `${prefix}items_1`,
    processing: `${prefix}processing_1`,
    attempts: `${prefix}attempts_1`,
  }
}

function keepFormer(t: TableNames): string[] {
  const old = former(t)
  return [
    `alter table ${t.items} rename to ${old.items}`,
    `alter table ${t.processing} rename to ${old.processing}`,
    `alter table ${t.attempts} rename to ${old.attempts}`,
    `drop index ${t.attempts}_final`,
  ]
}

function copyFormer(t: TableNames): string[] {
  const old = former(t)
  const claim = `seq, claimed_at, ended_at, attempt`
  return [
    // The running attempt is in `processing`; the item's row has the number of ended attempts.
    `insert into ${t.items} (seq, available_at, put_at, not_before_at, claimed_at, queue_id, attempt, refunds,
        priority, uid, id, body)
      select i.seq, i.available_at, i.put_at, i.not_before_at, i.claimed_at, i.queue_id,
        i.attempt - case i.stage when 1 then 1 else 0 end, i.refunds, i.priority, i.uid, i.id, b.body
      from ${old.items} i join ${old.bodies} b on b.seq = i.seq order by i.seq`,
    `insert into ${t.processing} (seq, claimed_at, queue_id, attempt, uid, id)
      select i.seq, i.claimed_at, i.queue_id, i.attempt, i.uid, i.id
      from ${old.processing} p join ${old.items} i on i.seq = p.seq`,
    `insert into ${t.finished} (${claim}, queue_id, stage, reason, details, result)
      select ${claim}, queue_id, final, reason, details, result from ${old.attempts}
      where final is not null order by seq`,
    `insert into ${t.attempts} (${claim}, outcome, reason, details, requeue_reason)
      select ${claim}, outcome, reason, details, requeue_reason from ${old.attempts} where final is null`,
  ]
}

function dropFormer(t: TableNames): string[] {
  return Object.values(former(t)).map((table) => `drop table ${table}`)
}

/** The column types of version 3 that differ between the databases. */
interface ColumnTypes {
  readonly integer: string
  readonly flag: string
  /** Text compared and ordered by bytes. */
  readonly name: string
}

/**
 * Version 3: documents, outcomes of jobs, retry state, and the sync counter. It adds columns and one table,
 * and rewrites nothing.
 */
function addDocumentsAndOutcomes(t: TableNames, types: ColumnTypes): string[] {
  const { integer, flag, name } = types
  const outcome = ['failure_class text', `exit_code ${integer}`, 'job_uid text']
  return [
    `create table ${t.documents} (version ${integer} not null, queue_id integer not null, name ${name} not null,
      value text, primary key (queue_id, name))`,
    ...added(t.queues, [`syncs ${integer} not null default 0`]),
    ...added(t.items, ['retry_state text']),
    ...added(t.finished, outcome),
    ...added(t.attempts, [...outcome, `unsent ${flag}`]),
  ]
}

/** SQLite adds one column per statement. */
function added(table: string, columns: readonly string[]): string[] {
  return columns.map((column) => `alter table ${table} add column ${column}`)
}

export function postgresDocumentsAndOutcomes(t: TableNames): string[] {
  return addDocumentsAndOutcomes(t, { integer: 'bigint', flag: 'smallint', name: 'text collate "C"' })
}

export function sqliteDocumentsAndOutcomes(t: TableNames): string[] {
  return addDocumentsAndOutcomes(t, { integer: 'integer', flag: 'integer', name: 'text' })
}

/**
 * Version 4: leases move to a table of another name, and the table of the old name refuses every write with
 * this message. A process of an older release does not check the version again, and would continue as long as
 * its statements fit; with this it ends at its next lease. From this version on each lease checks the
 * version: see `SqlLeases`.
 *
 * A lease also stores its ttl, so that the lease of a dead holder ends even if the storage's clock is set
 * back.
 *
 * The rows are copied as well: a claim under a lease of version 3 reads its row in the old table, and is
 * valid until that lease expires.
 */
const REFUSAL =
  'a newer @sluice/queue-sql has upgraded the tables of this queue to version 4: upgrade it here too, and start this process again'

/** The table of leases before version 4, and the trigger that refuses writes to it since. */
export function olderNames(t: TableNames): Record<'leases' | 'refusal', string> {
  const prefix = t.items.slice(0, -'items'.length)
  return { leases: `${prefix}leases`, refusal: `${prefix}refuse_older` }
}

const COLUMNS = 'queue_id, name, holder, fence, expires_at'

export function postgresRefusesOlder(t: TableNames): string[] {
  const { leases, refusal } = olderNames(t)
  return [
    `alter table ${leases} rename to ${t.leases}`,
    `create table ${leases} (like ${t.leases} including all)`,
    `insert into ${leases} (${COLUMNS}) select ${COLUMNS} from ${t.leases}`,
    // Otherwise a role that is not the owner would get an error about privileges instead of the trigger's
    // message.
    `do $$ declare held record; begin
      for held in select privilege_type as privilege, case grantee when 0 then 'public' else quote_ident(pg_get_userbyid(grantee)) end as role
        from pg_catalog.pg_class, aclexplode(coalesce(relacl, acldefault('r', relowner))) where oid = '${t.leases}'::regclass
      loop execute format('grant %s on ${leases} to %s', held.privilege, held.role); end loop; end $$`,
    `create function ${refusal}() returns trigger language plpgsql as
      $$ begin raise exception '${REFUSAL}'; end $$`,
    // Per statement, so that an update of a missing row is refused as well.
    `create trigger ${refusal} before insert or update or delete on ${leases}
      for each statement execute function ${refusal}()`,
    `alter table ${t.leases} add column ttl_ms bigint`,
  ]
}

export function sqliteRefusesOlder(t: TableNames): string[] {
  const { leases, refusal } = olderNames(t)
  return [
    `alter table ${leases} rename to ${t.leases}`,
    `create table ${leases} (queue_id integer not null, name text not null, holder text not null,
      fence integer not null, expires_at integer not null, primary key (queue_id, name)) without rowid`,
    `insert into ${leases} (${COLUMNS}) select ${COLUMNS} from ${t.leases}`,
    ...['insert', 'update', 'delete'].map(
      (write) =>
        `create trigger ${refusal}_${write} before ${write} on ${leases} begin select raise(abort, '${REFUSAL}'); end`,
    ),
    `alter table ${t.leases} add column ttl_ms integer`,
  ]
}

/**
 * Version 5: a row of `processing` stores the transaction that claimed it, so that a process that reads
 * PROCESSING repeatedly finds the claims since its last snapshot (see `ProcessingView`), and a queue has more
 * rows of counters (see `POSTGRES_SLOTS`). The default is for the claims of older releases.
 */
export function postgresFindsClaims(t: TableNames): string[] {
  return [
    `alter table ${t.processing} add column claim_xid xid8 not null default pg_current_xact_id()`,
    // Without the queue, as moves would find all rows of a queue by it rather than their own by key.
    `create index ${t.processing}_claims on ${t.processing} (claim_xid)`,
    `insert into ${t.counters} (queue_id, slot, waiting, processing, success, fail)
      select c.queue_id, n, 0, 0, 0, 0 from ${t.counters} c cross join generate_series(16, ${POSTGRES_SLOTS - 1}) n where c.slot = 0`,
  ]
}

/**
 * Version 5, too: what a caller chooses items by. The index of limit keys has no entry of an item without
 * one, and a null of another column takes no room: who gives neither pays nothing.
 */
function addSelection(t: TableNames, name: string): string[] {
  return [
    ...added(t.items, ['resources text', `limit_key ${name}`]),
    ...added(t.waiting, [`limit_key ${name}`]),
    `create index ${t.waiting}_keys on ${t.waiting} (queue_id, limit_key, rank, available_at, seq) where limit_key is not null`,
  ]
}

export function postgresSelectsItems(t: TableNames): string[] {
  return addSelection(t, 'text collate "C"')
}

/** The rest of version 5 changes nothing here: SQLite has no dead rows. */
export function sqliteSelectsItems(t: TableNames): string[] {
  return addSelection(t, 'text')
}
