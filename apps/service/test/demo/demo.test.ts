import type { Queue } from '@sluice/core'
import { createHash } from 'node:crypto'
import { mkdir, readFile, readdir, symlink, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { parse } from 'csv-parse/sync'
import { openQueue } from '@sluice/queue-sql'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { findFiles } from '../../src/demo/digest-demo.js'
import { Sandbox } from '../fixtures/sandbox.js'

let box: Sandbox

beforeEach(async () => {
  box = await Sandbox.open()
})

afterEach(() => box.close())

async function tree(files: Readonly<Record<string, string>>): Promise<void> {
  for (const [path, content] of Object.entries(files)) {
    await mkdir(join(box.dir, path, '..'), { recursive: true })
    await writeFile(join(box.dir, path), content)
  }
}

async function manyFiles(count: number): Promise<string[]> {
  const names = Array.from({ length: count }, (_, index) => `files/${String(index).padStart(3, '0')}.txt`)
  await tree(Object.fromEntries(names.map((name) => [name, `content of ${name}\n`.repeat(9)])))
  return names
}

async function report(): Promise<Record<string, string>[]> {
  const text = await readFile(join(box.dir, '.sluice', 'demo', 'report.csv'), 'utf8')
  return parse<Record<string, string>>(text, { columns: true })
}

async function countJobs(): Promise<number> {
  const root = join(box.dir, '.sluice', 'demo', 'jobs')
  const [queue = ''] = await readdir(root)
  const shards = await readdir(join(root, queue, 'jobs'))
  const jobs = await Promise.all(shards.map((shard) => readdir(join(root, queue, 'jobs', shard))))
  return jobs.flat().length
}

/** Every file once, with the digest that node:crypto makes of it. */
async function expectAllOnce(names: readonly string[]): Promise<void> {
  const rows = await report()
  expect(rows).toHaveLength(names.length)
  expect(new Set(rows.map((row) => row['id']))).toEqual(new Set(names))
  for (const row of rows) {
    const content = await readFile(join(box.dir, row['id'] ?? ''))
    expect(row).toMatchObject({
      stage: 'SUCCESS',
      attempt: '1',
      'result.sha256': createHash('sha256').update(content).digest('hex'),
      'result.size': String(content.length),
    })
  }
  expect(await countJobs()).toBe(names.length)
}

/** Resolves when the demo has finished so many. */
async function untilFinished(count: number): Promise<void> {
  const url = `sqlite:${join(box.dir, '.sluice', 'demo', 'queue.db')}`
  let queue: Queue | undefined
  for (;;) {
    await new Promise((resolve) => setTimeout(resolve, 30))
    const begun = await readdir(join(box.dir, '.sluice', 'demo')).catch((): string[] => [])
    if (!begun.includes('queue.db')) continue
    queue ??= await openQueue({ name: 'demo', url })
    const sizes = await queue.sizes()
    if (sizes.SUCCESS >= count) break
  }
  await queue.close()
}

test('files are found in one order: sources, then node_modules; links and generated folders are skipped', async () => {
  await tree({
    'b.txt': '',
    'a/z.txt': '',
    'a/node_modules/m/index.js': '',
    'node_modules/k/index.js': '',
    '.git/config': '',
    'dist/x.js': '',
    '.sluice/q.db': '',
    'B.txt': '',
  })
  await symlink(join(box.dir, 'b.txt'), join(box.dir, 'link.txt'))
  await symlink(box.dir, join(box.dir, 'a', 'loop'))
  const all = ['B.txt', 'b.txt', 'a/z.txt', 'a/node_modules/m/index.js', 'node_modules/k/index.js']
  expect(await findFiles(box.dir, 100)).toEqual(all)
  expect(await findFiles(box.dir, 2)).toEqual(all.slice(0, 2))
  expect(await findFiles(join(box.dir, 'nothing'), 2)).toEqual([])
})

describe('demo', () => {
  test('digests every file, and when it is finished runs nothing more; --fresh starts another', async () => {
    const names = await manyFiles(12)
    const first = await box.spawn(['demo', '--items', '60'])
    expect(first).toMatchObject({ code: 0 })
    expect(first.out).toContain('Every item ran once')
    expect(first.err).toContain('12 files (there are no more)')
    await expectAllOnce(names)
    const second = await box.spawn(['demo', '--json'])
    expect(second.code).toBe(0)
    expect(JSON.parse(second.out)).toMatchObject({
      items: 12,
      sizes: { WAITING: 0, PROCESSING: 0, SUCCESS: 12, FAIL: 0 },
      finishedBefore: 12,
      finishedNow: 0,
    })
    expect(await countJobs()).toBe(12)
    const other = await box.spawn(['demo', '--items', '5'])
    expect(other).toMatchObject({ code: 2, err: expect.stringContaining('--fresh') })
    const fresh = await box.spawn(['demo', '--items', '5', '--fresh', '--json'])
    expect(JSON.parse(fresh.out)).toMatchObject({ items: 5, finishedBefore: 0, finishedNow: 5 })
    await expectAllOnce(names.slice(0, 5))
  })

  test('killed halfway and restarted: no item lost, none run twice', async () => {
    const names = await manyFiles(60)
    const first = box.start(['demo', '--items', '60'])
    await untilFinished(15)
    first.kill('SIGKILL')
    await first
    const second = await box.spawn(['demo', '--json'])
    expect(second.code).toBe(0)
    const summary = JSON.parse(second.out)
    expect(summary).toMatchObject({ items: 60, sizes: { SUCCESS: 60, FAIL: 0 }, mostAttempts: 1 })
    expect(summary.finishedBefore).toBeGreaterThanOrEqual(15)
    expect(summary.finishedBefore).toBeLessThan(60)
    await expectAllOnce(names)
  })

  test('Ctrl-C stops it, and prints how to continue', async () => {
    const names = await manyFiles(60)
    const first = box.start(['demo', '--items', '60'])
    await untilFinished(5)
    first.kill('SIGINT')
    const { exitCode, stdout } = await first
    expect(exitCode).toBe(130)
    expect(stdout).toContain('Continue with ')
    expect(stdout).toContain('No item ran twice so far.')
    expect(stdout).not.toContain('Every item')
    expect((await box.spawn(['demo'])).code).toBe(0)
    await expectAllOnce(names)
  })

  test('a deleted file fails with its reason, and the demo succeeds', async () => {
    await manyFiles(3)
    await mkdir(join(box.dir, '.sluice', 'demo'), { recursive: true })
    const lines = ['files/000.txt', 'gone/1.txt', 'gone/2.txt'].map((path) =>
      JSON.stringify({ id: path, body: { path } }),
    )
    await writeFile(join(box.dir, '.sluice', 'demo', 'manifest.jsonl'), `${lines.join('\n')}\n`)
    await writeFile(
      join(box.dir, '.sluice', 'demo', 'demo.json'),
      JSON.stringify({ root: box.dir, items: 3 }),
    )
    const { code, out } = await box.spawn(['demo', '--json'])
    expect(code).toBe(0)
    expect(JSON.parse(out)).toMatchObject({
      sizes: { SUCCESS: 1, FAIL: 2 },
      failures: [{ count: 2, exitCode: 1, template: "exit code 1: can't read <id>: ENOENT" }],
    })
  })

  test('a directory without files is a usage error', async () => {
    expect(await box.spawn(['demo'])).toMatchObject({ code: 2, err: expect.stringContaining('no files') })
  })
})
