import { Buffer } from 'node:buffer'
import { inspect } from 'node:util'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { SECRET_MARK, SecretRegistry, SluiceError, redactError, redactJson } from '../../src/index.js'

const SECRET = 'p@ss/w#rd %41 "q\'u\\o?t&e'

function knowing(...values: readonly string[]): SecretRegistry {
  const secrets = new SecretRegistry()
  for (const value of values) secrets.add(value)
  return secrets
}

describe('a secret in a text', () => {
  const forms: readonly (readonly [string, (value: string) => string])[] = [
    ['as it is', (value) => value],
    ['percent-encoded', encodeURIComponent],
    [
      'percent-encoded in lower case',
      (value) => encodeURIComponent(value).replaceAll(/%../gu, (code) => code.toLowerCase()),
    ],
    ['percent-encoded as a URL', encodeURI],
    ['as a field of a form', (value) => new URLSearchParams({ x: value }).toString().slice(2)],
    ['as a password of a URL', (value) => Object.assign(new URL('http://h'), { password: value }).password],
    ['in JSON', (value) => JSON.stringify({ value })],
    ['in JSON within JSON', (value) => JSON.stringify(JSON.stringify({ value }))],
    ['in XML', (value) => value.replaceAll('&', '&amp;').replaceAll('"', '&quot;').replaceAll("'", '&#39;')],
    ['as Node inspects it', (value) => inspect({ value })],
    ['in base64', (value) => Buffer.from(value).toString('base64')],
    ['in base64url', (value) => Buffer.from(value).toString('base64url')],
    ['in a Basic header', (value) => `Basic ${Buffer.from(`ada:${value}`).toString('base64')}`],
    ['in base64 behind two characters', (value) => Buffer.from(`a:${value}:b`).toString('base64')],
    ['in hexadecimal', (value) => Buffer.from(value).toString('hex')],
    ['in upper-case hexadecimal', (value) => Buffer.from(value).toString('hex').toUpperCase()],
    ['in lower case, as the host of a URL', (value) => value.toLowerCase()],
    ['cut at its end', (value) => `the answer was ${value.slice(0, -3)}`],
    ['cut with an ellipsis', (value) => `the answer was ${value.slice(0, 12)}… and more`],
    ['cut at its beginning', (value) => `${value.slice(4)} was refused`],
    ['cut at its beginning, and quoted', (value) => `exit code 1: ${value.slice(2)} was refused`],
  ]
  it.each(forms)('is left out: %s', (_, encode) => {
    const text = encode(SECRET)
    const redacted = knowing(SECRET).redact(text)
    expect(redacted).toContain(SECRET_MARK)
    expect(decodedTexts(redacted).join('\n').toLowerCase()).not.toContain('w#rd')
  })

  it('is left out when it was given percent-encoded, and shown decoded', () => {
    expect(knowing('p%40ss%2Fword').redact('login failed: p@ss/word')).toBe(`login failed: ${SECRET_MARK}`)
  })

  it('is left out with and without the line end that it was given with', () => {
    expect(knowing('abcdef0123456789\n').redact('Bearer abcdef0123456789.')).toBe(`Bearer ${SECRET_MARK}.`)
  })

  it('is left out line by line', () => {
    const key = '-----BEGIN KEY-----\nMIIEvQIBADANBgkq\nhkiG9w0BAQEFAASC\n-----END KEY-----\n'
    expect(knowing(key).redact('line 2: MIIEvQIBADANBgkq')).toBe(`line 2: ${SECRET_MARK}`)
  })

  it('is left out whole when another one is a part of it', () => {
    expect(knowing('secret-a1b2', 'secret-a1b2-c3d4').redact('x secret-a1b2-c3d4 y')).toBe(
      `x ${SECRET_MARK} y`,
    )
  })

  it('is found in any text, whatever characters it has', () => {
    const value = fc
      .string({ unit: 'grapheme', minLength: 12, maxLength: 40 })
      .filter((each) => each.trim().length >= 12)
    fc.assert(
      fc.property(value, fc.string(), fc.string(), (secret, before, after) => {
        expect(knowing(secret).redact(`${before} ${secret} ${after}`)).not.toContain(secret.trim())
      }),
    )
  })
})

describe('what is no secret', () => {
  it('stays: a text without any', () => {
    const text = 'Could not put into queue "tiles": connect ECONNREFUSED 127.0.0.1:5432'
    expect(knowing(SECRET, 'data', 'ab').redact(text)).toBe(text)
  })

  it.each(['a', 'ab', 'abc', '', ' '])('stays: every text, for the secret %j', (short) => {
    const text = 'a cab backs up abc aback'
    expect(knowing(short).redact(text)).toBe(text)
  })

  it('stays: a word that a short secret is a part of', () => {
    const secrets = knowing('data')
    expect(secrets.redact('the database of data2')).toBe('the database of data2')
    expect(secrets.redact('the word data, {"a":"x\\ndata"}')).toBe(
      `the word ${SECRET_MARK}, {"a":"x\\n${SECRET_MARK}"}`,
    )
  })

  it('stays: a word that is shown openly elsewhere', () => {
    const secrets = knowing('postgres')
    secrets.addPublic('postgres')
    expect(secrets.redact('database postgres at postgres://postgres:postgres@host/x')).toBe(
      `database postgres at postgres://${SECRET_MARK}@host/x`,
    )
  })

  it('never makes an opaque secret public', () => {
    const secrets = knowing('a1b2c3d4e5f6')
    secrets.addPublic('a1b2c3d4e5f6')
    expect(secrets.redact('a1b2c3d4e5f6')).toBe(SECRET_MARK)
  })

  it('stays: a user without a password, and the example of a message', () => {
    const text =
      'must be postgres://user@host/database or postgres://user:password@host/database, see https://a.b/@c'
    expect(knowing(SECRET).redact(text)).toBe(text)
  })
})

describe('credentials in a URL', () => {
  it.each([
    ['postgres://ada:x@h/d', `postgres://${SECRET_MARK}@h/d`],
    ['http://ab@proxy:3128', `http://${SECRET_MARK}@proxy:3128`],
    ['x https://u:p@q:w@h:1/?a=b y', `x https://${SECRET_MARK}@h:1/?a=b y`],
    ['postgres://h/d?user=ada&password=xy', `postgres://h/d?user=ada&password=${SECRET_MARK}`],
  ])('are left out although they were not added: %s', (text, redacted) => {
    expect(new SecretRegistry().redact(text)).toBe(redacted)
  })

  it('are found in time that grows with the text', () => {
    const text = `${'a.'.repeat(50_000)}://${'b:'.repeat(50_000)}`
    expect(new SecretRegistry().redact(text)).toBe(text)
  })
})

describe('a secret in an error', () => {
  it('is left out of the message, the stack, the fields, the causes and what they hold', () => {
    const inner = Object.assign(new Error(`inner ${SECRET}`), {
      input: SECRET,
      request: { headers: [`Bearer ${SECRET}`] },
    })
    const many = new AggregateError([inner], `many ${SECRET}`)
    const error = new SluiceError('SLUICE_QUEUE_DENIED', `outer ${SECRET}`, { cause: many })
    expect(redactError(error, knowing(SECRET))).toBe(error)
    expect(error.message).toBe(`outer ${SECRET_MARK}`)
    expect(inspect(error, { depth: 20, showHidden: true })).not.toContain('w#rd')
    expect(error.code).toBe('SLUICE_QUEUE_DENIED')
  })

  it('is left out where errors refer to each other', () => {
    const first = new Error(SECRET)
    const second = new Error(SECRET, { cause: first })
    first.cause = second
    redactError(first, knowing(SECRET))
    expect([first.message, second.message]).toEqual([SECRET_MARK, SECRET_MARK])
  })

  it.each([undefined, null, 3, Object.freeze(new Error(SECRET))])(
    'leaves %s what it can not change',
    (thrown) => {
      expect(redactError(thrown, knowing(SECRET))).toBe(thrown)
    },
  )

  it('is left out of a string that was thrown', () => {
    expect(redactError(`x ${SECRET}`, knowing(SECRET))).toBe(`x ${SECRET_MARK}`)
  })
})

describe('a secret in JSON', () => {
  it('is left out of strings and keys', () => {
    const value = { a: [1, `x ${SECRET}`, null], [SECRET]: { b: true } }
    expect(redactJson(value, knowing(SECRET))).toEqual({
      a: [1, `x ${SECRET_MARK}`, null],
      [SECRET_MARK]: { b: true },
    })
  })

  it('gives the value itself where there is none', () => {
    const value = { a: [1, 'x', { b: [] }], c: null }
    expect(redactJson(value, knowing(SECRET))).toBe(value)
  })
})

/** A text, and what a reader could make of it. */
function decodedTexts(text: string): readonly string[] {
  const words = text.split(/[\s"':,{}]+/u)
  const base64 = [0, 1, 2, 3].flatMap((skip) =>
    words.map((word) => Buffer.from(word.slice(skip), 'base64').toString('latin1')),
  )
  const hex = words.map((word) => Buffer.from(word, 'hex').toString('latin1'))
  return [
    text,
    text.replaceAll(/%([0-9a-f]{2})/giu, (_, code: string) => String.fromCharCode(Number.parseInt(code, 16))),
    ...base64,
    ...hex,
  ]
}
