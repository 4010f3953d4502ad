import { isSluiceError, type JsonValue } from '@sluice/core'
import { describe, expect, test } from 'vitest'
import { overrideNames, parseArgument, renderArguments } from '../../src/command/command-template.js'

function render(argument: string, body: JsonValue = {}): string {
  const item = { id: 'tile/1', uid: 'u1', attempt: 2, queue: 'tiles', body }
  return renderArguments([parseArgument(argument)], item)[0] ?? ''
}

describe('overrides', () => {
  const item = { id: 'a', uid: 'u1', attempt: 2, queue: 'tiles', body: {} }
  const templates = ['{override.memory}', '--{override["disk-size"]}', '{id}'].map(parseArgument)

  test('fill their placeholders, which are empty where none are known', () => {
    const overrides = { memory: '8Gi', 'disk-size': '1' }
    expect(renderArguments(templates, { ...item, overrides })).toEqual(['8Gi', '--1', 'a'])
    expect(renderArguments(templates, item)).toEqual(['', '--', 'a'])
    expect(overrideNames(templates)).toEqual(['memory', 'disk-size'])
  })

  test.each(['{override}', '{override.a.b}', '{id.memory}'])('%s is no placeholder', (text) => {
    expect(() => parseArgument(text)).toThrow('unknown placeholder')
  })
})

describe('renderArguments', () => {
  test.each<[string, JsonValue, string]>([
    ['plain', {}, 'plain'],
    ['', {}, ''],
    ['{id}', {}, 'tile/1'],
    ['{queue}/{uid}#{attempt}', {}, 'tiles/u1#2'],
    ['--url={body.url}', { url: 's3://a b/$(x)' }, '--url=s3://a b/$(x)'],
    ['{body.list.1.name}', { list: [0, { name: 'deep' }] }, 'deep'],
    ['{body.n},{body.t},{body.z}', { n: 1.5, t: true, z: '' }, '1.5,true,'],
    ['{body.z}', { z: 'null' }, 'null'],
    ['{body.o}', { o: { a: [1, null] } }, '{"a":[1,null]}'],
    ['{body}', 'text', 'text'],
    ['{body}', { a: 1 }, '{"a":1}'],
    ['{{id}} {{{id}}} } {{', {}, '{id} {tile/1} } {'],
    ['{body.x}', { x: '{id}' }, '{id}'],
    ['{body.0}', ['first'], 'first'],
    ['{body["file.path"]}', { 'file.path': '/a' }, '/a'],
    ["{body['Sample Group']}", { 'Sample Group': 'g' }, 'g'],
    ['{body.Sample Group}', { 'Sample Group': 'g' }, 'g'],
    ['--a={body["a}b{"]}!', { 'a}b{': 1 }, '--a=1!'],
    ['{body["it\'s \\"q\\""]}', { 'it\'s "q"': 1 }, '1'],
    ['{body.files[1].path}', { files: [0, { path: '/b' }] }, '/b'],
    ['{body.meta["a.b"][0]}', { meta: { 'a.b': ['x'] } }, 'x'],
    ['{body[""]}', { '': 'blank' }, 'blank'],
    ['{body["x"]}}}', { x: 1 }, '1}'],
  ])('%s', (argument, body, expected) => {
    expect(render(argument, body)).toBe(expected)
  })

  test.each<[string, JsonValue]>([
    ['{body.missing}', {}],
    ['{body.a.b}', { a: null }],
    ['{body.a}', { a: null }],
    ['{body}', null],
    ['{body.a.b}', { a: 'text' }],
    ['{body.length}', 'text'],
    ['{body.toString}', {}],
    ['{body.__proto__}', {}],
    ['{body.a}', { a: 'nul\0' }],
  ])('rejects %s of %j, naming the field and the item', (argument, body) => {
    let error: unknown
    try {
      render(argument, body)
    } catch (thrown) {
      error = thrown
    }
    expect(isSluiceError(error, 'SLUICE_JOB_REJECTED')).toBe(true)
    expect(error).toMatchObject({ itemId: 'tile/1' })
    expect(String(error)).toContain(argument)
    expect(String(error)).toContain('tile/1')
  })
})

test.each<[string, JsonValue, string]>([
  [
    '{body.file.path}',
    { 'file.path': '/a' },
    '{body.file.path}: the body has no field "file"; it has "file.path", which is written ["file.path"]',
  ],
  ['{body.sample}', { Sample: 1 }, 'the body has no field "sample"; it has "Sample"'],
  ['--p={body.p}', { p: null }, '{body.p}: $.p is null'],
  ['{body.files[0].path}', { files: [{ path: null }] }, '$.files[0].path is null'],
  ['{body}', null, '{body}: the body is null'],
  ['{body.files[2]}', { files: [1] }, '$.files is a list of 1, and has no element "2"'],
  ['{body.file.path}', { file: '/a' }, '$.file is a string, and has no field "path"'],
])('what is missing for %s of %j is named', (argument, body, text) => {
  expect(() => render(argument, body)).toThrow(text)
})

describe('parseArgument', () => {
  test.each([
    '{',
    'a{b',
    '{}',
    '{body',
    '{unknown}',
    '{id.x}',
    '{body..x}',
    '${HOME}',
    '{Body.x}',
    '{ id }',
    'nul\0',
    '{body["a}',
    '{body[a]}',
    '{body[-1]}',
    '{body["a\\x"]}',
    '{id["x"]}',
    '{body .x}',
  ])('refuses %j', (argument) => {
    expect(() => parseArgument(argument)).toThrow(TypeError)
  })
})
