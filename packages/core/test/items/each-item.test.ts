import { expect, test } from 'vitest'
import { eachItem, eachSummary, type ItemRecord, type Page, type PageOptions } from '../../src/index.js'

/** Three pages, the second of them empty. */
function pages(asked: PageOptions[]) {
  return async (_: string, page: PageOptions): Promise<Page<ItemRecord>> => {
    asked.push(page)
    page.signal?.throwIfAborted()
    const number = Number(page.cursor ?? 0)
    const items = number === 1 ? [] : [recordOf(`i${number}`)]
    return number === 2 ? { items } : { items, cursor: String(number + 1) }
  }
}

function recordOf(id: string): ItemRecord {
  return { id, uid: id, stage: 'FAIL', attempt: 1, uncounted: 0, priority: 0, body: 1, putAt: 0, history: [] }
}

test('every item of every page comes, also behind an empty one', async () => {
  const asked: PageOptions[] = []
  const ids: string[] = []
  for await (const { id } of eachItem({ list: pages(asked) }, 'FAIL')) ids.push(id)
  expect(ids).toEqual(['i0', 'i2'])
  expect(asked).toEqual([{ limit: 100 }, { limit: 100, cursor: '1' }, { limit: 100, cursor: '2' }])
})

test('a caller that stops early reads no further page', async () => {
  const asked: PageOptions[] = []
  for await (const _ of eachSummary({ listSummaries: pages(asked) }, 'FAIL', { pageItems: 7 })) break
  expect(asked).toEqual([{ limit: 7 }])
})

test('a signal ends it with the reason of the signal', async () => {
  const stop = new AbortController()
  const reason = new Error('enough')
  const reading = (async () => {
    for await (const _ of eachItem({ list: pages([]) }, 'FAIL', { signal: stop.signal })) stop.abort(reason)
  })()
  await expect(reading).rejects.toBe(reason)
})

test.each([2, 5])('aborted at item %i of a page of 5, it gives no further item and rejects', async (at) => {
  const stop = new AbortController()
  const reason = new Error('enough')
  const page = { items: ['i1', 'i2', 'i3', 'i4', 'i5'].map((id) => recordOf(id)) }
  const ids: string[] = []
  const reading = (async () => {
    for await (const { id } of eachSummary({ listSummaries: async () => page }, 'FAIL', {
      signal: stop.signal,
    })) {
      if (ids.push(id) === at) stop.abort(reason)
    }
  })()
  await expect(reading).rejects.toBe(reason)
  expect(ids).toHaveLength(at)
})
