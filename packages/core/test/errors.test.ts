import { expect, test } from 'vitest'
import { ERROR_CODES, SluiceError, isSluiceError, type OptionsSchema } from '../src/index.js'
import { checkOptions, withStored } from '../src/backend/index.js'

test('an error carries its code, what is retryable, and its cause', () => {
  const cause = new Error('socket')
  const error = new SluiceError('SLUICE_QUEUE_UNAVAILABLE', 'no answer', { cause, retryAfterMs: 5 })
  expect(error).toMatchObject({ code: 'SLUICE_QUEUE_UNAVAILABLE', retryable: true, retryAfterMs: 5, cause })
  expect(error.name).toBe('SluiceError')
  expect(new SluiceError('SLUICE_ITEM_EXISTS', 'x', { itemId: 'a' })).toMatchObject({
    retryable: false,
    itemId: 'a',
  })
})

test('an error of another copy of the package is known by its brand', () => {
  const foreign = Object.defineProperty(new Error('x'), Symbol.for('@sluice/error'), { value: true })
  expect(isSluiceError(Object.assign(foreign, { code: 'SLUICE_ITEM_EXISTS' }), 'SLUICE_ITEM_EXISTS')).toBe(
    true,
  )
  expect(isSluiceError(new Error('x'))).toBe(false)
  expect(isSluiceError(null)).toBe(false)
  expect(isSluiceError(new SluiceError('SLUICE_ITEM_EXISTS', 'x'), 'SLUICE_ITEM_NOT_FOUND')).toBe(false)
})

test('what of a failed call is stored is said by the same error', () => {
  const cause = new Error('socket')
  const stored = { added: 2, skipped: 1, unknown: 3 }
  const options = { cause, itemId: 'a', retryAfterMs: 5, retryable: false }
  const error = new SluiceError('SLUICE_QUEUE_UNAVAILABLE', 'no answer', options)
  const { code, message } = error
  expect(withStored(error, stored)).toMatchObject({ code, message, ...options, stored })
  expect(withStored(cause, stored)).toBe(cause)
})

test('every code says what it means', () => {
  for (const [code, { means }] of Object.entries(ERROR_CODES)) {
    expect(code).toMatch(/^SLUICE_[A-Z_]+$/)
    expect(means.length).toBeGreaterThan(10)
  }
})

test('wrong options are one error with a line a field and no value', async () => {
  const schema: OptionsSchema<{ url: string }> = {
    '~standard': {
      version: 1,
      vendor: 'test',
      validate: (value) =>
        typeof value === 'object' && value !== null && 'url' in value
          ? { value: { url: String(value.url) } }
          : {
              issues: [
                { message: 'is required', path: ['url'] },
                { message: 'odd', path: [{ key: 'a' }, 0] },
                { message: 'no' },
              ],
            },
    },
  }
  await expect(checkOptions(schema, { url: 'u' }, 'pkg')).resolves.toEqual({ url: 'u' })
  await expect(checkOptions(schema, {}, 'pkg')).rejects.toMatchObject({
    code: 'SLUICE_CONFIG_INVALID',
    message: 'The options of pkg are wrong:\n  url: is required\n  a.0: odd\n  options: no',
  })
})
