import { expect, test } from 'vitest'
import { z, type ZodType } from 'zod'
import { issueText } from '../../src/config/config-issue.js'

/** What zod itself says, so that a new version of it with other words is noticed here. */
function wordOf(schema: ZodType, value: unknown): string {
  return issueText(schema.safeParse(value).error?.issues[0]?.message ?? 'no issue')
}

test.each([
  [z.int().min(1), 0, 'must be 1 or more'],
  [z.int().max(5), 9, 'must be 5 or less'],
  [z.number().gt(0), 0, 'must be more than 0'],
  [z.number().lt(1), 1, 'must be less than 1'],
  [z.int(), 'x', 'must be a number, not text'],
  [z.int(), 1.5, 'must be a whole number'],
  [z.string(), undefined, 'is missing'],
  [z.string(), 42, 'must be text, not a number'],
  [z.boolean(), null, 'must be true or false, not null'],
  [z.looseObject({}), [], 'must be settings by name, not a list'],
  [z.string().min(1), '', 'must not be empty'],
  [z.string().max(3), 'abcd', 'must have at most 3 characters'],
  [z.array(z.string()).min(2), ['a'], 'must have at least 2 items'],
  [z.enum(['fail', 'hold']), 'x', 'must be one of fail, hold'],
  [z.array(z.string()).min(1, 'must name a program'), [], 'must name a program'],
])('issue %# has a plain message', (schema, value, expected) => {
  expect(wordOf(schema, value)).toBe(expected)
})
