import { DatabaseSync } from 'node:sqlite'
import { SluiceError } from '@sluice/core'

/**
 * The oldest Node.js of each line whose SQLite has the fix. Builds of distributions may use a system library
 * instead.
 */
const FIXED_NODES = 'Node.js 22.22.3, 24.15.0, 25.9.0 or newer'

type Version = readonly [major: number, minor: number, patch: number]

/**
 * Releases with the fix: the first of the main line, and the backports. @see
 * https://www.sqlite.org/wal.html#walresetbug
 */
const FIRST_WITH_RACE: Version = [3, 7, 0]
const FIRST_FIXED: Version = [3, 51, 3]
const BACKPORTS: readonly Version[] = [
  [3, 50, 7],
  [3, 44, 6],
]

/** The version of the loaded SQLite library, not of the one that Node.js was built with. */
function sqliteVersion(): string {
  const database = new DatabaseSync(':memory:')
  try {
    return String(database.prepare('select sqlite_version() as version').get()?.['version'])
  } finally {
    database.close()
  }
}

/**
 * Whether a version of SQLite has the WAL-reset race: of two connections to one file, one writes a checkpoint
 * while the other restarts the log, and acknowledged commits are lost or the file is damaged.
 */
export function hasWalResetRace(version: string): boolean {
  const parts = versionOf(version)
  if (parts === undefined) return false
  const [major, minor, patch] = parts
  if (compare(parts, FIRST_WITH_RACE) < 0 || compare(parts, FIRST_FIXED) >= 0) return false
  return !BACKPORTS.some(
    ([ofMajor, ofMinor, since]) => major === ofMajor && minor === ofMinor && patch >= since,
  )
}

/** Whether to open a file with a library that has the race. */
export interface OldSqliteUse {
  readonly allowed: boolean
  readonly warn: (text: string) => void
}

/**
 * Refuses a library that has the race, or warns if an option accepts it. Called before the file is touched.
 *
 * @throws SluiceError SLUICE_CONFIG_INVALID with the version, the risk, and the remedies
 */
export function checkSqliteVersion(file: string, { allowed, warn }: OldSqliteUse): void {
  const version = sqliteVersion()
  if (!hasWalResetRace(version)) return
  const risk =
    `SQLite ${version} of this Node.js ${process.versions.node} can lose acknowledged commits and damage the file when two ` +
    'connections use it at once (the WAL-reset race, fixed in SQLite 3.51.3, 3.50.7 and 3.44.6)'
  if (allowed) {
    warn(`The SQLite file ${file} is open although ${risk}: \`allowOldSqlite\` is set. Use ${FIXED_NODES}`)
    return
  }
  throw new SluiceError(
    'SLUICE_CONFIG_INVALID',
    `Cannot open the SQLite file ${file}: ${risk}. Use ${FIXED_NODES}; or set \`allowOldSqlite: true\` if never more than one ` +
      'process, with one queue, has the file open',
  )
}

function versionOf(text: string): Version | undefined {
  const [, major, minor, patch = '0'] = /^(\d+)\.(\d+)(?:\.(\d+))?/.exec(text) ?? []
  return major === undefined || minor === undefined
    ? undefined
    : [Number(major), Number(minor), Number(patch)]
}

function compare(left: Version, right: Version): number {
  return left[0] - right[0] || left[1] - right[1] || left[2] - right[2]
}
