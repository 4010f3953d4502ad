import { randomUUID } from 'node:crypto'
import { isSluiceError, type Queue } from '@sluice/core'
import type { QueueHarness, StorageTrouble } from '@sluice/testkit'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { bothStores } from './support/both-stores.js'

/** Calls of one statement, of several, and of a transaction. */
const calls: Record<string, (queue: Queue) => Promise<unknown>> = {
  put: (queue) => queue.put(randomUUID(), 1),
  get: (queue) => queue.get(2),
  settle: (queue) =>
    queue.settle([
      { id: 'claimed', attempt: 1, stage: 'SUCCESS' },
      { id: 'unknown', attempt: 1, stage: 'SUCCESS' },
    ]),
  limits: (queue) => queue.control.setLimits({ maxProcessing: 3, other: 1 }),
  document: (queue) => queue.document('notes').write(1, { ifVersion: undefined }),
}

describe.each(bothStores)('one statement that goes wrong: %s', (_, makeHarness) => {
  let harness: QueueHarness

  beforeEach(async () => {
    harness = await makeHarness()
    const queue = await harness.open()
    await queue.put('claimed', 1, { priority: 1 })
    await queue.get(1)
    await queue.put('waiting', 1)
  })

  afterEach(() => harness.close())

  async function play(
    name: string,
    trouble: StorageTrouble,
    point: number,
    lasting: boolean,
  ): Promise<boolean> {
    if (harness.openTroubled === undefined) throw new Error('the harness has no troubles')
    const { queue, reached, callMs } = await harness.openTroubled({ trouble, point, lasting })
    const startedAt = performance.now()
    const [outcome] = await Promise.allSettled([calls[name]?.(queue)])
    expect(performance.now() - startedAt).toBeLessThan(callMs)
    if (outcome.status === 'rejected') {
      expect(isSluiceError(outcome.reason, 'SLUICE_QUEUE_UNAVAILABLE'), String(outcome.reason)).toBe(true)
      expect(outcome.reason).toMatchObject({ retryable: true })
    }
    const isReached = reached()
    if (isReached && !lasting) expect(Object.keys(await queue.sizes())).toHaveLength(4)
    await queue.close()
    return isReached
  }

  const troubles: [StorageTrouble, boolean][] = [
    ['fails', false],
    ['fails', true],
    ['hangs', false],
    ['hangs', true],
    ['answer-lost', false],
    ['answer-lost', true],
  ]

  describe.each(troubles)('%s, lasting: %s', (trouble, lasting) => {
    test.each(Object.keys(calls))('%s ends in time, and the same object goes on', async (name) => {
      let point = 0
      while (await play(name, trouble, point, lasting)) point += 1
      expect(point).toBeGreaterThan(0)
      const queue = await harness.open()
      const sizes = await queue.sizes()
      for (const stage of ['WAITING', 'PROCESSING', 'SUCCESS', 'FAIL'] as const) {
        expect((await queue.list(stage, { limit: 9 })).items).toHaveLength(sizes[stage])
      }
    })
  })
})
