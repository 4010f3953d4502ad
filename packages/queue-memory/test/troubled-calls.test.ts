import { isSluiceError } from '@sluice/core'
import { troubleAtCalls, type TroubleOptions } from '@sluice/testkit'
import { describe, expect, test } from 'vitest'
import { MemoryStore } from '../src/index.js'

function troubled(options: TroubleOptions) {
  const store = new MemoryStore()
  const healthy = store.queue('tiles')
  return { healthy, ...troubleAtCalls(store.queue('tiles'), options) }
}

async function isOutage(call: Promise<unknown>): Promise<boolean> {
  return call.then(
    () => false,
    (error: unknown) => isSluiceError(error, 'SLUICE_QUEUE_UNAVAILABLE') && error.message.includes('tiles'),
  )
}

describe('a queue of which one call goes wrong', () => {
  test.each([
    ['fails', undefined],
    ['hangs', undefined],
    ['answer-lost', 'WAITING'],
  ] as const)('%s: the call rejects, and the item is %s', async (trouble, stage) => {
    const { queue, healthy, reached } = troubled({ trouble, point: 1, lasting: false })
    await queue.put('before', 1)
    expect(reached()).toBe(false)
    expect(await isOutage(queue.put('x', 1))).toBe(true)
    expect(reached()).toBe(true)
    expect((await healthy.lookup('x'))?.stage).toBe(stage)
    await queue.put('after', 1)
    expect(await healthy.size('WAITING')).toBe(stage === undefined ? 2 : 3)
  })

  test('lasting: all calls from there on go wrong, those of a lease and a document too; close does not', async () => {
    const { queue, healthy } = troubled({ trouble: 'answer-lost', point: 2, lasting: true })
    const lease = await queue.lease('dispatch', 'me', 1_000)
    const document = queue.document('d')
    await document.write(1, { ifVersion: undefined })
    expect(await isOutage(document.write(2, { ifVersion: 1 }))).toBe(true)
    expect(await isOutage(lease?.release() ?? Promise.resolve())).toBe(true)
    expect(await isOutage(queue.control.sync())).toBe(true)
    expect((await healthy.document('d').read())?.value).toBe(2)
    expect(await healthy.lease('dispatch', 'you', 1_000)).toBeDefined()
    expect((await healthy.control.read()).syncs).toBe(1)
    await queue.close()
  })
})
