import { randomUUID } from 'node:crypto'
import { expect, inject, onTestFinished, test } from 'vitest'
import { OptimisticPuts } from '../../src/postgres/puts.js'
import { openQueue } from '../../src/index.js'
import { freshPrefix } from '../support/postgres-harness.js'

/** Puts that meet known ids, or don't, and what was tried. */
function scripted(puts = new OptimisticPuts()) {
  const tried: string[] = []
  const put = (known: boolean): Promise<boolean> =>
    puts.run(
      async () => {
        tried.push('optimistic')
        if (known) throw Object.assign(new Error('duplicate key'), { code: '23505' })
        return false
      },
      async () => {
        tried.push('checked')
        return known
      },
      (hasKnown) => hasKnown,
    )
  return { tried, put }
}

test('while all ids are new, every put is optimistic', async () => {
  const { tried, put } = scripted()
  for (let n = 0; n < 3; n++) await put(false)
  expect(tried).toEqual(['optimistic', 'optimistic', 'optimistic'])
})

test('a known id makes its put and the 64 puts after the last known id checked', async () => {
  const { tried, put } = scripted()
  expect(await put(true)).toBe(true)
  for (let n = 0; n < 10; n++) await put(false)
  expect(await put(true)).toBe(true)
  for (let n = 0; n < 64; n++) await put(false)
  expect(tried).toEqual(['optimistic', ...Array.from({ length: 76 }, () => 'checked')])
  await put(false)
  expect(tried.at(-1)).toBe('optimistic')
})

test('another error is not retried', async () => {
  const tried = new OptimisticPuts().run(
    () => Promise.reject(new Error('gone')),
    () => Promise.resolve(false),
    () => false,
  )
  await expect(tried).rejects.toThrow('gone')
})

test('on PostgreSQL known ids are reported and unchanged, in either form of a put', async () => {
  const queue = await openQueue({ name: 'known', url: inject('postgresUrl'), tablePrefix: freshPrefix() })
  onTestFinished(() => queue.close())
  const id = randomUUID()
  const batch = (body: string, from: number) =>
    Array.from({ length: 500 }, (_, index) => ({ id: `${id}-${from + index}`, body }))
  expect(await queue.putMany(batch('first', 0))).toEqual({ added: 500, skipped: [] })
  // Half of them are known: met with hope, and then with caution.
  for (const from of [250, 500]) {
    const { added, skipped } = await queue.putMany(batch('second', from))
    expect([added, skipped.length]).toEqual([250, 250])
  }
  await expect(queue.put(`${id}-0`, 'third')).rejects.toMatchObject({ code: 'SLUICE_ITEM_EXISTS' })
  await queue.put(id, 'alone')
  expect(await queue.sizes()).toEqual({ WAITING: 1_001, PROCESSING: 0, SUCCESS: 0, FAIL: 0 })
  const bodies = (await queue.get(1_001)).map(({ body }) => body)
  expect(bodies).toEqual([
    ...Array.from({ length: 500 }, () => 'first'),
    ...Array.from({ length: 500 }, () => 'second'),
    'alone',
  ])
})
