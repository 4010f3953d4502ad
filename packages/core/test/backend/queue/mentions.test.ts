import fc from 'fast-check'
import { expect, test } from 'vitest'
import { firstMentions, skippedOf } from '../../../src/backend/queue/mentions.js'

const mentionsOf = (ids: readonly string[]) => ids.map((id) => ({ id }))

test('without a repeated id the mentions themselves are given back', () => {
  const mentions = mentionsOf(['a', 'b'])
  expect(firstMentions(mentions)).toBe(mentions)
  expect(skippedOf(mentions, mentions, new Map())).toEqual([])
})

test('skipped items come in the order of the call, repeated ones among them', () => {
  const mentions = mentionsOf(['a', 'b', 'a', 'c', 'b'])
  const firsts = firstMentions(mentions)
  expect(firsts.map(({ id }) => id)).toEqual(['a', 'b', 'c'])
  expect(skippedOf(mentions, firsts, new Map([['b', 'not-found'] as const]))).toEqual([
    { id: 'b', reason: 'not-found' },
    { id: 'a', reason: 'repeated' },
    { id: 'b', reason: 'repeated' },
  ])
})

test('for any call, what is done and what is skipped add up to its mentions', () => {
  const id = fc.constantFrom('a', 'b', 'c', 'd')
  fc.assert(
    fc.property(fc.array(id), fc.uniqueArray(id), (ids, refused) => {
      const mentions = mentionsOf(ids)
      const firsts = firstMentions(mentions)
      expect(firsts.map((first) => first.id)).toEqual([...new Set(ids)])
      const refusals = new Map(
        refused.filter((one) => ids.includes(one)).map((one) => [one, 'wrong-stage'] as const),
      )
      const skipped = skippedOf(mentions, firsts, refusals)
      expect(skipped).toHaveLength(ids.length - firsts.length + refusals.size)
      expect(skipped.filter(({ reason }) => reason === 'wrong-stage').map((one) => one.id)).toEqual(
        [...new Set(ids)].filter((one) => refusals.has(one)),
      )
    }),
  )
})
