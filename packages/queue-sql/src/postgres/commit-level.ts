import { SluiceError } from '@sluice/core'

/**
 * How far a commit has to come before it is acknowledged, the `synchronous_commit` of PostgreSQL.
 *
 * @see https://www.postgresql.org/docs/current/runtime-config-wal.html#GUC-SYNCHRONOUS-COMMIT
 */
export type CommitLevel = 'off' | 'local' | 'remote_write' | 'on' | 'remote_apply'

/** Other words that PostgreSQL takes for a level. */
const SYNONYMS: Readonly<Record<string, CommitLevel>> = {
  ...Object.fromEntries(
    (['off', 'local', 'remote_write', 'on', 'remote_apply'] as const).map((it) => [it, it]),
  ),
  ...Object.fromEntries(['true', 'yes', '1'].map((word) => [word, 'on'])),
  ...Object.fromEntries(['false', 'no', '0'].map((word) => [word, 'off'])),
}

/**
 * Part of each statement that writes, and of the beginning of each transaction: a role, a database, a server or a pooler may have commits acknowledged before
 * they are in the log, and those would be lost with the server. What is higher stays as it is.
 *
 * It is said in the statement itself, which costs no round trip and holds for a pooler that gives each transaction another session. PostgreSQL reads the
 * setting when it commits. A scalar query, evaluated once however many rows are written.
 */
export const DURABLY = `(select case current_setting('synchronous_commit') when 'off'
  then set_config('synchronous_commit', 'on', true) else 'kept' end)`

/** The same with the level that the url asks for. */
function durablyAt(level: CommitLevel): string {
  return `(select case current_setting('synchronous_commit') when '${level}'
  then 'kept' else set_config('synchronous_commit', '${level}', true) end)`
}

/** The text of a statement as it is sent: with `begin`, which kysely sends, made durable, and with the level of the url, if it asks for one. */
export function withCommitLevel(text: string, level: CommitLevel | undefined): string {
  const durably = level === undefined ? DURABLY : durablyAt(level)
  if (text === 'begin') return `begin; select ${durably}`
  return level === undefined ? text : text.replaceAll(DURABLY, durably)
}

/** `-c name=value` and `--name=value`, as a server takes them in `options`. A space or a backslash in a value has a backslash before it. */
const SETTING = /(?:^|\s)(?:-c\s*|--)synchronous[_-]commit\s*=\s*((?:\\.|[^\s\\])*)(?=\s|$)/gi

/**
 * Takes the level out of the url: a pooler may refuse or forget what is asked of a session, so each transaction is given it instead.
 *
 * @throws SluiceError SLUICE_CONFIG_INVALID for a level that there isn't
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
