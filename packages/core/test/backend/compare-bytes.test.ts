import { expect, test } from 'vitest'
import { compareBytes } from '../../src/backend/index.js'

test('texts are compared by their UTF-8 bytes', () => {
  const texts = ['', 'a', 'ab', 'b', '\u00e9', '\ud7ff', '\ue000', '\uffee', '\u{1f600}', '\u{1f601}']
  expect(texts.toReversed().toSorted(compareBytes)).toEqual(texts)
  for (const a of texts) {
    for (const b of texts) {
      expect(Math.sign(compareBytes(a, b))).toBe(Buffer.compare(Buffer.from(a), Buffer.from(b)))
    }
  }
})
