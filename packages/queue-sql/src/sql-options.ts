import { z } from 'zod'
import { wrongPostgresUrl } from './postgres/url.js'
import { wrongSqlitePath } from './sqlite/path.js'
import { resolve } from 'node:path'

/** Where a queue's tables are. */
export type Place =
  | { readonly kind: 'postgres'; readonly url: string }
  | { readonly kind: 'sqlite'; readonly path: string }

/** The options of `openQueue`: a zod schema, and so a Standard Schema. */
export const optionsSchema = z.strictObject({
  name: z
    .string()
    .min(1)
    .max(255)
    .refine((name) => name.isWellFormed() && !name.includes('\0'), 'must be well-formed text without NUL')
    .describe('the name of the queue in its store'),
  url: z
    .string()
    .superRefine((url, context) => {
      const message = wrongPlace(url)
      if (message !== undefined) context.addIssue({ code: 'custom', message })
    })
    .describe('where the tables are: postgres://… or sqlite:PATH or sqlite::memory:'),
  poolSize: z.int().min(1).max(1_000).default(10).describe('PostgreSQL connections at most'),
  tablePrefix: z
    .string()
    .regex(/^[a-z_][a-z0-9_]{0,39}$/, 'must be 1 to 40 of a-z, 0-9 and _, not starting with a digit')
    .default('sluice_')
    .describe('what the names of the tables start with'),
  timeoutMs: z
    .int()
    .min(100)
    .max(3_600_000)
    .default(10_000)
    .describe('how long a call waits for the database before it rejects, in ms'),
  preparedStatements: z
    .boolean()
    .default(true)
    .describe('false for a pooler without named statements, as PgBouncer before 1.24 by default'),
  synchronous: z
    .enum(['FULL', 'NORMAL'])
    .default('FULL')
    .describe('SQLite: FULL survives a power cut, NORMAL may lose the last moves in one'),
  allowOldSqlite: z
    .boolean()
    .default(false)
    .describe('SQLite: open a file with a library that can lose commits when two connections use it'),
})

/** What a caller hands to `openQueue`. */
export type SqlQueueOptions = z.input<typeof optionsSchema>
/** The options with their defaults filled in. */
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
/** Names that SQLite does not take for paths: a database in memory. */
const NO_PATH = ':'

/** The url with its relative paths made absolute: the file of SQLite, and the certificates of PostgreSQL. */
export function withAbsolutePaths(url: string, baseDir: string): string {
  if (url.startsWith(SQLITE)) {
    const path = url.slice(SQLITE.length)
    return path === '' || path.startsWith(NO_PATH) ? url : `${SQLITE}${resolve(baseDir, path)}`
  }
  if (!URL.canParse(url)) return url
  const parsed = new URL(url)
  const relative = FILES.filter((name) => parsed.searchParams.get(name))
  // Written anew only where it must be: the driver reads some urls otherwise than the standard does.
  if (relative.length === 0) return url
  for (const name of relative)
    parsed.searchParams.set(name, resolve(baseDir, parsed.searchParams.get(name) ?? ''))
  return parsed.href
}
