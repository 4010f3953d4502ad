import { mkdtemp, readdir, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { openQueue, queueExists } from '../src/index.js'
import { withAbsolutePaths } from '../src/sql-options.js'

let dir: string

beforeEach(async () => {
  dir = await mkdtemp(join(tmpdir(), 'sluice-paths-'))
})

afterEach(() => rm(dir, { recursive: true, force: true }))

test.each([
  ['sqlite:queue.db', 'sqlite:/base/queue.db'],
  ['sqlite:../a b/ü.db', 'sqlite:/a b/ü.db'],
  ['sqlite:/tmp/queue.db', 'sqlite:/tmp/queue.db'],
  ['sqlite::memory:', 'sqlite::memory:'],
  ['postgres://u:p%40ss@h:5432/db', 'postgres://u:p%40ss@h:5432/db'],
  ['postgres:///db?host=/var/run', 'postgres:///db?host=/var/run'],
  [
    'postgres://u:p%40ss@h/db?sslmode=verify-full&sslrootcert=certs/ca.pem',
    'postgres://u:p%40ss@h/db?sslmode=verify-full&sslrootcert=%2Fbase%2Fcerts%2Fca.pem',
  ],
  [
    'postgres://h/db?sslcert=/a/b.pem&sslkey=./k.pem',
    'postgres://h/db?sslcert=%2Fa%2Fb.pem&sslkey=%2Fbase%2Fk.pem',
  ],
])('%s', (url, expected) => {
  expect(withAbsolutePaths(url, '/base')).toBe(expected)
})

test('a queue is opened and checked relative to its base directory', async () => {
  const options = { name: 'tiles', url: 'sqlite:data/queue.db' }
  const context = { baseDir: dir }
  expect(await queueExists(options, context)).toBe(false)
  const queue = await openQueue(options, context)
  await queue.close()
  expect(await readdir(join(dir, 'data'))).toContain('queue.db')
  expect(await queueExists(options, context)).toBe(true)
  const asked: string[] = []
  const other = {
    ...context,
    baseDirOf: (option: readonly string[]) => {
      asked.push(option.join('.'))
      return join(dir, 'elsewhere')
    },
  }
  expect(await queueExists(options, other)).toBe(false)
  expect(asked).toEqual(['url'])
})
