import { expect, test } from 'vitest'
import { openQueue } from '../src/index.js'
test('smoke', async () => {
  const q = await openQueue({ name: 'a' })
  await q.put('x', { a: [1] })
  await q.put('y', 2, { priority: 1 })
  expect((await q.get(5)).map((i) => i.id)).toEqual(['y', 'x'])
  await q.release('x', { reason: 'r' })
  expect(await q.lookup('x')).toMatchInlineSnapshot(`
    {
      "attempt": 1,
      "body": {
        "a": [
          1,
        ],
      },
      "claimedAt": 1795492910064,
      "history": [
        {
          "attempt": 1,
          "claimedAt": 1795492910064,
          "endedAt": 1795492910066,
          "outcome": "WAITING",
          "reason": "r",
        },
      ],
      "id": "x",
      "notBeforeAt": 1795492910066,
      "priority": 0,
      "putAt": 1795492910063,
      "reason": "r",
      "refunds": 0,
      "stage": "WAITING",
      "uid": "55750e51-a149-4e1f-9d9c-293dd25c0903",
    }
  `)
  expect(await q.sizes()).toEqual({ WAITING: 1, PROCESSING: 1, SUCCESS: 0, FAIL: 0 })
  expect((await q.get(5)).map((i) => [i.id, i.attempt])).toEqual([['x', 2]])
  await q.settle([
    { id: 'x', attempt: 2, stage: 'SUCCESS' },
    { id: 'x', attempt: 2, stage: 'FAIL' },
  ])
})
