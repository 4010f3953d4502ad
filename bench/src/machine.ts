import { execFileSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { availableParallelism, cpus, release, totalmem } from 'node:os'
import pg from 'pg'

/** What a reader must know of the machine to make sense of a figure. */
export function machine(): Record<string, string> {
  return {
    cpu: `${availableParallelism()} cores, ${cpus()[0]?.model.trim() ?? 'unknown'}`,
    memory: `${Math.round(totalmem() / 1024 ** 3)} GiB`,
    kernel: `${process.platform} ${release()}`,
    node: process.versions.node,
  }
}

/** The versions of everything that is measured. */
export async function versions(
  postgresUrl: string,
  redis: string | undefined,
): Promise<Record<string, string>> {
  const client = new pg.Client({ connectionString: postgresUrl })
  await client.connect()
  const { rows } = await client.query<{ server_version: string }>('show server_version')
  await client.end()
  return {
    PostgreSQL: rows[0]?.server_version ?? 'unknown',
    SQLite: process.versions['sqlite'] ?? 'unknown',
    ...(redis === undefined ? {} : { Redis: redis }),
    ...Object.fromEntries(
      ['pg', 'pg-boss', 'graphile-worker', 'bullmq'].map((name) => [name, versionOf(name)]),
    ),
    '@sluice/queue-sql': versionOf('@sluice/queue-sql'),
  }
}

/** A package's own manifest isn't always among its exports: it is looked for beside where the package is. */
function versionOf(name: string): string {
  const require = createRequire(import.meta.url)
  for (const folder of require.resolve.paths(name) ?? []) {
    try {
      const manifest: { version: string } = JSON.parse(readFileSync(`${folder}/${name}/package.json`, 'utf8'))
      return manifest.version
    } catch {
      // Not in this folder; there are more.
    }
  }
  return 'unknown'
}

/** The commit that is measured, with a plus when there is more than it in the tree. */
export function commit(): string {
  try {
    return `${git('rev-parse', '--short', 'HEAD')}${git('status', '--porcelain') === '' ? '' : '+'}`
  } catch {
    return 'unknown'
  }
}

function git(...args: string[]): string {
  return execFileSync('git', args, { encoding: 'utf8' }).trim()
}
