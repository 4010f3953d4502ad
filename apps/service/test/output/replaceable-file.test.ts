import { mkdir, readFile, symlink, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { Sandbox } from '../fixtures/sandbox.js'

let box: Sandbox

beforeEach(async () => {
  box = await Sandbox.open()
  await writeFile(
    join(box.dir, 'sluice.config.yaml'),
    `queue: { package: sql, name: tiles, url: 'sqlite:queue.db' }\nworker: { package: process, command: ['true'], dir: jobs }\n`,
  )
  await writeFile(join(box.dir, 'in.csv'), LIST)
})
afterEach(() => box.close())

const LIST = 'id,a\n1,x\n2\n'

async function text(name: string): Promise<string> {
  return readFile(join(box.dir, name), 'latin1')
}

test.each([[], ['--dry-run']])('load writes no rejects over the list that it reads: %j', async (...flags) => {
  await symlink('in.csv', join(box.dir, 'link.jsonl'))
  for (const rejects of ['in.csv', './in.csv', 'link.jsonl']) {
    const { code, err } = await box.run(['load', 'in.csv', '--rejects', rejects, ...flags])
    expect([code, err]).toEqual([2, expect.stringContaining('this command reads that file')])
  }
  expect(await text('in.csv')).toBe(LIST)
})

test('nor over standard input, where a shell reads it from a file', async () => {
  const { code, err } = await box.redirected('< in.csv', [
    'load',
    '-',
    '--format',
    'csv',
    '--rejects',
    'in.csv',
  ])
  expect([code, err]).toEqual([2, expect.stringContaining('this command reads that file')])
  expect(await text('in.csv')).toBe(LIST)
})

test.each(['queue.db', 'queue.db-wal', 'queue.db-shm', 'sluice.config.yaml'])(
  'neither a report nor rejects replace %s',
  async (name) => {
    await box.run(['put', 'a', '1'])
    // Those beside it are there only while a process has the file open.
    if (name.endsWith('m')) await writeFile(join(box.dir, name), 'shared memory')
    if (name.endsWith('l') && name.includes('wal'))
      await writeFile(join(box.dir, name), Buffer.from([0x37, 0x7f, 0x06, 0x82, 0, 0, 0, 0]))
    const before = await text(name)
    const report = await box.run(['report', '--out', name, '--format', 'csv'])
    expect([report.code, report.err]).toEqual([2, expect.stringContaining('Did not write the report to')])
    const load = await box.run(['load', 'in.csv', '--rejects', name])
    expect([load.code, load.err]).toEqual([2, expect.stringContaining('Did not write the rejects to')])
    // SQLite has its own use for those beside the database.
    const after = name.includes('-') ? before : await text(name)
    expect(after).toBe(before)
    expect(await box.json(['show', 'a'])).toMatchObject({ body: 1 })
  },
)

test('any other file is written, and written again', async () => {
  await mkdir(join(box.dir, 'out'))
  for (let time = 0; time < 2; time++) {
    expect((await box.run(['load', 'in.csv', '--rejects', 'out/rejects'])).code).toBe(2)
    expect((await box.run(['report', '--out', 'out/report.csv'])).code).toBe(0)
  }
  expect(await text('out/rejects')).toContain('"line":3')
})
