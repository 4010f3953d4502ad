import { sql, type Kysely, type RawBuilder } from 'kysely'
import type { TableNames, Tables } from '../../schema/tables.js'
import { SluiceError } from '@sluice/core'

/**
 * When a commit is acknowledged, PostgreSQL's `synchronous_commit`.
 *
 * @see https://www.postgresql.org/docs/current/runtime-config-wal.html#GUC-SYNCHRONOUS-COMMIT
 */
export type CommitLevel = 'off' | 'local' | 'remote_write' | 'on' | 'remote_apply'

/** Synonyms that PostgreSQL accepts for a level. */
const SYNONYMS: Readonly<Record<string, CommitLevel>> = {
  ...Object.fromEntries(
    (['off', 'local', 'remote_write', 'on', 'remote_apply'] as const).map((it) => [it, it]),
  ),
  ...Object.fromEntries(['true', 'yes', '1'].map((word) => [word, 'on'])),
  ...Object.fromEntries(['false', 'no', '0'].map((word) => [word, 'off'])),
}

/**
 * Part of each statement that writes, and of the start of each transaction: raises `synchronous_commit = off`
 * of the role, the database, the server or a pooler, with which an acknowledged commit can be lost in a
 * crash. Higher levels stay.
 *
 * Being part of the statement it costs no round trip, and works with a pooler that gives each transaction
 * another session. PostgreSQL reads the setting at commit. A scalar subquery, evaluated once for any number
 * of rows.
 */
export const DURABLY = `(select case current_setting('synchronous_commit') when 'off'
  then set_config('synchronous_commit', 'on', true) else 'kept' end)`

/** The same with the level of the url. */
function durablyAt(level: CommitLevel): string {
  return `(select case current_setting('synchronous_commit') when '${level}'
  then 'kept' else set_config('synchronous_commit', '${level}', true) end)`
}

/**
 * The text of a statement as sent: kysely's `begin` made durable, and the level of the url, if any, applied.
 */
export function withCommitLevel(text: string, level: CommitLevel | undefined): string {
  const durably = level === undefined ? DURABLY : durablyAt(level)
  if (text === 'begin') return `begin; select ${durably}`
  return level === undefined ? text : text.replaceAll(DURABLY, durably)
}

/**
 * `-c name=value` and `--name=value` in `options`. A space or a backslash in a value is escaped by a
 * backslash.
 */
const SETTING = /(?:^|\s)(?:-c\s*|--)synchronous[_-]commit\s*=\s*((?:\\.|[^\s\\])*)(?=\s|$)/gi

/**
 * Removes the level from the url and applies it to each transaction instead, because a pooler may refuse or
 * lose settings of a session.
 *
 * @throws SluiceError SLUICE_CONFIG_INVALID for an unknown level
 */
export function splitCommitLevel(url: string): {
  readonly url: string
  readonly level: CommitLevel | undefined
} {
  const parsed = new URL(url)
  const options = parsed.searchParams.get('options')
  const words = [...(options ?? '').matchAll(SETTING)].map(([, word = '']) => word.toLowerCase())
  const word = words.at(-1)
  if (options === null || word === undefined) return { url, level: undefined }
  const level = SYNONYMS[word]
  if (level === undefined) {
    throw new SluiceError(
      'SLUICE_CONFIG_INVALID',
      `The options of the url set synchronous_commit to ${JSON.stringify(word)}: use off, local, remote_write, on or remote_apply`,
    )
  }
  const rest = options.replaceAll(SETTING, '').trim()
  if (rest === '') parsed.searchParams.delete('options')
  else parsed.searchParams.set('options', rest)
  return { url: parsed.href, level }
}

/** The settings that decide whether a server keeps acknowledged commits. */
export interface ServerSettings {
  readonly fsync: string | null
  readonly full_page_writes: string | null
  /** As set by the role, the database or the server. */
  readonly synchronous_commit: string | null
  readonly synchronous_standby_names: string | null
  /** Tables of the queue that a crash empties. */
  readonly unlogged: readonly string[]
}

/** The columns of {@link ServerSettings}, read when a queue is opened. */
export function serverSettings(names: TableNames): RawBuilder<unknown> {
  return sql`current_setting('fsync', true) as fsync,
    current_setting('full_page_writes', true) as full_page_writes,
    current_setting('synchronous_commit', true) as synchronous_commit,
    current_setting('synchronous_standby_names', true) as synchronous_standby_names,
    coalesce((select json_agg(relname order by relname) from pg_catalog.pg_class where relpersistence = 'u'
      and relname = any (${Object.values(names)}::text[]) and pg_table_is_visible(oid)), '[]') as unlogged`
}

export async function readServerSettings(db: Kysely<Tables>, names: TableNames): Promise<ServerSettings> {
  const { rows } = await sql<ServerSettings>`select ${serverSettings(names)}`.execute(db)
  const [settings] = rows
  if (settings === undefined) throw new Error('a statement that always returns a row returned none')
  return settings
}

/** Warnings for the operator about settings with which acknowledged data can be lost. */
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
  'the url sets synchronous_commit=off. If the server is killed, commits acknowledged in the last moments (up to three times its wal_writer_delay, 0.6 s by ' +
  'default) are lost: items that were put are gone, and items that were claimed are claimed again at the same attempt. Remove it from the options of the url to prevent this'
const UNSYNCED =
  'the server runs with fsync=off. A power cut or a crash of its operating system loses acknowledged puts and moves, or damages the database. Set fsync=on'
const TORN =
  'the server runs with full_page_writes=off. A power cut or a crash of its operating system may damage the database. Set full_page_writes=on'

/**
 * Below `on` a commit is acknowledged before the synchronous standbys have it on their disks; `off` is raised
 * to `on`.
 */
function standbyWarnings(
  { synchronous_standby_names: standbys }: ServerSettings,
  level: string | null,
): string[] {
  if (standbys === null || standbys === '' || (level !== 'local' && level !== 'remote_write')) return []
  return [
    `synchronous_commit is ${level}, and the server has synchronous standbys (${standbys}). A failover may lose puts and moves that were acknowledged, and items that ` +
      'were claimed are then claimed again at the same attempt. Set it to on for the role, or in the options of the url',
  ]
}
