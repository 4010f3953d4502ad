import { spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { chmodSync, chownSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { freePort } from '@sluice/testkit/server'

/** A PgBouncer in front of a PostgreSQL server. */
export interface PgBouncer {
  readonly url: string
  stop(): Promise<void>
}

/** `scripts/pgbouncer-test.mjs` sets it. */
export const pgbouncerProgram = process.env['SLUICE_TEST_PGBOUNCER'] ?? ''

/** An unprivileged user of nearly every Unix: PgBouncer refuses to run as root. */
const UNPRIVILEGED = 65_534
const isRoot = process.getuid?.() === 0

/** Such as 1.18. */
export function pgbouncerVersion(): readonly [major: number, minor: number] {
  const said = spawnSync(pgbouncerProgram, ['--version'], { encoding: 'utf8' }).stdout
  const [, major = '0', minor = '0'] = /(\d+)\.(\d+)/.exec(said) ?? []
  return [Number(major), Number(minor)]
}

/**
 * @param url of the server; its user and password are those that PgBouncer logs in with
 * @param settings of the section `pgbouncer`, beside `pool_mode = transaction`
 */
export async function startPgBouncer(
  url: string,
  settings: Readonly<Record<string, string | number>> = {},
): Promise<PgBouncer> {
  const server = new URL(url)
  const directory = mkdtempSync(join(tmpdir(), 'sluice-pgbouncer-'))
  const port = await freePort()
  const users = join(directory, 'users.txt')
  const file = join(directory, 'pgbouncer.ini')
  const all: Record<string, string | number> = {
    listen_addr: '127.0.0.1',
    listen_port: port,
    unix_socket_dir: '',
    auth_type: 'trust',
    auth_file: users,
    pool_mode: 'transaction',
    ...settings,
  }
  writeFileSync(users, `"${server.username}" ""\n`)
  writeFileSync(
    file,
    [
      '[databases]',
      `postgres = host=${server.hostname} port=${server.port} user=${server.username} password=${decodeURIComponent(server.password)}`,
      '[pgbouncer]',
      ...Object.entries(all).map(([name, value]) => `${name} = ${value}`),
      '',
    ].join('\n'),
  )
  if (isRoot) for (const path of [directory, users, file]) chownSync(path, UNPRIVILEGED, UNPRIVILEGED)
  chmodSync(directory, 0o755)
  const child = spawn(pgbouncerProgram, [file], {
    ...(isRoot ? { uid: UNPRIVILEGED, gid: UNPRIVILEGED } : {}),
    cwd: directory,
    stdio: ['ignore', 'ignore', 'pipe'],
  })
  const killAtExit = (): void => void child.kill('SIGKILL')
  process.once('exit', killAtExit)
  const closed = once(child, 'close')
  let said = ''
  await new Promise<void>((resolve, reject) => {
    child.stderr.on('data', (data: Buffer) => {
      said = (said + data.toString()).slice(-10_000)
      if (said.includes('process up')) resolve()
    })
    child.once('close', () => reject(new Error(`PgBouncer ended: ${said}`)))
  })
  const through = new URL(url)
  through.hostname = '127.0.0.1'
  through.port = String(port)
  return {
    url: through.href,
    stop: async () => {
      process.removeListener('exit', killAtExit)
      child.kill('SIGKILL')
      await closed
      rmSync(directory, { recursive: true, force: true })
    },
  }
}
