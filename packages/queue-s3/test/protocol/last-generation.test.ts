import { expect, test } from 'vitest'
import { Layout } from '../../src/format/layout.js'
import { lastIndex } from '../../src/protocol/last-generation.js'
import type { StoredObject } from '../../src/store/storage-op.js'
import { applied } from '../explorer/model-store.js'

const layout = new Layout('', 'q')

/** Index objects of one id, all but the newest of removed items. */
function objectsOf(count: number, isLive: boolean): Map<string, StoredObject> {
  const generations = Array.from({ length: count }, (_, at) => at + 1)
  return new Map(
    generations.map((generation) => {
      const content = isLive && generation === count ? 'x' : ''
      return [layout.index({ key: 'a', generation }), { content, sizeBytes: content.length, meta: {} }]
    }),
  )
}

test('the newest index object of an id is found in steps that double, from whichever is known', () => {
  for (let count = 0; count <= 40; count++) {
    for (const isLive of [true, false]) {
      const objects = objectsOf(count, isLive)
      for (let after = 0; after <= (isLive ? count - 1 : count); after++) {
        const search = lastIndex(layout, 'a', after)
        let [step, requests] = [search.next(), 0]
        for (; step.done !== true; requests++) step = search.next(applied(objects, step.value).reply)
        const found = step.value
        expect(found?.generation).toBe(count > after ? count : undefined)
        expect(found?.object.sizeBytes).toBe(count > after ? Number(isLive) : undefined)
        expect(requests).toBeLessThanOrEqual(2 * Math.ceil(Math.log2(count - after + 2)))
      }
    }
  }
})
