import { resolve } from 'node:path'
import * as z from 'zod/mini'
import { wrongPostgresUrl } from './postgres/connection/url.js'
import { wrongSqlitePath } from './sqlite/path.js'

/** Where a queue's tables are. */
export type Place =
  | { readonly kind: 'postgres'; readonly url: string }
  | { readonly kind: 'sqlite'; readonly path: string }

/** The options of `openQueue`. */
export interface SqlQueueOptions {
  /** The name of the queue. Many queues share one set of tables. */
  readonly name: string
  /** `postgres://user:password@host/database`, `sqlite:PATH` or `sqlite::memory:`. */
  readonly url: string
  /** PostgreSQL: the most connections. Default 10. */
  readonly poolSize?: number
  /** The prefix of the table names: a-z, 0-9 and `_`. Default `sluice_`. */
  readonly tablePrefix?: string
  /** How long to wait for a connection, for the first byte of an answer, or for a lock. Default 10,000. */
  readonly timeoutMs?: number
  /** PostgreSQL: `false` behind a pooler without named statements. Default `true`. */
  readonly preparedStatements?: boolean
  /** SQLite: `FULL` survives a power cut, `NORMAL` may lose the last moves in one. Default `FULL`. */
  readonly synchronous?: 'FULL' | 'NORMAL'
  /**
   * SQLite: open a file with a library that can lose commits when two connections use it. Default `false`.
   */
  readonly allowOldSqlite?: boolean
}

// zod/mini has no messages of its own, and a few parses are not worth a compiled parser.
z.config({ ...z.locales.en(), jitless: true })

/** The schema of {@link SqlQueueOptions}. */
export const optionsSchema = z.strictObject({
  name: z.string().check(
    z.minLength(1),
    z.maxLength(255),
    z.refine((name) => name.isWellFormed() && !name.includes('\0'), 'must be well-formed text without NUL'),
    z.describe('the name of the queue in its store'),
  ),
  url: z.string().check(
    z.superRefine((url, context) => {
      const message = wrongPlace(url)
      if (message !== undefined) context.addIssue({ code: 'custom', message })
    }),
    z.describe('where the tables are: postgres://… or sqlite:PATH or sqlite::memory:'),
  ),
  poolSize: z
    ._default(z.int().check(z.gte(1), z.lte(1_000)), 10)
    .check(z.describe('the most PostgreSQL connections')),
  tablePrefix: z
    ._default(
      z
        .string()
        .check(
          z.regex(/^[a-z_][a-z0-9_]{0,39}$/, 'must be 1 to 40 of a-z, 0-9 and _, not starting with a digit'),
        ),
      'sluice_',
    )
    .check(z.describe('the prefix of the table names')),
  timeoutMs: z
    ._default(z.int().check(z.gte(100), z.lte(3_600_000)), 10_000)
    .check(z.describe('how long a call waits for the database before it rejects, in ms')),
  preparedStatements: z
    ._default(z.boolean(), true)
    .check(z.describe('false for a pooler without named statements, as PgBouncer before 1.24 by default')),
  synchronous: z
    ._default(z.enum(['FULL', 'NORMAL']), 'FULL')
    .check(z.describe('SQLite: FULL survives a power cut, NORMAL may lose the last moves in one')),
  allowOldSqlite: z
    ._default(z.boolean(), false)
    .check(
      z.describe('SQLite: open a file with a library that can lose commits when two connections use it'),
    ),
})

/** The options with their defaults. */
export type SqlQueueSettings = z.output<typeof optionsSchema>

/** The place that a checked url names. */
export function placeOf(url: string): Place {
  if (url.startsWith('sqlite:')) return { kind: 'sqlite', path: url.slice('sqlite:'.length) }
  return { kind: 'postgres', url }
}

function wrongPlace(url: string): string | undefined {
  const place = isPlace(url) ? placeOf(url) : undefined
  if (place === undefined) return 'must be postgres://user@host/database, sqlite:PATH or sqlite::memory:'
  return place.kind === 'sqlite' ? wrongSqlitePath(place.path) : wrongPostgresUrl(place.url)
}

function isPlace(url: string): boolean {
  if (url.includes('\0')) return false
  if (url.startsWith('sqlite:')) return url.length > 'sqlite:'.length
  return /^postgres(ql)?:\/\//.test(url)
}

/** Parameters of a `postgres://` url that name files, which the driver reads. */
const FILES = ['sslcert', 'sslkey', 'sslrootcert'] as const
const SQLITE = 'sqlite:'
/** Starts the name of a database in memory. */
const NO_PATH = ':'

/** The url with absolute paths of the SQLite file or the PostgreSQL certificates. */
export function withAbsolutePaths(url: string, baseDir: string): string {
  if (url.startsWith(SQLITE)) {
    const path = url.slice(SQLITE.length)
    return path === '' || path.startsWith(NO_PATH) ? url : `${SQLITE}${resolve(baseDir, path)}`
  }
  if (!URL.canParse(url)) return url
  const parsed = new URL(url)
  const relative = FILES.filter((name) => parsed.searchParams.get(name))
  // Rewritten only if necessary: the driver parses some urls differently from the standard.
  if (relative.length === 0) return url
  for (const name of relative)
    parsed.searchParams.set(name, resolve(baseDir, parsed.searchParams.get(name) ?? ''))
  return parsed.href
}
