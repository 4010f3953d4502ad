import { mkdir, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { Readable } from 'node:stream'
import { openQueue } from '@sluice/queue-sql'
import { afterAll, beforeAll, expect, test } from 'vitest'
import type { ListedRow } from '../../src/load/listed-row.js'
import { Sandbox } from '../fixtures/sandbox.js'
import { MANIFEST_TABLE, type ManifestRow } from './manifest-table.js'

let box: Sandbox

beforeAll(async () => {
  box = await Sandbox.open()
})

afterAll(() => box.close())

interface Summary {
  readonly added: number
  readonly refused: number
  readonly problems: readonly ListedRow[]
  readonly conveniences: unknown
}

/** As `refused` of the table says it: `a.json, line 1, element 2, byte 20, id b, $.body`. */
function placeText({ source, line, element, byte, id, field }: ListedRow): string {
  const parts = { line, element, byte, id }
  const named = Object.entries(parts).flatMap(([name, part]) =>
    part === undefined ? [] : [`${name} ${part}`],
  )
  return [source, ...named, field].filter((part) => part !== undefined).join(', ')
}

async function load(row: ManifestRow, index: number) {
  const cwd = join(box.dir, String(index))
  await mkdir(cwd)
  for (const [name, content] of Object.entries(row.files ?? {})) {
    await mkdir(dirname(join(cwd, name)), { recursive: true })
    await writeFile(join(cwd, name), content)
  }
  const url = `sqlite:${join(cwd, 'queue.db')}`
  const input = row.stdin === undefined ? {} : { input: Readable.from([Buffer.from(row.stdin)]) }
  const settings = ['queue.package=sql', 'queue.name=table', `queue.url=${url}`].flatMap((set) => [
    '--set',
    set,
  ])
  const ended = await box.run(['load', ...row.args, ...settings, '--json'], { cwd, ...input })
  return { ...ended, url }
}

async function stored(url: string): Promise<unknown[]> {
  const queue = await openQueue({ name: 'table', url })
  const items = await queue.peek(1_000)
  await queue.close()
  return items.map(({ id, body }) => [id, body])
}

test('the table is large enough, and names no row twice', () => {
  expect(MANIFEST_TABLE.length).toBeGreaterThanOrEqual(60)
  expect(new Set(MANIFEST_TABLE.map(({ title }) => title)).size).toBe(MANIFEST_TABLE.length)
})

test.each(MANIFEST_TABLE.map((row, index) => [row.title, row, index] as const))(
  '%s',
  async (_, row, index) => {
    const { code, out, err, url } = await load(row, index)
    const refused = row.refused ?? []
    expect([code, row.error === undefined || err.includes(row.error)]).toEqual([
      row.code ?? (refused.length > 0 ? 2 : 0),
      true,
    ])
    expect(await stored(url)).toEqual(row.items)
    if (row.error !== undefined) return
    const summary: Summary = JSON.parse(out)
    expect(summary.conveniences).toEqual(row.conveniences ?? {})
    expect([summary.added, summary.refused]).toEqual([row.items.length, refused.length])
    expect(row.lacks !== undefined && out.includes(row.lacks)).toBe(false)
    expect(summary.problems.map(placeText)).toEqual(refused.map(([where]) => where))
    for (const [which, [, reason]] of refused.entries())
      expect(summary.problems[which]?.reason).toContain(reason)
  },
)
