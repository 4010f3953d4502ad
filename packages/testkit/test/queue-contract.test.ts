import { setTimeout as pause } from 'node:timers/promises'
import { SluiceError } from '@sluice/core'
import { describe, expect, test } from 'vitest'
import {
  contractMarkdown,
  contractTable,
  promiseOf,
  queueContract,
  queuePromises,
  seededRandom,
  verifyWorker,
  workerContract,
  workerPromises,
  type CaseResult,
  type WorkerCase,
  type WorkerHarness,
} from '../src/index.js'
import { tinyHarness } from './tiny-worker.js'

describe('the contract as data', () => {
  test('every promise has a case, every case a promise, no id is twice', () => {
    for (const [promises, cases] of [
      [queuePromises, queueContract],
      [workerPromises, workerContract],
    ] as const) {
      const ids: string[] = cases.map((one) => one.id)
      expect(new Set(ids).size).toBe(ids.length)
      expect([...new Set(ids.map((id) => promiseOf(id)?.id ?? `none for ${id}`))].toSorted()).toEqual(
        promises.map((promise) => promise.id).toSorted(),
      )
    }
  })

  test('a case id is its promise, with a small letter if there are several, or a name', () => {
    for (const { id } of [...queueContract, ...workerContract])
      expect(id).toMatch(/^[QW]-[A-Z]+-\d(\/([a-z]|[a-z]+-\d+[a-z]+))?$/)
  })
})

describe('verification', () => {
  const facts = { id: 'W-POLL-2/z', title: 'a case of this test' }

  test('returns what passed, what failed and what was skipped as data', async () => {
    expect(await run({ ...facts, run: async () => undefined })).toMatchObject({ ...facts, outcome: 'passed' })
    const skipped = { ...facts, needs: () => 'the moon is down', run: async () => expect.unreachable() }
    expect(await run(skipped)).toMatchObject({ outcome: 'skipped', reason: 'the moon is down' })
  })

  test('a failure names the case, the promise, and what came', async () => {
    const failed = await run({
      ...facts,
      run: async () => {
        throw new Error('it fell over')
      },
    })
    expect(failed?.outcome).toBe('failed')
    expect(failed?.error?.message).toBe(
      'W-POLL-2/z is broken: a case of this test\n' +
        `  promise:  ${promiseOf(facts.id)?.text}\n` +
        '  what:     an unexpected error: it fell over',
    )
  })

  test('a case that does not end has failed', async () => {
    const hung = await run({ ...facts, run: () => new Promise(() => undefined) }, 20)
    expect(hung).toMatchObject({
      outcome: 'failed',
      error: { message: expect.stringContaining('did not end within 60 ms') },
    })
  })

  test('a case that ends late is slow when it holds, and has failed when it does not', async () => {
    expect(await run({ ...facts, run: late(() => undefined) }, 20)).toMatchObject({
      outcome: 'slow',
      reason: 'it passed after more than 20 ms',
    })
    const failing = late(() => {
      throw new Error('it fell over')
    })
    expect((await run({ ...facts, run: failing }, 20))?.outcome).toBe('failed')
  })

  test('a storage or worker that does not answer in time is slow, not broken', async () => {
    const outage = new SluiceError('SLUICE_WORKER_UNAVAILABLE', 'no answer came in time')
    const seen = await run({ ...facts, run: () => Promise.reject(outage) })
    expect(seen).toMatchObject({ outcome: 'slow', reason: 'no answer came in time' })
  })

  test('the harness is closed in any case, and a rejection of its close is a failure', async () => {
    const passing: WorkerCase = { ...facts, run: async () => undefined }
    const [result] = await verifyWorker(untidyHarness, { cases: [passing] })
    expect(result?.error?.message).toContain('something is left over')
  })
})

const late = (then: () => void) => async () => {
  await pause(30)
  then()
}

async function untidyHarness(): Promise<WorkerHarness> {
  return { ...(await tinyHarness()), close: () => Promise.reject(new Error('something is left over')) }
}

async function run(one: WorkerCase, timeoutMs = 1_000): Promise<CaseResult | undefined> {
  const seen: CaseResult[] = []
  const onResult = (result: CaseResult) => seen.push(result)
  const results = await verifyWorker(tinyHarness, { cases: [one], timeoutMs, onResult })
  expect(seen).toEqual(results)
  return results[0]
}

describe('the report', () => {
  const results: CaseResult[] = queueContract.map(({ id, title }) => ({
    id,
    title,
    outcome: 'passed',
    ms: 1,
  }))

  test('the table has every promise and every case', () => {
    const table = contractTable()
    for (const { id, text } of [...queuePromises, ...workerPromises])
      expect(table).toContain(`**${id}** ${text}`)
    for (const { id, title } of [...queueContract, ...workerContract])
      expect(table).toContain(`* \`${id}\` ${title}`)
  })

  test('the matrix says what passed, what failed, and why something was skipped', () => {
    const other = results.map((result): CaseResult => {
      if (result.id === 'Q-GET-2/b') return { ...result, outcome: 'failed', error: new Error('x') }
      if (result.id === 'Q-DOWN-1') return { ...result, outcome: 'skipped', reason: 'it is never down' }
      return result
    })
    const text = contractMarkdown({
      queues: [
        { name: 'good', results },
        { name: 'bad', results: other },
        { name: 'idle', results: [] },
      ],
    })
    expect(text).toContain('| Promise | What it says | good | bad | idle |')
    expect(text).toMatch(/\| Q-GET-2 \|.*\| ✓ \d \| ✗ Q-GET-2\/b \| not run \|/)
    expect(text).toMatch(/\| Q-DOWN-1 \|.*\| ✓ 2 \| ✓ 1, skipped 1 \| not run \|/)
    expect(text).toContain('* bad: `Q-DOWN-1`, since it is never down')
    expect(text).not.toContain('Workers')
  })
})

test('seeded numbers are the same for the same seed, and lie in [0, 1)', () => {
  const [a, b, other] = [seededRandom(7), seededRandom(7), seededRandom(8)]
  const numbers = Array.from({ length: 1_000 }, () => a())
  expect(numbers).toEqual(Array.from({ length: 1_000 }, () => b()))
  expect(numbers).not.toEqual(Array.from({ length: 1_000 }, () => other()))
  expect(numbers.every((number) => number >= 0 && number < 1)).toBe(true)
  expect(numbers.reduce((sum, number) => sum + number, 0) / 1_000).toBeCloseTo(0.5, 1)
})
