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

/**
 * The harness of this queue, and what memory has no need of: a storage that can be out of reach, behind a
 * link, and that a newer release can upgrade.
 */
async function fullHarness(): Promise<QueueHarness> {
  const harness = await memoryHarness()
  const store = { isNewer: false }
  return {
    ...harness,
    open: async (name) => {
      if (store.isNewer) throw newer()
      return watchingVersion(await harness.open(name), store)
    },
    openUnreachable: async () => outOfReach(await harness.open('elsewhere')),
    openSlow: async () => countAtCalls(await harness.open()),
    upgrade: async () => {
      store.isNewer = true
      return async () => void (store.isNewer = false)
    },
  }
}

/** Reads the version of the store at each lease, as the good queues do [Q-VERSION-1]. */
function watchingVersion(queue: Queue, store: { readonly isNewer: boolean }): Queue {
  let met = false
  return interceptQueue(queue, async (call, method) => {
    met ||= store.isNewer && (method === 'lease' || method.startsWith('lease.'))
    if (met && method !== 'close') throw newer()
    return call()
  })
}

function newer(): SluiceError {
  return new SluiceError(
    'SLUICE_QUEUE_CORRUPT',
    'a newer release has upgraded the store: upgrade this one too',
  )
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
    // A wrong argument is found before the storage is asked: what the good queue refuses as such stays a
    // TypeError.
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
