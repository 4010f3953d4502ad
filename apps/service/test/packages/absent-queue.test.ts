import { readdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { createRequire } from 'node:module'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { Sandbox } from '../fixtures/sandbox.js'

let box: Sandbox

const MEMORY = pathToFileURL(createRequire(import.meta.url).resolve('@sluice/queue-memory')).href

/** A queue that exists only after it was opened, and reports that. */
const PACKAGE = `
import { existsSync, writeFileSync } from 'node:fs'
import { openQueue as open } from '${MEMORY}'
export async function queueExists({ url }) { return existsSync(new URL(url).pathname) }
export async function openQueue({ name, url }) {
  writeFileSync(new URL(url).pathname, '')
  return open({ name })
}`

beforeEach(async () => {
  box = await Sandbox.open()
  await writeFile(join(box.dir, 'queue.mjs'), PACKAGE)
  await writeFile(
    join(box.dir, 'sluice.config.yaml'),
    `queue:
  package: ./queue.mjs
  name: tiles
  url: places://me:secret@host${box.dir}/tiels?password=secret
`,
  )
})

afterEach(() => box.close())

const READING = [
  ['status'],
  ['status', '--watch'],
  ['ls'],
  ['show', 'a'],
  ['logs', 'a'],
  ['requeue', 'a'],
  ['requeue', '--all'],
  ['requeue', '--group', 'abcd'],
  ['requeue', '--class', 'oom', '--dry-run'],
  ['release', 'a'],
  ['rm', 'a', '--yes'],
  ['report'],
  ['report', '--summary'],
  ['report', '--group', 'abcd'],
  ['pause'],
  ['resume'],
  ['limit'],
  ['limit', '5'],
]

test.each(READING)(
  'sluice %s %s without a queue: 2, the place that was checked, and nothing is created',
  async (...args) => {
    const before = await readdir(box.dir)
    const { code, out, err } = await box.run(args)
    expect([code, out]).toEqual([2, ''])
    expect(err).toBe(
      `error: There is no queue "tiles" at places://host${box.dir}/tiels (queue.url in sluice.config.yaml:4): ` +
        'check queue.url and queue.name, or create it by adding the first item (sluice load, sluice put).',
    )
    expect(await readdir(box.dir)).toEqual(before)
    const json = await box.run([...args, '--json'])
    expect(JSON.parse(json.err).error.code).toBe('SLUICE_CONFIG_INVALID')
  },
)

test('put and load create it; then every command finds it', async () => {
  expect((await box.run(['put', 'a', '1'])).code).toBe(0)
  expect((await box.run(['status'])).code).toBe(0)
})

/** It opens a queue that exists at once, and is asked nothing else. */
const AT_ONCE = `
import { existsSync } from 'node:fs'
import { openQueue as open } from '${MEMORY}'
export const queueExists = () => { throw new Error('queueExists was asked') }
export const openQueue = () => { throw new Error('openQueue was asked') }
export async function openIfExists({ name, url }) {
  return existsSync(new URL(url).pathname) ? open({ name }) : undefined
}`

test('a package that exports openIfExists is asked once', async () => {
  await writeFile(join(box.dir, 'queue.mjs'), AT_ONCE)
  expect(await box.run(['status'])).toMatchObject({
    code: 2,
    err: expect.stringContaining('no queue "tiles"'),
  })
  await writeFile(join(box.dir, 'tiels'), '')
  await writeFile(join(box.dir, 'list.txt'), 'a\n')
  for (const args of [['status'], ['pause'], ['load', 'list.txt']])
    expect(await box.run(args)).toMatchObject({ code: 0 })
})

test('a mistyped path of a SQLite queue creates no directory and no file', async () => {
  const at = ['--config', 'sql.yaml']
  await writeFile(
    join(box.dir, 'sql.yaml'),
    `queue: { package: sql, name: q, url: 'sqlite:${box.dir}/no/q.db' }\n`,
  )
  const before = await readdir(box.dir)
  const { code, err } = await box.run(['ls', ...at])
  expect([code, err]).toEqual([
    2,
    expect.stringContaining(`There is no queue "q" at sqlite:${box.dir}/no/q.db`),
  ])
  expect(await readdir(box.dir)).toEqual(before)
  expect((await box.run(['put', 'a', '1', ...at])).code).toBe(0)
  expect((await box.run(['ls', ...at])).out).toContain('WAITING')
  const other = await box.run(['ls', ...at, '--set', 'queue.name=w'])
  expect([other.code, other.err]).toEqual([2, expect.stringContaining('There is no queue "w"')])
  expect((await box.run(['rm', 'a', '--yes', ...at])).code).toBe(0)
  expect(await box.run(['ls', ...at])).toEqual({ code: 0, out: '', err: 'no items' })
})
