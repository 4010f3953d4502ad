import { former, postgresItemsStayPut, sqliteItemsStayPut } from './version-2.js'
import { postgresDocumentsAndOutcomes, sqliteDocumentsAndOutcomes } from './version-3.js'
import { olderNames, postgresRefusesOlder, sqliteRefusesOlder } from './version-4.js'
import type { TableNames } from './tables.js'

/** The version of the tables that this release reads and writes. */
export const SCHEMA_VERSION = 4

/** The statements that lead from each version to the next; `steps[0]` makes version 1. A step that was released never changes. */
export type SchemaSteps = readonly (readonly string[])[]

/** What a sweep finds old items by. It is none of the schema's steps: it makes a settle a tenth dearer, for those who keep all items too. */
export function agesIndex(t: TableNames): { name: string; on: string } {
  return { name: `${t.finished}_ended`, on: `${t.finished} (queue_id, ended_at)` }
}

/** SQLite: `seq` is the row id, and what has a key of its own lies in the tree of that key. */
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
  ]
}

/**
 * PostgreSQL. The dead rows of the small tables that items pass through are cleaned up early, since a claim would have to step over them.
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
      // A sequence of its own, so that a batch can number its items in their order and insert them in another.
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
  ]
}
