import { access, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { parse } from 'csv-parse/sync'
import { openQueue } from '@sluice/queue-sql'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { Sandbox } from '../fixtures/sandbox.js'

let box: Sandbox

beforeEach(async () => {
  box = await Sandbox.open()
})

afterEach(() => box.close())

const PLACE = ['.sluice', 'demo-argo']

/** Resolves when so many have come to an end. */
async function untilFinished(count: number): Promise<void> {
  const path = join(box.dir, ...PLACE, 'queue.db')
  while (
    !(await access(path).then(
      () => true,
      () => false,
    ))
  )
    await sleep(20)
  const queue = await openQueue({ name: 'demo', url: `sqlite:${path}` })
  for (;;) {
    const { SUCCESS, FAIL } = await queue.sizes()
    if (SUCCESS + FAIL >= count) break
    await sleep(20)
  }
  await queue.close()
}

async function reportRows(): Promise<Record<string, string>[]> {
  const text = await readFile(join(box.dir, ...PLACE, 'report.csv'), 'utf8')
  return parse<Record<string, string>>(text, { columns: true })
}

test('every item becomes one workflow for each attempt, by the server’s count, and the limit holds there', async () => {
  const { code, out, err } = await box.spawn(['demo', '--argo', '--items', '100', '--limit', '30'])
  expect(code).toBe(0)
  expect(err).toContain('Running 100 workflows on a fake Argo Server in this process')
  // Two of a hundred fail for good, two lose their pod and are tried again.
  expect(out).toMatch(/SUCCESS +98\n/)
  expect(out).toContain('The server received 102 workflows, at most 30 unfinished at once.')
  expect(out).toContain('Most attempts of one item: 2.')
  expect(out).toContain('--argo --fresh')
  const rows = await reportRows()
  expect(rows.filter(({ stage }) => stage === 'FAIL').map(({ id }) => id)).toEqual([
    'tile-00017',
    'tile-00067',
  ])
  expect(rows.filter(({ attempt }) => attempt === '2').map(({ id }) => id)).toEqual([
    'tile-00034',
    'tile-00084',
  ])
  const again = await box.spawn(['demo', '--argo', '--json'])
  expect(JSON.parse(again.out)).toMatchObject({ items: 100, finishedBefore: 100, finishedNow: 0 })
}, 120_000)

test('killed halfway, with the fake and all its workflows, and run again: no item is lost', async () => {
  const first = box.start(['demo', '--argo', '--items', '60', '--limit', '20'])
  await untilFinished(15)
  first.kill('SIGKILL')
  await first
  const { code, out } = await box.spawn(['demo', '--argo', '--limit', '20', '--json'])
  expect(code).toBe(0)
  const { sizes, finishedBefore, finishedNow, workflows, mostUnfinished } = JSON.parse(out)
  expect(sizes).toEqual({ WAITING: 0, PROCESSING: 0, SUCCESS: 59, FAIL: 1 })
  expect(finishedBefore).toBeGreaterThanOrEqual(15)
  expect(finishedBefore + finishedNow).toBe(60)
  // One more if the second attempt of the one that lost its pod came in this run.
  expect(workflows - finishedNow).toBeOneOf([0, 1])
  expect(mostUnfinished).toBeLessThanOrEqual(20)
}, 120_000)

test('it is separate from the other demo, and has no root', async () => {
  const { code, err } = await box.spawn(['demo', '--argo', '--root', '.'])
  expect([code, err]).toEqual([2, expect.stringContaining('--root has no effect with --argo')])
})
