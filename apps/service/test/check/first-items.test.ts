import { expect, test } from 'vitest'
import { rejectionText } from '../../src/check/first-items.js'

test.each([
  ['Item "a" can’t become a job: no.', 'can’t become a job: no.'],
  ['The command line for item "a" is too large.', 'The command line for this item is too large.'],
  ['Could not start "a": no.', 'Could not start this item: no.'],
  ['two\nlines', 'two␊lines'],
])('a reason is reported without its item: %s', (reason, expected) => {
  const text = rejectionText({ checked: 1, rejected: [{ id: 'a', reason }] })
  expect(text.split('\n')[1]).toBe(`  "a": ${expected}`)
})

test('items with the same reason, except for their ids, are one line', () => {
  const rejected = ['a', 'b'].map((id) => ({ id, reason: `The command line for item "${id}" is too large.` }))
  expect(rejectionText({ checked: 2, rejected })).toContain(
    '  "a", "b": The command line for this item is too',
  )
})
