import { resolve } from 'node:path'

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
