import { expect, test } from 'vitest'
import {
  checkChanges,
  checkNewItem,
  checkNewItems,
  copyNewItem,
  encodeItem,
  type CheckedItem,
} from '../../src/backend/index.js'
import { MAX_LIMIT_KEY_BYTES, type NewItem } from '../../src/index.js'

const ITEM = { id: 'a', body: 1 }

test('resources are copied in the order of their names, and cannot be changed', () => {
  const given = { memoryGiB: 4, gpu: 1 }
  for (const { resources } of [
    checkNewItem({ ...ITEM, resources: given }, 99),
    copyNewItem({ ...ITEM, resources: given }, 99),
  ]) {
    expect(JSON.stringify(resources)).toBe('{"gpu":1,"memoryGiB":4}')
    expect(resources).not.toBe(given)
    expect(Object.isFrozen(resources)).toBe(true)
  }
  expect(checkNewItem({ ...ITEM, resources: {} }, 99).resources).toBeUndefined()
})

test('an encoded item keeps resources and limit key', () => {
  const item = encodeItem({ ...ITEM, resources: { gpu: 1 }, limitKey: 'k' }, 99)
  const checked: CheckedItem = checkNewItem(item, 99)
  expect([checked.resources, checked.limitKey]).toEqual([{ gpu: 1 }, 'k'])
})

test.each<[Pick<NewItem, 'resources' | 'limitKey'>, RegExp]>([
  [{ resources: { gpu: -1 } }, /^items\[1\]: resources\.gpu must be a finite number, 0 or more; got -1$/],
  [{ resources: { gpu: -0 } }, /got -0$/],
  [{ resources: { 'a b': 1 } }, /"a b" is no name of a resource/],
  [{ limitKey: '' }, /limitKey must be a string that is not empty/],
  [{ limitKey: '\ud800' }, /limitKey must be well-formed/],
  [{ limitKey: 'é'.repeat(MAX_LIMIT_KEY_BYTES) }, /limitKey is 256 bytes of UTF-8; at most 128/],
])('what is wrong is named: %j', (chosen, message) => {
  expect(() => checkNewItems([ITEM, { ...ITEM, ...chosen }], 99)).toThrow(message)
})

test('a change takes resources away by null, and by naming none', () => {
  const [none, empty, kept] = checkChanges(
    [
      { id: 'a', resources: null, limitKey: null },
      { id: 'a', resources: {} },
      { id: 'a', body: 1 },
    ],
    99,
  )
  expect([none?.resources, none?.limitKey, empty?.resources]).toEqual([null, null, null])
  expect([kept?.resources, kept?.limitKey]).toEqual([undefined, undefined])
})
