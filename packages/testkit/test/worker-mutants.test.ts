import { describe, expect, test } from 'vitest'
import { verifyWorker, workerContract, workerMutants, wrapWorker, type WorkerHarness } from '../src/index.js'
import { tinyHarness } from './tiny-worker.js'

describe('broken workers', () => {
  test('the correct worker that they are made of passes every case, none skipped', async () => {
    const results = await verifyWorker(tinyHarness)
    expect(results.filter((result) => result.outcome !== 'passed')).toEqual([])
    expect(results).toHaveLength(workerContract.length)
  })

  test('it passes through the wrapping of the mutants as well', async () => {
    const results = await verifyWorker(async () => {
      const harness = await tinyHarness()
      return {
        ...harness,
        open: async (name) => wrapWorker(await harness.open(name), {}),
      } satisfies WorkerHarness
    })
    expect(results.filter((result) => result.outcome !== 'passed')).toEqual([])
  })

  test.each(workerMutants)('$id is caught: $title', async (mutant) => {
    const named = workerContract.filter((one) => mutant.breaks.includes(one.id))
    expect(named.map((one) => one.id).toSorted()).toEqual(mutant.breaks.toSorted())
    // Two of them never answer: the case is then over by its time limit.
    const limits = { cases: named, timeoutMs: 1_000 }
    const results = await verifyWorker(async () => mutant.wrap(await tinyHarness()), limits)
    const missed = results.filter((result) => result.outcome !== 'failed').map((result) => result.id)
    expect(missed, `cases that should catch ${mutant.id} and don’t`).toEqual([])
  })

  test('every case catches one of them', () => {
    const caught = new Set(workerMutants.flatMap((mutant) => mutant.breaks))
    expect(workerContract.map((one) => one.id).filter((id) => !caught.has(id))).toEqual([])
  })

  test('each has its own id', () => {
    expect(new Set(workerMutants.map((mutant) => mutant.id)).size).toBe(workerMutants.length)
  })
})
