import { sql, type Kysely } from 'kysely'
import type { TableNames, Tables } from '../schema/tables.js'

/** The privileges that a role needs on one table or sequence. */
export interface Grant {
  readonly kind: 'table' | 'sequence'
  readonly name: string
  readonly privileges: readonly string[]
}

const table = (name: string, ...privileges: readonly string[]): Grant => ({ kind: 'table', name, privileges })

/**
 * All privileges that a role needs to use queues whose tables another role created. `update` also where rows
 * are only locked.
 */
export function neededGrants(t: TableNames): readonly Grant[] {
  return [
    table(t.schema, 'select'),
    table(t.queues, 'select', 'insert', 'update'),
    table(t.limits, 'select', 'insert', 'update', 'delete'),
    table(t.leases, 'select', 'insert', 'update'),
    table(t.documents, 'select', 'insert', 'update'),
    table(t.counters, 'select', 'insert', 'update'),
    table(t.items, 'select', 'insert', 'update', 'delete'),
    table(t.waiting, 'select', 'insert', 'update', 'delete'),
    table(t.processing, 'select', 'insert', 'delete'),
    table(t.finished, 'select', 'insert', 'update', 'delete'),
    table(t.attempts, 'select', 'insert', 'delete'),
    { kind: 'sequence', name: `${t.items}_turn`, privileges: ['usage'] },
  ]
}

/** The privileges that a drop needs in addition to {@link neededGrants}. */
function dropGrants(t: TableNames): readonly Grant[] {
  return [t.queues, t.leases, t.documents, t.counters].map((name) => table(name, 'delete'))
}

/** The statements that grant a role what it lacks. */
export interface MissingGrants {
  readonly role: string
  /** Such as `grant insert on table sluice_items to app`. */
  readonly statements: readonly string[]
}

interface FoundGrants {
  readonly role: string
  readonly quoted: string
  /** The schema of the tables, or the one in which they would be created. */
  readonly schema: string | null
  readonly has_usage: boolean | null
  readonly is_created: boolean
  readonly may_create: boolean | null
  readonly missing: readonly { readonly kind: string; readonly name: string; readonly privilege: string }[]
}

/** Asks the server for all missing privileges: its error names only one table. */
export async function missingGrants(
  db: Kysely<Tables>,
  names: TableNames,
  grants = neededGrants(names),
): Promise<MissingGrants> {
  const needed = grants.flatMap(({ kind, name, privileges }) =>
    privileges.map((privilege) => ({ kind, name, privilege })),
  )
  const { rows } = await sql<FoundGrants>`with needed as (
      select * from json_to_recordset(${JSON.stringify(needed)}::json) as n(kind text, name text, privilege text)
    ),
    places as (
      select c.oid, c.relname, c.relnamespace from pg_catalog.pg_class c
      where c.relname in (select name from needed) and c.relkind in ('r', 'p', 'S')
        and c.relnamespace = (select relnamespace from pg_catalog.pg_class where relname = ${names.schema} and relkind in ('r', 'p')
          order by pg_table_is_visible(oid) desc limit 1)
    ),
    home as (select coalesce((select relnamespace from places limit 1), to_regnamespace(quote_ident(current_schema()))) as oid)
    select current_user as role, quote_ident(current_user) as quoted,
      (select quote_ident(nspname) from pg_catalog.pg_namespace n where n.oid = home.oid) as schema,
      has_schema_privilege(home.oid, 'usage') as has_usage, exists (select 1 from places) as is_created,
      has_schema_privilege(home.oid, 'create') as may_create,
      coalesce((
        select json_agg(json_build_object('kind', kind, 'name', name, 'privilege', privilege))
        from needed join places on relname = name
        where case kind when 'table' then not has_table_privilege(oid, privilege) else not has_sequence_privilege(oid, privilege) end
      ), '[]') as missing
    from home`.execute(db)
  const [found] = rows
  if (found === undefined) throw new Error('a statement that always returns a row returned none')
  return { role: found.role, statements: statementsOf(found) }
}

function statementsOf({ quoted, schema, has_usage, is_created, may_create, missing }: FoundGrants): string[] {
  return [
    ...(has_usage === false ? [`grant usage on schema ${schema} to ${quoted}`] : []),
    ...(!is_created && may_create === false ? [`grant create on schema ${schema} to ${quoted}`] : []),
    ...missing.map(({ kind, name, privilege }) => `grant ${privilege} on ${kind} ${name} to ${quoted}`),
  ]
}

/** The missing privileges of {@link neededGrants} and the statements that grant them; `undefined`: none. */
export async function lackingPrivileges(db: Kysely<Tables>, names: TableNames): Promise<string | undefined> {
  const { role, statements } = await missingGrants(db, names)
  if (statements.length === 0) return undefined
  return `The role ${role} lacks privileges. Run as the owner: ${statements.join('; ')}`
}

/** What to do about an error, if a missing privilege or ownership caused it. */
export async function adviceOnRefusal(
  error: unknown,
  { db, names }: { readonly db: Kysely<Tables>; readonly names: TableNames },
): Promise<string | undefined> {
  if (!isRefusal(error)) return undefined
  const lacking = await lackingPrivileges(db, names)
  if (lacking !== undefined) return lacking
  if (isPolicy(error))
    return 'A policy of row-level security refuses rows of a queue. Disable it for these tables, or give the role BYPASSRLS'
  // Only a drop and an upgrade need more, and the error of an upgrade is a different one.
  const { role, statements } = await missingGrants(db, names, dropGrants(names))
  const more = isOwnership(error) ? [] : statements
  if (more.length > 0)
    return `The role ${role} lacks privileges to drop a queue. Run as the owner: ${more.join('; ')}`
  return `The role ${role} is not the owner of the tables, who creates and upgrades them: open the queue once as the owner`
}

/** By its message: all refusals have the same SQLSTATE. */
function isPolicy(error: unknown): boolean {
  return error instanceof Error && error.message.includes('row-level security')
}

function isOwnership(error: unknown): boolean {
  return error instanceof Error && error.message.startsWith('must be owner')
}

/** SQLSTATE insufficient_privilege, and invalid_schema_name: no schema of the search path is usable. */
export function isRefusal(error: unknown): boolean {
  return error instanceof Error && 'code' in error && (error.code === '42501' || error.code === '3F000')
}
