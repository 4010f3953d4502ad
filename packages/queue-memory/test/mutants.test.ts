import { SluiceError, type Queue } from '@sluice/core'
import {
  countAtCalls,
  interceptQueue,
  queueContract,
  queueMutants,
  verifyQueue,
  type QueueHarness,
  type QueueMutant,
} from '@sluice/testkit'
import { describe, expect, test } from 'vitest'
import { memoryHarness } from './memory-harness.js'

/** The harness of this queue, and what memory has no need of: a storage that can be out of reach, or behind a link. */
async function fullHarness(): Promise<QueueHarness> {
  const harness = await memoryHarness()
  return {
    ...harness,
    openUnreachable: async () => outOfReach(await harness.open('elsewhere')),
    openSlow: async () => countAtCalls(await harness.open()),
  }
}

describe('broken queues', () => {
  test('the good queue they are made of passes every case, none skipped', async () => {
    const results = await verifyQueue(fullHarness)
    expect(results.filter((result) => result.outcome !== 'passed')).toEqual([])
    expect(results).toHaveLength(queueContract.length)
  })

  test.each(queueMutants)('$id is caught: $title', async (mutant) => {
    const named = queueContract.filter((one) => mutant.breaks.includes(one.id))
    expect(named.map((one) => one.id).toSorted()).toEqual(mutant.breaks.toSorted())
    const results = await verifyQueue(async () => mutant.wrap(await fullHarness()), { cases: named })
    const missed = results.filter((result) => result.outcome !== 'failed').map((result) => result.id)
    expect(
      missed,
      `cases that should catch ${mutant.id} and don’t; ${await matrixRow(mutant, missed)}`,
    ).toEqual([])
  })

  test('every case catches one of them', () => {
    const caught = new Set(queueMutants.flatMap((mutant) => mutant.breaks))
    expect(queueContract.map((one) => one.id).filter((id) => !caught.has(id))).toEqual([])
  })

  test('each has its own id', () => {
    expect(new Set(queueMutants.map((mutant) => mutant.id)).size).toBe(queueMutants.length)
  })
})

/** Which cases do catch it, of all: asked only when one that should does not. */
async function matrixRow(mutant: QueueMutant, missed: readonly string[]): Promise<string> {
  if (missed.length === 0) return 'none'
  const results = await verifyQueue(async () => mutant.wrap(await fullHarness()))
  const caught = results.filter((result) => result.outcome === 'failed').map((result) => result.id)
  return `those that do: ${caught.join(', ') || 'none'}`
}

function outOfReach(queue: Queue): Queue {
  return interceptQueue(queue, async (call, method) => {
    if (method === 'close') return call()
    // A wrong argument is found before the storage is asked: what the good queue refuses as such stays a TypeError.
    const refused = await call().then(
      () => undefined,
      (error: unknown) => error,
    )
    if (refused instanceof TypeError) throw refused
    throw new SluiceError(
      'SLUICE_QUEUE_UNAVAILABLE',
      `Cannot ${method}: the storage did not answer. Try again later`,
    )
  })
}
