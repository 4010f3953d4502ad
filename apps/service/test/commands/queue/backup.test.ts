import { readFile, readdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { openQueue } from '@sluice/queue-sql'
import { startS3Server } from '@sluice/fake-s3'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { startPostgres } from '../../fixtures/postgres.js'
import { Sandbox, logged } from '../../fixtures/sandbox.js'

let box: Sandbox
beforeEach(async () => {
  box = await Sandbox.open()
})
afterEach(() => box.close())

async function configure(queue: object = {}, worker: object = {}): Promise<void> {
  const config = {
    queue: { package: 'sql', name: 'tiles', url: `sqlite:${join(box.dir, 'queue.db')}`, ...queue },
    worker: { package: 'process', command: ['true'], dir: join(box.dir, 'jobs'), ...worker },
    processing: { limit: 4 },
    service: { intervalMs: 20 },
  }
  await writeFile(join(box.dir, 'sluice.config.json'), JSON.stringify(config))
}

async function load(count: number): Promise<void> {
  const lines = Array.from({ length: count }, (_, n) => JSON.stringify({ id: `tile/${n}`, body: { n } }))
  await writeFile(join(box.dir, 'list.jsonl'), lines.join('\n'))
  await box.run(['load', 'list.jsonl'])
}

test('while a service and a load run, the copy opens as a queue with every item, and continues from there', async () => {
  await configure()
  await load(3_000)
  const service = box.start(['run', '--log-format', 'json'])
  await logged(service.stderr, 'this service dispatches')
  const more = Array.from({ length: 20_000 }, (_, n) => JSON.stringify({ id: `more/${n}`, body: n }))
  const loading = box.start(['load', '-', '--format', 'jsonl'], { input: more.join('\n') })
  const backup = await box.spawn(['backup', 'copy.db', '--json'])
  expect([backup.code, backup.err]).toEqual([0, ''])
  const outcome: { file: string; items: number; bytes: number } = JSON.parse(backup.out)
  expect(outcome.file).toBe(join(box.dir, 'copy.db'))
  await loading
  service.kill('SIGTERM')
  await service
  expect(outcome.items).toBeGreaterThanOrEqual(3_000)
  expect(outcome.items).toBeLessThanOrEqual(23_000)
  const url = `sqlite:${join(box.dir, 'copy.db')}`
  const copy = await openQueue({ name: 'tiles', url })
  const sizes = await copy.sizes()
  expect(sizes.WAITING + sizes.PROCESSING + sizes.SUCCESS + sizes.FAIL).toBe(outcome.items)
  for (let n = 0; n < 3_000; n += 500) expect(await copy.lookup(`tile/${n}`)).toMatchObject({ body: { n } })
  await copy.close()
  expect((await readdir(box.dir)).filter((name) => name.includes('partial'))).toEqual([])
})

test('restored, it continues: running jobs are adopted, and missing items are loaded again', async () => {
  await configure()
  await load(20)
  await box.run(['backup', 'copy.db'])
  expect((await box.run(['run', '--until-empty'])).code).toBe(0)
  const restored = `queue.url=sqlite:${join(box.dir, 'copy.db')}`
  expect(await box.json(['status', '--set', restored])).toMatchObject({ sizes: { WAITING: 20 } })
  const runs = async () =>
    (await readdir(join(box.dir, 'jobs'), { recursive: true })).filter((name) => name.endsWith('/stdout'))
      .length
  const before = await runs()
  expect((await box.run(['run', '--until-empty', '--set', restored])).code).toBe(0)
  expect(await box.json(['status', '--set', restored])).toMatchObject({ sizes: { SUCCESS: 20 } })
  // The same attempts of the same items: the worker knew their jobs.
  expect(await runs()).toBe(before)
})

test('an existing file is unchanged, a second copy is another file', async () => {
  await configure()
  await load(3)
  expect((await box.run(['backup', 'copy.db'])).out).toMatch(
    /^Copied the queues at sqlite:.*queue\.db.* to .*copy\.db: 3 items, [\d.]+ kB$/u,
  )
  const first = await readFile(join(box.dir, 'copy.db'))
  const again = await box.run(['backup', 'copy.db'])
  expect([again.code, again.err]).toEqual([2, expect.stringContaining('is not overwritten')])
  expect(await readFile(join(box.dir, 'copy.db'))).toEqual(first)
})

test('without a queue, or a folder for it, it ends with 2 and creates nothing', async () => {
  await configure()
  expect(await box.run(['backup', 'copy.db'])).toMatchObject({
    code: 2,
    err: expect.stringContaining('There is no SQLite file'),
  })
  await load(1)
  expect(await box.run(['backup', 'none/copy.db'])).toMatchObject({
    code: 2,
    err: expect.stringContaining('There is no folder'),
  })
  expect(await readdir(box.dir)).not.toContain('copy.db')
})

test('for PostgreSQL, a bucket and memory it names the alternative', async () => {
  const postgres = await startPostgres()
  const server = await startS3Server()
  const { endpoint, region, credentials } = server.clientOptions()
  const ways: [object, RegExp][] = [
    [{ url: postgres.url }, /pg_dump/u],
    [
      { package: 's3', url: undefined, bucket: server.bucket, endpoint, region, credentials },
      /stop them, then copy all keys/u,
    ],
    [{ package: 'memory', url: undefined }, /exports no function backupStore/u],
    [{ url: 'sqlite::memory:' }, /ends with its process/u],
  ]
  for (const [queue, said] of ways) {
    await configure(queue)
    const { code, err } = await box.run(['backup', 'copy.db'])
    expect([code, err]).toEqual([2, expect.stringMatching(said)])
    expect(err).not.toContain(new URL(postgres.url).password || 'no password')
  }
  await server.close()
  await postgres.stop()
})
