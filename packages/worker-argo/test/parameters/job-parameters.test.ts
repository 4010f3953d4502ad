import { bodyValueAt, type JsonValue } from '@sluice/core'
import { describe, expect, test } from 'vitest'
import { ParameterMaker } from '../../src/parameters/job-parameters.js'
import type { ArgoWorkerSettings } from '../../src/options.js'
import { parsePath, parseSource } from '../../src/parameters/parameter-source.js'
import { parameterText, type TextForm } from '../../src/parameters/parameter-text.js'

const BODY = { file: { path: 's3://maps/1.tif', sizes: [1, 2] }, n: 3, none: null, 'odd name': true }

function make(
  parameters: ArgoWorkerSettings['parameters'],
  body: JsonValue = BODY,
  maxParameterBytes = 131_072,
) {
  const maker = new ParameterMaker({ parameters, maxParameterBytes })
  const input = { id: 'a', uid: 'u', attempt: 2, queue: 'q', body }
  return maker
    .make(input)
    .then((made) => Object.fromEntries([...made].map(([name, { text }]) => [name, text])))
}

describe('a path', () => {
  test.each<[string, JsonValue | undefined]>([
    ['$', BODY],
    ['$.file.path', 's3://maps/1.tif'],
    ['$.file.sizes[1]', 2],
    ['$.file.sizes.0', 1],
    ["$['odd name']", true],
    ['$.odd name', true],
    ['$["file.path"]', undefined],
    ['$["file"]["path"]', 's3://maps/1.tif'],
    ['$.file.sizes[7]', undefined],
    ['$.missing.deeper', undefined],
    ['$.n.deeper', undefined],
    ['$.none', null],
    ['$.none.deeper', undefined],
    ['$.__proto__', undefined],
    ['$.constructor', undefined],
    ['$.file.sizes.length', 2],
  ])('%s leads to %j', (path, value) => {
    expect(bodyValueAt(BODY, parsePath(path))).toEqual(value)
  })

  test.each(['', 'file', '$file', '$.', '$..a', '$.a.', '$[', '$[a]', "$['a", "$['a\\x']"])(
    '%j is refused',
    (path) => {
      expect(() => parsePath(path)).toThrow(TypeError)
    },
  )

  test('@ names what the job has, and nothing else', () => {
    expect(parseSource('@id')).toEqual({ kind: 'job', field: 'id' })
    expect(() => parseSource('@ids')).toThrow(/@id, @uid, @attempt, @queue/u)
  })

  test('$$ and @@ begin plain texts', () => {
    expect(parseSource('$$5')).toEqual({ kind: 'text', text: '$5' })
    expect(parseSource('@@me')).toEqual({ kind: 'text', text: '@me' })
    expect(parseSource('succeed')).toEqual({ kind: 'text', text: 'succeed' })
  })
})

describe('the text of a parameter', () => {
  test.each<[JsonValue, TextForm, string]>([
    ['plain, = and\nlines', 'text', 'plain, = and\nlines'],
    [3, 'text', '3'],
    [true, 'text', 'true'],
    [{ a: [1] }, 'text', '{"a":[1]}'],
    ['a "b"', 'json', '"a \\"b\\""'],
    [{ a: 1 }, 'base64', 'eyJhIjoxfQ=='],
    ['ä{{', 'base64', 'w6R7ew=='],
    ['{ {', 'text', '{ {'],
    ['}}', 'text', '}}'],
    ['', 'text', ''],
    ['a$$b', 'text', 'a$$b'],
    ['a$$b $(X) $5', 'kubernetes', 'a$$$$b $$(X) $$5'],
    [{ a: '$$' }, 'kubernetes', '{"a":"$$$$"}'],
    ['a$$b', 'verbatim', 'a$$b'],
  ])('of %j as %s is %j', (value, form, text) => {
    expect(parameterText(value, form, 1_000)).toBe(text)
  })

  test.each<JsonValue>([
    { text: '{{workflow.name}}' },
    { '{{=1}}': '{{{deep}}}' },
    ['{{', '{', '\\{{'],
    '{{=sprig.env("SECRET")}}',
  ])('of %j as JSON has no "{{" in it, and is the same JSON', (value) => {
    const text = parameterText(value, 'json', 1_000)
    expect(text).not.toContain('{{')
    expect(JSON.parse(text)).toEqual(value)
  })

  test.each<JsonValue>(['a$$b', ['$(X)', '$$(X)', 'a$', '$é', '$"', '$5'], { a$$b: '$' }])(
    'of %j as JSON has no dollar that Kubernetes rewrites, and is the same JSON',
    (value) => {
      const text = parameterText(value, 'json', 1_000)
      expect(text).not.toMatch(/\$(?:[$(]|[^\0-\u{7f}]|"|$)/u)
      expect(JSON.parse(text)).toEqual(value)
    },
  )

  test('of JSON has other dollars as they are', () => {
    expect(parameterText({ price: '$5', shell: '${X}' }, 'json')).toBe('{"price":"$5","shell":"${X}"}')
  })

  test('with "{{" in it is refused, never evaluated', () => {
    expect(() => parameterText('{{workflow.name}}', 'text', 1_000)).toThrow(/evaluate.*as: base64/u)
  })

  test('that is too long is refused', () => {
    expect(() => parameterText('äää', 'text', 5)).toThrow(/6 bytes, and at most 5/u)
  })
})

describe('the parameters of an item', () => {
  test('are the fields of its body: scalars as they are, the rest as JSON, and null is left out', async () => {
    await expect(make('fields', { a: 'x', b: 2, c: { d: 1 }, e: null, f: false })).resolves.toEqual({
      a: 'x',
      b: '2',
      c: '{"d":1}',
      f: 'false',
    })
  })

  test('are mapped', async () => {
    const mapping = {
      path: '$.file.path',
      first: '$.file.sizes[0]',
      whole: '$',
      item: '@id',
      attempt: '@attempt',
      mode: 'succeed',
      retries: 3,
      absent: '$.missing',
      packed: { from: '$.file', as: 'base64' as const },
    }
    await expect(make(mapping)).resolves.toEqual({
      path: 's3://maps/1.tif',
      first: '1',
      whole: JSON.stringify(BODY),
      item: 'a',
      attempt: '2',
      mode: 'succeed',
      retries: '3',
      packed: Buffer.from(JSON.stringify(BODY.file)).toString('base64'),
    })
  })

  test('come out of a function, which may take its time', async () => {
    await expect(make(({ id, attempt }) => ({ id, attempt, none: undefined }))).resolves.toEqual({
      id: 'a',
      attempt: '2',
    })
    await expect(make(async ({ body }) => ({ body }))).resolves.toEqual({ body: JSON.stringify(BODY) })
  })

  test.each<[string, ArgoWorkerSettings['parameters'], JsonValue, RegExp]>([
    ['a body without fields', 'fields', [1], /no object/u],
    ['a name that is none', 'fields', { 'a b': 1 }, /no name of a parameter/u],
    ['a template in a value', 'fields', { a: '{{x}}' }, /parameter a has "\{\{"/u],
    [
      'a function that throws',
      () => {
        throw new Error('no such tile')
      },
      1,
      /no such tile/u,
    ],
    ['a function that gives no JSON', () => ({ a: Number.NaN }), 1, /NaN is not a JSON number/u],
    ['a value that is too long', { a: '$' }, 'x'.repeat(131_073), /131073 bytes/u],
  ])('can’t be made of %s: SLUICE_JOB_REJECTED', async (_, how, body, message) => {
    const end = make(how, body)
    await expect(end).rejects.toMatchObject({ code: 'SLUICE_JOB_REJECTED', itemId: 'a' })
    await expect(end).rejects.toThrow(message)
  })
})
