import type { TableNames } from './tables.js'

/**
 * Version 2: an item is written when it is put, and then stays as it is. Where it is, is which table has its other row: `waiting`,
 * `processing` or `finished`; a move takes the row out of one and puts one into the next. In version 1 every move rewrote the item's row.
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
    // A number of the sequence stands for a thousand items: those of one batch are told apart by their place in it.
    `select setval('${t.items}_turn', (select coalesce(max(seq), 0) / 1000 + 1 from ${old.items}))`,
    ...dropFormer(t),
  ]
}

/** SQLite: the same, each table the tree of its key. */
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

/** The names under which the tables of version 1 are kept until their rows are copied; `bodies` had no other name. */
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
    // What is in PROCESSING counts its attempt in `processing`; the item's own row knows the attempts that are over.
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
