import { sql, type Kysely } from 'kysely'
import type { CommitLevel } from './commit-level.js'
import type { TableNames, Tables } from '../schema/tables.js'

/** What decides whether a server keeps what it has acknowledged. */
export interface ServerSettings {
  readonly fsync: string | null
  readonly full_page_writes: string | null
  /** As the role, the database or the server sets it. */
  readonly synchronous_commit: string | null
  readonly synchronous_standby_names: string | null
  /** Tables of ours that a crash empties. */
  readonly unlogged: readonly string[]
}

/** One statement, at the opening of a queue. */
export async function readServerSettings(db: Kysely<Tables>, names: TableNames): Promise<ServerSettings> {
  const { rows } = await sql<ServerSettings>`select current_setting('fsync', true) as fsync,
    current_setting('full_page_writes', true) as full_page_writes,
    current_setting('synchronous_commit', true) as synchronous_commit,
    current_setting('synchronous_standby_names', true) as synchronous_standby_names,
    coalesce((select json_agg(relname order by relname) from pg_catalog.pg_class where relpersistence = 'u'
      and relname = any (${Object.values(names)}::text[]) and pg_table_is_visible(oid)), '[]') as unlogged`.execute(
    db,
  )
  const [settings] = rows
  if (settings === undefined) throw new Error('a statement that always gives a row gave none')
  return settings
}

/** What is lost with this server that a queue promises to keep, in words for the operator. */
export function durabilityWarnings(
  settings: ServerSettings,
  { place, level }: { readonly place: string; readonly level: CommitLevel | undefined },
): string[] {
  return [
    ...(level === 'off' ? [OFF] : []),
    ...standbyWarnings(settings, level ?? settings.synchronous_commit),
    ...(settings.fsync === 'off' ? [UNSYNCED] : []),
    ...(settings.full_page_writes === 'off' ? [TORN] : []),
    ...settings.unlogged.map(
      (table) =>
        `The table ${table} is unlogged: after a crash of the server it is empty. Run: alter table ${table} set logged`,
    ),
  ].map((warning) => `${place}: ${warning}`)
}

const OFF =
  'the url sets synchronous_commit=off. When the server is killed, what it acknowledged in the last moments (up to three times its wal_writer_delay, 0.6 s by ' +
  'default) is lost: items that were put are gone, and items that were claimed are given out again at the same attempt. Remove it from the options of the url to keep them'
const UNSYNCED =
  'the server runs with fsync=off. A power cut or a crash of its operating system loses acknowledged puts and moves, or damages the database. Set fsync=on'
const TORN =
  'the server runs with full_page_writes=off. A power cut or a crash of its operating system may damage the database. Set full_page_writes=on'

/** Below `on` a commit is acknowledged before the synchronous standbys have it on their disks; `off` is raised to `on`. */
function standbyWarnings(
  { synchronous_standby_names: standbys }: ServerSettings,
  level: string | null,
): string[] {
  if (standbys === null || standbys === '' || (level !== 'local' && level !== 'remote_write')) return []
  return [
    `synchronous_commit is ${level}, and the server has synchronous standbys (${standbys}). A failover may lose puts and moves that were acknowledged, and items that ` +
      'were claimed are then given out again at the same attempt. Set it to on for the role, or in the options of the url',
  ]
}
