import { readdir, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { openQueue } from '@sluice/queue-sql'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { Sandbox } from '../../fixtures/sandbox.js'

let box: Sandbox

beforeEach(async () => {
  box = await Sandbox.open()
  const url = `sqlite:${join(box.dir, 'queue.db')}`
  await writeFile(
    join(box.dir, 'sluice.config.json'),
    JSON.stringify({ queue: { package: 'sql', name: 'tiles', url } }),
  )
  const queue = await openQueue({ name: 'tiles', url })
  const ids = ['#1', '#2', 'a', 'b', 'c']
  await queue.putMany(ids.map((id) => ({ id, body: { 'file.path': `/data/${id}`, 'a,b': 1 } })))
  for (const { id } of await queue.get(5)) await queue.success(id, { result: { size: 3 } })
  await queue.close()
})

afterEach(() => box.close())

describe('sluice report', () => {
  test('--out - writes to standard output, and creates no file', async () => {
    const before = await readdir(box.dir)
    const { code, out, err } = await box.run(['report', '--out', '-'])
    expect([code, err]).toEqual([0, ''])
    expect(out).toBe((await box.run(['report'])).out)
    expect(out.split('\n')).toHaveLength(6)
    expect(await readdir(box.dir)).toEqual(before)
    const lines = (await box.run(['report', '--out', '-', '--json'])).out.split('\n')
    expect(lines.map((line) => JSON.parse(line).id)).toEqual(['#1', '#2', 'a', 'b', 'c'])
  })

  test('a file named - is written by its path', async () => {
    const { out } = await box.run(['report', '--out', './-', '--columns', 'stage'])
    expect(out).toBe('5 rows in ./-')
    expect(await readFile(join(box.dir, '-'), 'utf8')).toBe(
      'id,stage\n"#1","SUCCESS"\n"#2","SUCCESS"\n"a","SUCCESS"\n"b","SUCCESS"\n"c","SUCCESS"\n',
    )
  })

  test.each(['reson', 'stage,resullt.size', 'stage,', 'result.', 'body["file.path"', 'id.x'])(
    'unknown columns are refused: %s',
    async (names) => {
      for (const flags of [[], ['--summary'], ['--out', 'a.csv']]) {
        const { code, out, err } = await box.run(['report', '--columns', names, ...flags])
        expect([code, out]).toEqual([2, ''])
        expect(err).toMatch(/Unknown column ".*": use id, stage/)
      }
      expect(await readdir(box.dir)).not.toContain('a.csv')
    },
  )

  test('any field can be named, with commas and dots too', async () => {
    const { code, out, err } = await box.run([
      'report',
      '--columns',
      `body["file.path"],body['a,b'],result.size`,
    ])
    expect([code, err]).toEqual([0, ''])
    expect(out.split('\n')[1]).toBe('"#1","/data/#1",1,3')
  })

  test('warns of a field that no item has', async () => {
    const { code, out, err } = await box.run(['report', '--columns', 'result.size,result.siez'])
    expect([code, out.split('\n')[1]]).toEqual([0, '"#1",3,'])
    expect(err).toContain('no item of this report has result.siez')
    expect((await box.run(['report', '--columns', 'result.siez', '--stage', 'FAIL'])).err).toBe('')
  })
})
