import type { Queue } from '@sluice/core'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { optionsSchema } from '../../src/sql-options.js'
import { wrapStatements } from '../support/crashing-dialect.js'
import { openSqlQueue } from '../support/open-sql-queue.js'

const ITEMS = Array.from({ length: 2_500 }, (_, index) => ({ id: `i${index}`, body: index }))
const IDS = ITEMS.map(({ id }) => id)

describe('an aborted signal', () => {
  let queue: Queue
  let transactions: number
  let abort: (() => void) | undefined
  let signal: AbortSignal

  beforeEach(async () => {
    const settings = optionsSchema.parse({ name: 'signals', url: 'sqlite::memory:' })
    queue = await openSqlQueue(settings, {
      wrap: (dialect) =>
        wrapStatements(dialect, (query, execute) => {
          if (query.sql === 'begin immediate') transactions += 1
          if (query.sql === 'commit') abort?.()
          return execute(query)
        }),
    })
  })
  afterEach(() => queue.close())

  /** Aborts at the first commit of the call from now on. */
  function arm(): void {
    const controller = new AbortController()
    signal = controller.signal
    abort = () => controller.abort(new Error('stopped by the test'))
    transactions = 0
  }

  async function expectOneTransaction(call: Promise<unknown>): Promise<void> {
    await expect(call).rejects.toThrow('stopped by the test')
    abort = undefined
    // A second transaction would have begun before these reads.
    for (let read = 0; read < 5; read++) await queue.sizes()
    expect(transactions).toBe(1)
  }

  test('stops a put between two transactions; the first is stored', async () => {
    arm()
    await expectOneTransaction(queue.putMany(ITEMS, { signal }))
    expect(await queue.size('WAITING')).toBe(1_000)
  })

  test('stops an update, a settle, a requeue, a removal and a sweep likewise', async () => {
    await queue.putMany(ITEMS)
    const changes = IDS.map((id) => ({ id, priority: 1 }))
    arm()
    await expectOneTransaction(queue.update(changes, { signal }))
    while ((await queue.get(1_000)).length > 0) continue
    const failures = IDS.map((id) => ({ id, attempt: 1, stage: 'FAIL' }) as const)
    arm()
    await expectOneTransaction(queue.settle(failures, { signal }))
    expect(await queue.size('FAIL')).toBe(1_000)
    await queue.settle(failures)
    arm()
    await expectOneTransaction(queue.requeue(IDS, { signal }))
    expect(await queue.sizes()).toMatchObject({ WAITING: 1_000, FAIL: 1_500 })
    arm()
    await expectOneTransaction(queue.remove(IDS, { signal }))
    expect(await queue.sizes()).toMatchObject({ WAITING: 0, FAIL: 1_500 })
    // The index of ages has a transaction of its own.
    await queue.sweep?.({ retentionMs: 1_000_000 })
    arm()
    await expectOneTransaction(queue.sweep?.({ retentionMs: 0, signal }) ?? Promise.resolve())
    expect(await queue.size('FAIL')).toBe(500)
  })
})
