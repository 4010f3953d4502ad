import { existsSync } from 'node:fs'
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { PassThrough } from 'node:stream'
import { setTimeout as sleep } from 'node:timers/promises'
import { queueExists as s3QueueExists } from '@sluice/queue-s3'
import { queueExists } from '@sluice/queue-sql'
import { startS3Server } from '@sluice/fake-s3'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { startPostgres } from '../../fixtures/postgres.js'
import { Sandbox } from '../../fixtures/sandbox.js'

/** Where no queue is yet. */
interface Place {
  readonly config: object
  readonly isThere: () => Promise<boolean>
  readonly close: () => Promise<void>
}

let postgres: Awaited<ReturnType<typeof startPostgres>>
let box: Sandbox
let place: Place

beforeAll(async () => {
  postgres = await startPostgres()
})
afterAll(() => postgres.stop())
beforeEach(async () => {
  box = await Sandbox.open()
})
afterEach(async () => {
  await place.close()
  await box.close()
})

const name = 'tiles'
const nothing = async () => {}

async function sqlitePlace(): Promise<Place> {
  const path = join(box.dir, 'queue.db')
  const url = `sqlite:${path}`
  return { config: { package: 'sql', name, url }, isThere: async () => existsSync(path), close: nothing }
}

let prefixes = 0

async function postgresPlace(): Promise<Place> {
  const options = { name, url: postgres.url, tablePrefix: `new${process.pid}_${prefixes++}_` }
  return { config: { package: 'sql', ...options }, isThere: () => queueExists(options), close: nothing }
}

async function s3Place(): Promise<Place> {
  const server = await startS3Server()
  const { endpoint, region, credentials } = server.clientOptions()
  const options = { name, bucket: server.bucket, endpoint, region, credentials }
  return {
    config: { package: 's3', ...options },
    isThere: () => s3QueueExists(options),
    close: () => server.close(),
  }
}

async function status(): Promise<{ sizes?: unknown }> {
  const { code, out } = await box.run(['status', '--sample', '0', '--json'])
  return code === 0 ? JSON.parse(out) : {}
}

/** What has nothing to store. */
const NOTHING: readonly (readonly [title: string, content: string, args: readonly string[]])[] = [
  ['an empty list', '', ['m.jsonl']],
  ['a table of a header alone', 'id,n\n', ['m.csv']],
  ['a list in which every row is refused', 'no\n{"id":""}\n', ['m.jsonl']],
  ['a list that is not there', '', ['missing.jsonl']],
  ['one of two lists that is not there', '{"id":"a","body":1}\n', ['m.jsonl', 'missing.jsonl']],
  ['a flag for another format', '{"id":"a","body":1}\n', ['m.jsonl', '--id-column', 'x']],
  ['a column that is not there', 'id,n\na,1\n', ['m.csv', '--id-column', 'key']],
  ['--dry-run', '{"id":"a","body":1}\n', ['m.jsonl', '--dry-run']],
  ['--strict and a row that is refused', '{"id":"a","body":1}\nno\n', ['m.jsonl', '--strict']],
  ['a log of jobs that is none', '{"id":"a","body":1}\n', ['m.jsonl', '--joblog', 'm.jsonl']],
  [
    'a file of rejects that can’t be written',
    '{"id":"a","body":1}\n',
    ['m.jsonl', '--rejects', 'no/b.jsonl'],
  ],
]

describe.each([
  ['SQLite', sqlitePlace],
  ['PostgreSQL', postgresPlace],
  ['S3', s3Place],
] as const)('a load into a queue that does not exist, %s', (_, open) => {
  beforeEach(async () => {
    place = await open()
    await writeFile(join(box.dir, 'sluice.config.json'), JSON.stringify({ queue: place.config }))
  })

  test('creates none if there is nothing to store', async () => {
    for (const [title, content, args] of NOTHING) {
      for (const name of ['m.jsonl', 'm.csv']) await writeFile(join(box.dir, name), content)
      const { err } = await box.run(['load', ...args])
      expect([title, await place.isThere()]).toEqual([title, false])
      expect(err).not.toContain('made a new')
    }
    const put = await box.run(['put', 'a', '{"n":1e400}'])
    expect([put.code, await place.isThere()]).toEqual([2, false])
  })

  test('creates it at the first row of a pipe that stays open, and reports it once', async () => {
    const input = new PassThrough()
    const load = box.start(['load', '-', '--format', 'lines'], { input })
    load.stdout.once('close', () => input.destroy())
    input.write('\n')
    input.write('tile-a\n')
    while (!(await place.isThere())) await sleep(20)
    while (Object((await status()).sizes).WAITING !== 1) await sleep(20)
    input.write('tile-b\n')
    input.end()
    const { exitCode, stdout, stderr } = await load
    expect([exitCode, stdout]).toEqual([0, expect.stringMatching(/^2 rows: 2 added, 0 same/u)])
    expect(stderr.match(/created a new, empty queue "tiles"/gu)).toHaveLength(1)
  })
})

test('an unreachable storage is reported before a pipe delivers a row', async () => {
  place = { config: {}, isThere: async () => false, close: nothing }
  const queue = { package: 'sql', name, url: 'postgres://u:p@127.0.0.1:1/x', timeoutMs: 1_000 }
  await writeFile(join(box.dir, 'sluice.config.json'), JSON.stringify({ queue }))
  const input = new PassThrough()
  const { code, err } = await box.run(['load', '-', '--format', 'lines'], { input })
  expect([code, err]).toEqual([4, expect.stringMatching(/^error: /u)])
  input.destroy()
})
