import { execFileSync } from 'node:child_process'
import { mkdir, readFile, readdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { openQueue } from '@sluice/queue-sql'
import { startArgoServer, type ArgoServer } from '@sluice/fake-argo'
import { s3Stores, startS3Server, type S3Server, type S3ServerOptions } from '@sluice/fake-s3'
import pg from 'pg'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { startPostgres } from '../../fixtures/postgres.js'
import { Sandbox } from '../../fixtures/sandbox.js'

let box: Sandbox
const closing: (() => Promise<unknown>)[] = []

beforeEach(async () => {
  box = await Sandbox.open()
})
afterEach(async () => {
  for (const close of closing.splice(0).toReversed()) await close()
  await box.close()
})

const PROCESS = { package: 'process', command: ['true'], stdin: 'none' }

async function configure(queue: object, worker: object = PROCESS): Promise<void> {
  const dir = 'dir' in worker || !('command' in worker) ? {} : { dir: join(box.dir, 'jobs') }
  const config = { queue: { name: 'tiles', ...queue }, worker: { ...worker, ...dir } }
  await writeFile(join(box.dir, 'sluice.config.json'), JSON.stringify(config))
}

const file = (path = join(box.dir, 'queue.db')) => ({ package: 'sql', url: `sqlite:${path}` })

/** What `check` finds of each part, the exit code, and what is said. */
async function checked(...more: string[]) {
  const { code, out, err } = await box.run(['check', '--json', ...more])
  const findings: { part: string; ok: boolean; found: string; rejected?: unknown[] }[] = JSON.parse(out)
  return { code, err, of: (part: string) => findings.find((one) => one.part === part) }
}

describe('a bucket', () => {
  let server: S3Server

  async function serve(options: S3ServerOptions = {}, more: object = {}): Promise<void> {
    server = await startS3Server(options)
    closing.push(() => server.close())
    const { endpoint, region, credentials } = server.clientOptions()
    const place = { bucket: server.bucket, prefix: 'queues', endpoint, region, credentials }
    await configure({ package: 's3', timeoutMs: 1_000, ...place, ...more })
  }

  test.each([{}, { probe: 'off' }, { probe: 'quick' }])(
    'of a store that ignores If-None-Match is not ready, with %j, with a queue and without one',
    async (more) => {
      await serve({ rules: s3Stores.s3rver.rules }, more)
      const first = await checked()
      expect([first.code, first.of('queue')?.ok]).toEqual([2, false])
      expect(first.err).toMatch(/PUT If-None-Match: \* .*ignores it/u)
      await box.run(['put', 'a', '1', '--set', 'queue.probe=off'])
      expect((await checked()).code).toBe(2)
    },
  )

  test('that is usable is ready, and unchanged', async () => {
    await serve({}, { probe: 'off' })
    expect((await checked()).of('queue')?.found).toBe('ready, no queue of this name yet')
    expect(server.keys()).toEqual([])
    await box.run(['put', 'a', '1'])
    const before = server.keys()
    expect((await checked()).of('queue')?.found).toBe('ready, 1 item')
    expect(server.keys()).toEqual(before)
  })

  test('is unchanged after a check that a signal stops', async () => {
    await serve()
    const written = Promise.withResolvers<void>()
    server.main.onRequest = ({ operation }) => {
      if (operation === 'PutObject') written.resolve()
      return undefined
    }
    const run = box.start(['check'])
    await written.promise
    run.kill('SIGTERM')
    expect((await run).exitCode).toBe(130)
    expect(server.keys()).toEqual([])
  })
})

/** To mount a file system takes root, on Linux. */
function mounted(disk: string): boolean {
  try {
    execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=4m', 'tmpfs', disk], { stdio: 'pipe' })
    closing.push(async () => execFileSync('umount', ['--lazy', disk], { stdio: 'pipe' }))
    return true
  } catch {
    return false
  }
}

describe('a SQLite file', () => {
  test('on a disk that takes no writes, or no more, is not ready', async ({ skip }) => {
    const disk = join(box.dir, 'disk')
    await mkdir(disk)
    if (!mounted(disk)) skip('only root can mount a disk')
    await configure(file(join(disk, 'queue.db')))
    await box.run(['put', 'a', '1'])
    expect((await checked()).code).toBe(0)
    execFileSync('mount', ['-o', 'remount,ro', disk])
    expect(await checked()).toMatchObject({ code: 5, err: expect.stringMatching(/EROFS|read-?only/iu) })
    execFileSync('mount', ['-o', 'remount,rw', disk])
    await writeFile(join(disk, 'rest'), Buffer.alloc(8_388_608)).catch(() => 'it is full')
    expect(await checked()).toMatchObject({ code: 4, err: expect.stringContaining('the disk is full') })
  })

  test('beside a running service is ready, changes nothing and leaves nothing', async () => {
    await configure(file())
    const queue = await openQueue({ name: 'tiles', url: file().url })
    closing.push(() => queue.close())
    await queue.putMany(['a', 'b', 'c'].map((id) => ({ id, body: { n: 1 } })))
    const lease = await queue.lease('dispatcher', 'me', 60_000)
    await queue.get(1, lease === undefined ? {} : { lease })
    const before = [
      await queue.sizes(),
      await queue.list('PROCESSING', { limit: 10 }),
      await readFile(`${box.dir}/queue.db-wal`),
    ]
    expect((await checked()).code).toBe(0)
    expect([
      await queue.sizes(),
      await queue.list('PROCESSING', { limit: 10 }),
      await readFile(`${box.dir}/queue.db-wal`),
    ]).toEqual(before)
    expect((await readdir(box.dir)).filter((name) => name.includes('check'))).toEqual([])
    await lease?.renew()
  })
})

describe('PostgreSQL', () => {
  let server: Awaited<ReturnType<typeof startPostgres>>
  let admin: pg.Client
  beforeAll(async () => {
    server = await startPostgres()
    admin = new pg.Client({ connectionString: server.url })
    await admin.connect()
  })
  afterAll(async () => {
    await admin.end()
    await server.stop()
  })

  test('whose role may only read, or that takes no writes, is not ready, and the missing privilege is named', async () => {
    const url = new URL(server.url)
    await configure({ package: 'sql', url: url.href })
    await box.run(['put', 'a', '1'])
    await admin.query(`create role reader login password '${url.password}'`)
    await admin.query('grant select on all tables in schema public to reader')
    const [password, user] = [url.password, url.username]
    Object.assign(url, { username: 'reader', password })
    await configure({ package: 'sql', url: url.href })
    const refused = await checked()
    expect([refused.code, refused.of('queue')?.ok]).toEqual([5, false])
    for (const grant of [
      'grant insert on table sluice_items to reader',
      'grant delete on table sluice_finished to reader',
      'grant usage on sequence sluice_items_turn to reader',
    ])
      expect(refused.err).toContain(grant)
    expect(refused.err).not.toContain(password)
    Object.assign(url, { username: user })
    url.searchParams.set('options', '-c default_transaction_read_only=on')
    await configure({ package: 'sql', url: url.href })
    expect(await checked()).toMatchObject({
      code: 4,
      err: expect.stringContaining('the database is read-only'),
    })
  })

  test('whose tables are older is ready, and is not upgraded by being checked', async () => {
    await configure({ package: 'sql', url: server.url })
    await box.run(['put', 'b', '1'])
    await admin.query('update sluice_schema set version = 3')
    const { code, of } = await checked()
    const { rows } = await admin.query('select version from sluice_schema')
    await admin.query('update sluice_schema set version = 4')
    expect([code, rows]).toEqual([0, [{ version: 3 }]])
    expect(of('queue')?.found).toMatch(/version 3: opening the queue upgrades them to 5/u)
  })
})

async function load(...bodies: object[]): Promise<void> {
  const lines = bodies.map((body, at) => JSON.stringify({ id: `S${at + 1}`, body }))
  await writeFile(join(box.dir, 'list.jsonl'), lines.join('\n'))
  await box.run(['load', 'list.jsonl'])
}

const hundred = (body: (at: number) => object) => Array.from({ length: 100 }, (_, at) => body(at))

describe('the first items', () => {
  let server: ArgoServer
  beforeEach(async () => {
    server = await startArgoServer()
    closing.push(() => server.close())
  })

  const argo = (more: object = {}) => ({
    package: 'argo',
    baseUrl: server.url,
    namespace: 'argo',
    template: 'test-workflow-template',
    token: server.token,
    ...more,
  })

  test('of a header with a blank: 100 of 100 would be rejected, and it is not ready', async () => {
    await configure(file(), argo())
    await load(...hundred((at) => ({ sample: `S${at}`, 'Sample Group': 'g', item: 'a', seconds: '0' })))
    const { code, err, of } = await checked()
    expect([code, of('queue')?.ok, of('worker')?.ok, of('items')?.ok]).toEqual([2, true, true, false])
    expect(of('items')?.found).toBe('100 of the first 100 items would be rejected')
    expect(of('items')?.rejected).toHaveLength(100)
    expect(err).toMatch(
      /"S1\\?".*"S2\\?".*and 95 more: .*Sample Group.*is no name of a parameter.*Map it to one.*--update-waiting/su,
    )
    expect(server.workflows.size).toBe(0)
    expect(await box.json(['status'])).toMatchObject({ sizes: { WAITING: 100, PROCESSING: 0 } })
  })

  test('without a parameter that the template requires, and with another worker’s command', async () => {
    await configure(file(), argo({ parameters: { item: '$.file.path' } }))
    await load(...hundred(() => ({ file: '/a' })))
    expect(await checked()).toMatchObject({
      code: 2,
      err: expect.stringMatching(/requires item, .*\$\.file is a string, and has no field/u),
    })
    await configure(file(), { ...PROCESS, command: ['echo', '{body["file.path"]}'] })
    expect(await checked()).toMatchObject({
      code: 2,
      err: expect.stringMatching(/has no field .*file\.path/u),
    })
    await configure(file(), { ...PROCESS, command: ['echo', '{body.file}'] })
    const { code, of } = await checked()
    expect([code, of('items')?.found]).toEqual([0, 'ready, the first 100 items can become jobs'])
  })

  test('some of which would be rejected: a warning, and it is ready', async () => {
    await configure(file(), { ...PROCESS, command: ['echo', '{body.n}'] })
    await load(...hundred((at) => (at % 10 === 0 ? { m: 1 } : { n: 1 })))
    const { code, err, of } = await checked()
    expect([code, of('items')]).toMatchObject([
      0,
      { ok: true, found: '10 of the first 100 items would be rejected' },
    ])
    expect(err).toMatch(/^\{"warning":"items: 10 of .*S1\\+".*S11\\+".*has no field/su)
  })

  test.each([
    [1, 2, 2],
    [1, 3, 0],
    [19, 100, 0],
    [20, 100, 2],
  ])('%d of %d rejected: exit code %d', async (rejected, items, exit) => {
    await configure(file(), { ...PROCESS, command: ['echo', '{body.n}'] })
    await load(...Array.from({ length: items }, (_, at) => (at < rejected ? { m: 1 } : { n: 1 })))
    expect((await checked()).code).toBe(exit)
  })

  test('are checked up to the given number, or not at all', async () => {
    await configure(file(), { ...PROCESS, command: ['echo', '{body.n}'] })
    await load(...hundred((at) => (at < 5 ? { n: 1 } : { m: 1 })))
    expect((await checked('--items', '5')).of('items')?.found).toBe(
      'ready, the first 5 items can become jobs',
    )
    expect((await checked('--items', '0')).of('items')).toBeUndefined()
    expect((await checked()).code).toBe(2)
  })

  test('are not reported as rejected if the worker is unreachable', async () => {
    await configure(file(), argo())
    await load({ item: 'a' })
    await server.close()
    const { code, of } = await checked()
    expect([code, of('worker')?.ok, of('items')]).toEqual([4, false, undefined])
  })
})
