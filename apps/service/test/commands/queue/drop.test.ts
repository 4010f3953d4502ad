import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { openQueue } from '@sluice/queue-sql'
import { startS3Server } from '@sluice/fake-s3'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { Sandbox, logged } from '../../fixtures/sandbox.js'

let box: Sandbox

beforeEach(async () => {
  box = await Sandbox.open()
  await configure()
})
afterEach(() => box.close())

async function configure(more = ''): Promise<void> {
  await writeFile(
    join(box.dir, 'sluice.config.yaml'),
    `queue: { package: sql, name: tiles, url: 'sqlite:q.db' }
worker: { package: process, command: [sleep, '{body}'], dir: jobs }
service: { intervalMs: 50 }
${more}`,
  )
}

test('it removes the queue whose name was typed, and no other; the list shows what there is', async () => {
  await box.run(['put', 'a', '1'])
  await box.run(['put', 'b', '1', '--set', 'queue.name=other'])
  const listed = await box.run(['queues'])
  expect(listed.code).toBe(0)
  expect(listed.out.split('\n').map((line) => line.split(/ {2,}/))).toEqual([
    ['queue', 'state', 'WAITING', 'PROCESSING', 'SUCCESS', 'FAIL', 'dispatched by', 'stored as'],
    ['other', 'ready', '1', '0', '0', '0', '-', expect.stringMatching(/^tables of version/)],
    ['tiles', 'ready', '1', '0', '0', '0', '-', expect.stringMatching(/^tables of version/)],
  ])
  expect(await box.run(['drop', '--name', 'tiles'])).toEqual({
    code: 0,
    out: `Dropped the queue "tiles" at sqlite:${box.dir}/q.db (queue.url in sluice.config.yaml:1): 1 item removed`,
    err: '',
  })
  const json = await box.run(['queues', '--json'])
  expect(json.out.split('\n').map((line) => JSON.parse(line))).toMatchObject([
    { name: 'other', state: 'ready' },
  ])
  expect((await box.run(['status'])).code).toBe(2)
})

test.each([
  ['without a name', [], /not confirmed\. Confirm with: sluice drop --name NAME/],
  ['by --yes alone', ['--yes'], /not confirmed/],
  ['by another name', ['--name', 'tile'], /"tile\\?" is not its name/],
])('%s nothing is dropped', async (_, args, told) => {
  await box.run(['put', 'a', '1'])
  for (const json of [[], ['--json']]) {
    const { code, out, err } = await box.run(['drop', ...args, ...json])
    expect({ code, out, err }).toEqual({ code: 6, out: '', err: expect.stringMatching(told) })
  }
  expect(await box.json(['status', '--sample', '0'])).toMatchObject({ total: 1 })
})

test('while a service dispatches it is refused, with the service and the time; after that it works', async () => {
  await box.run(['put', 'a', '600'])
  const service = box.start(['run', '--log-format', 'json'])
  await logged(service.stderr, 'this service dispatches')
  await expect
    .poll(() => box.json(['status', '--sample', '0']), { timeout: 20_000 })
    .toMatchObject({ sizes: { PROCESSING: 1 } })
  const refused = await box.run(['drop', '--name', 'tiles', '--with-running'])
  expect(refused).toMatchObject({
    code: 3,
    err: expect.stringMatching(
      /was not dropped: a service dispatches it \(.+\) for \d+(?:\.\d)?s more, unless it renews the lease.*Stop every service/,
    ),
  })
  expect((await box.run(['queues'])).out).not.toMatch(/ - /)
  service.kill('SIGTERM')
  expect(await service).toMatchObject({ exitCode: 0 })
  expect(await box.run(['drop', '--name', 'tiles'])).toMatchObject({
    code: 3,
    err: expect.stringMatching(/1 item is in PROCESSING.*sluice cancel --all.*--with-running/),
  })
  await box.run(['cancel', '--all', '--yes'])
  expect(await box.run(['drop', '--name', 'tiles'])).toMatchObject({ code: 0 })
})

test('a standby service ends with an error that names the drop', async () => {
  await box.run(['put', 'a', '0'])
  const queue = await openQueue({ name: 'tiles', url: `sqlite:${join(box.dir, 'q.db')}` })
  const lease = await queue.lease('dispatcher', 'another', 60_000)
  const service = box.start(['run', '--log-format', 'json', '--set', 'service.intervalMs=3000'])
  await logged(service.stderr, 'standing by: another service dispatches this queue')
  await lease?.release()
  expect(await box.run(['drop', '--name', 'tiles'])).toMatchObject({ code: 0 })
  const { exitCode, stderr } = await service
  expect({ exitCode, stderr }).toEqual({ exitCode: 2, stderr: expect.stringContaining('it was dropped') })
  await queue.close()
  expect((await box.run(['queues'])).err).toContain('no queues')
})

test('reports what cannot be dropped or listed', async () => {
  await writeFile(
    join(box.dir, 'own.mjs'),
    'export async function openQueue() { throw new Error("it was opened") }',
  )
  const own = ['--set', 'queue.package=./own.mjs']
  expect(await box.run(['drop', '--name', 'tiles', ...own])).toMatchObject({
    code: 2,
    err: expect.stringMatching(
      /own\.mjs can't drop a queue: it exports no function dropQueue.*\n  sluice rm --stage WAITING\n  sluice rm --stage SUCCESS\n  sluice rm --stage FAIL\n/s,
    ),
  })
  expect(await box.run(['queues', ...own])).toMatchObject({
    code: 2,
    err: expect.stringMatching(/can't list its queues: it exports no function listQueues/),
  })
})

test('a bucket: sizes with --sizes, and what a versioned one keeps', async () => {
  const server = await startS3Server()
  const { endpoint, region, credentials } = server.clientOptions()
  const queue = {
    package: 's3',
    name: 'tiles',
    bucket: server.bucket,
    prefix: 'q',
    endpoint,
    region,
    credentials,
  }
  await writeFile(join(box.dir, 's3.json'), JSON.stringify({ queue: { ...queue, probe: 'off' } }))
  const at = ['--config', 's3.json']
  expect(await box.run(['queues', ...at])).toMatchObject({
    code: 0,
    out: '',
    err: expect.stringContaining('no queues at s3://'),
  })
  await box.run(['put', 'a', '1', ...at])
  expect((await box.run(['queues', ...at])).out).toMatch(/tiles +ready +- +- +- +- +- +format 2/)
  expect((await box.run(['queues', '--sizes', ...at])).out).toMatch(/tiles +ready +1 +0 +0 +0 /)
  server.setVersioning('Enabled')
  expect(await box.run(['drop', '--name', 'tiles', ...at])).toMatchObject({
    code: 0,
    out: expect.stringMatching(/^Dropped the queue "tiles" at s3:.*\d+ objects removed$/),
    err: expect.stringMatching(/it keeps old versions/),
  })
  expect(server.keys()).toEqual([])
  await server.close()
})
