import type { TableNames } from './tables.js'

/**
 * Version 4: the leases have a table of another name, and the table of the old name refuses every write with these words. A process that was started with an
 * older release does not ask for the version again, and would go on for as long as its statements happen to fit; so it ends at its next lease. From
 * this version on each lease reads the version itself: see `SqlLeases`.
 *
 * Beside that a lease says how long it lives, so that one whose holder is dead ends whatever becomes of the storage's clock.
 *
 * The rows are copied too: a claim under a lease of version 3 reads its row there, and so holds until that lease runs out, and no longer.
 */
const REFUSAL =
  'a newer @sluice/queue-sql has upgraded the tables of this queue to version 4: upgrade it here too, and start this process again'

/** The table of the leases before version 4, and what refuses to write it since. */
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
    // A role that owns nothing would else be told that it lacks a privilege, before the trigger has its say.
    `do $$ declare held record; begin
      for held in select privilege_type as privilege, case grantee when 0 then 'public' else quote_ident(pg_get_userbyid(grantee)) end as role
        from pg_catalog.pg_class, aclexplode(coalesce(relacl, acldefault('r', relowner))) where oid = '${t.leases}'::regclass
      loop execute format('grant %s on ${leases} to %s', held.privilege, held.role); end loop; end $$`,
    `create function ${refusal}() returns trigger language plpgsql as
      $$ begin raise exception '${REFUSAL}'; end $$`,
    // For each statement, so that an update of a row that isn't there is refused as well.
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
