import { existsSync } from 'node:fs'
import { createRequire } from 'node:module'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { writeFile } from 'node:fs/promises'
import { openQueue } from '@sluice/queue-sql'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { Sandbox } from '../fixtures/sandbox.js'

let box: Sandbox

beforeEach(async () => {
  box = await Sandbox.open()
  const queue = { package: 'sql', name: 'tiles', url: 'sqlite:q.db' }
  await writeFile(join(box.dir, 'sluice.config.json'), JSON.stringify({ queue }))
})
afterEach(() => box.close())

test('put of an item that exists names the command that removes it', async () => {
  await box.run(['put', 'a b', '1'])
  const { code, err } = await box.run(['put', 'a b', '1'])
  expect([code, err]).toEqual([
    3,
    expect.stringMatching(/it is there already.*\nTo remove it: sluice rm 'a b'$/u),
  ])
  await box.run(['put', '--', '-a', '1'])
  expect((await box.run(['put', '--', '-a', '1'])).err).toMatch(/\nTo remove it: sluice rm -- -a$/u)
})

test('status names the command that says why items failed, where some did', async () => {
  const queue = await openQueue({ name: 'tiles', url: `sqlite:${join(box.dir, 'q.db')}` })
  await queue.put('a', 1)
  expect((await box.run(['status'])).out).not.toContain('sluice report')
  const [item] = await queue.get(1)
  await queue.settle([{ id: 'a', attempt: item?.attempt ?? 0, stage: 'FAIL' }])
  expect((await box.run(['status'])).out).toMatch(/^1 item failed: for why, see `sluice report --summary`$/mu)
  await queue.close()
})

test('run creates no queue where the worker’s package is missing or its options are invalid', async () => {
  const missing = await box.run(['run', '--set', 'worker.package=no-such-worker'])
  expect([missing.code, missing.err]).toEqual([2, expect.stringContaining('npm install no-such-worker')])
  const wrong = await box.run(['run', '--set', 'worker.package=dummy', '--set', 'worker.speed=1'])
  expect([wrong.code, wrong.err]).toEqual([2, expect.stringContaining('worker.speed')])
  expect(existsSync(join(box.dir, 'q.db'))).toBe(false)
})

test.each([
  [{ durable: true, sharedBy: 'process' }, /^$/u],
  [{ durable: false, sharedBy: 'process' }, /this queue exists only in this process/u],
  [{ durable: false, sharedBy: 'machine' }, /this queue is not durable/u],
])('a queue that supports %o: only loss is warned of', async (supports, warning) => {
  const memory = pathToFileURL(createRequire(import.meta.url).resolve('@sluice/queue-memory')).href
  await writeFile(
    join(box.dir, 'own.mjs'),
    `import { openQueue as open } from '${memory}'
    export async function openQueue({ name }) {
      const queue = await open({ name })
      Object.defineProperty(queue, 'supports', { value: { ...queue.supports, ...${JSON.stringify(supports)} } })
      return queue
    }`,
  )
  const { code, err } = await box.run([
    'put',
    'a',
    '1',
    '--set',
    'queue.package=./own.mjs',
    '--set',
    'queue.url=',
  ])
  expect(code).toBe(0)
  expect(err).toMatch(warning)
})
