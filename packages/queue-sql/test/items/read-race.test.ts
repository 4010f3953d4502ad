import { rmSync } from 'node:fs'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { openSqlQueue } from '../support/open-sql-queue.js'
import { optionsSchema } from '../../src/sql-options.js'
import { wrapStatements } from '../support/crashing-dialect.js'
import { freshDirectory } from '../support/sqlite-harness.js'

let directory: string

beforeEach(() => {
  directory = freshDirectory()
})
afterEach(() => rmSync(directory, { recursive: true, force: true }))

/**
 * An item that failed is looked up, and requeued by another process just before the statement of this number.
 */
async function lookUpWhileRequeued(point: number) {
  const url = `sqlite:${join(directory, `${point}.db`)}`
  const settings = optionsSchema.parse({ name: 'tiles', url, synchronous: 'NORMAL' })
  const other = await openSqlQueue(settings)
  let left = Number.POSITIVE_INFINITY
  const queue = await openSqlQueue(settings, {
    wrap: (dialect) =>
      wrapStatements(dialect, async (query, execute) => {
        if (left-- === 0) await other.requeue(['a'])
        return execute(query)
      }),
  })
  await other.put('a', 1)
  await other.get(1)
  await other.fail('a', { attempt: 1, reason: 'broke' })
  left = point
  const item = await queue.lookup('a')
  const requeued = left < 0
  await Promise.all([queue.close(), other.close()])
  return { item, requeued }
}

test('a requeue between any two statements of a lookup hides no attempt', async () => {
  let point = 0
  for (let requeued = true; requeued; point++) {
    const found = await lookUpWhileRequeued(point)
    requeued = found.requeued
    const attempt = { attempt: 1, outcome: 'FAIL', endedAt: expect.any(Number) }
    expect(found.item?.history).toMatchObject([attempt])
  }
  // The row, the body, and what is known of attempts.
  expect(point).toBeGreaterThan(3)
})
