import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { Sandbox } from '../fixtures/sandbox.js'

let box: Sandbox
beforeEach(async () => {
  box = await Sandbox.open()
})
afterEach(() => box.close())

/** By the item: the body is a result that can be kept, or can't. */
const CONFIG = `queue: { package: sql, name: tiles, url: sqlite:queue.db }
worker: { package: process, command: [echo, '{body}'], maxResultBytes: 100 }
`
const BODIES = {
  nan: '"NaN"',
  nan2: '"NaN"',
  large: JSON.stringify('9'.repeat(200)),
  well: '{"a":1}',
  text: '"done"',
}

async function runAll(): Promise<readonly { level: string; msg: string; leftOut?: number }[]> {
  await writeFile(join(box.dir, 'sluice.config.yaml'), CONFIG)
  for (const [id, body] of Object.entries(BODIES)) await box.run(['put', id, body])
  const { code, err } = await box.spawn([
    'run',
    '--until-empty',
    '--log-format',
    'json',
    '--interval-ms',
    '50',
  ])
  expect(code).toBe(0)
  return err.split('\n').map((line) => JSON.parse(line))
}

test('run warns of the first result that is not stored, and of their number at its end', async () => {
  const warnings = (await runAll()).filter(({ level }) => level === 'warn')
  expect(warnings).toHaveLength(2)
  expect(warnings[0]?.msg).toMatch(
    /^part of a job's outcome was not stored: the last line of stdout is not kept/u,
  )
  expect(warnings[1]).toMatchObject({
    leftOut: 3,
    msg: expect.stringMatching(/outcome of 3 jobs.*report --summary/u),
  })
})

test('report --summary has their number and a command that lists them; show has the reason', async () => {
  await runAll()
  const { out } = await box.run(['report', '--summary'])
  expect(out).toMatch(/^3 outcomes so far not stored in full, .*; the latest: (?:nan2?|large)$/mu)
  const [, columns = ''] = /sluice report --columns (\S+) --format jsonl/u.exec(out) ?? []
  const listed = (await box.run(['report', '--columns', columns, '--format', 'jsonl'])).out.split('\n')
  const rows = listed.map((line): Record<string, unknown> => JSON.parse(line))
  const ids = rows.filter((row) => row['details.leftOut'] !== undefined).map(({ id }) => id)
  expect(new Set(ids)).toEqual(new Set(['large', 'nan', 'nan2']))
  expect(await box.json(['report', '--summary'])).toMatchObject({ leftOut: { count: 3 } })
  expect((await box.run(['show', 'large'])).out).toMatch(
    /^not stored +the last line .* longer than 100 bytes/mu,
  )
  expect((await box.run(['show', 'nan'])).out).toMatch(
    /^not stored +the last line .* it is not JSON that can be kept/mu,
  )
  expect((await box.run(['show', 'text'])).out).not.toMatch(/not stored/u)
})

test('without such results there is no message', async () => {
  await writeFile(join(box.dir, 'sluice.config.yaml'), CONFIG)
  await box.run(['put', 'well', BODIES.well])
  const { err } = await box.spawn(['run', '--until-empty', '--log-format', 'json'])
  expect(err).not.toMatch(/kept/u)
  expect((await box.run(['report', '--summary'])).out).not.toMatch(/kept/u)
  expect(await box.json(['report', '--summary'])).not.toHaveProperty('leftOut')
})
