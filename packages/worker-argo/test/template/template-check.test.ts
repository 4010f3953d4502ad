import { describe, expect, test } from 'vitest'
import { declaredParameters, mappingProblems, parameterProblems } from '../../src/template/template-check.js'

const TEMPLATE = {
  metadata: { name: 't' },
  spec: {
    arguments: {
      parameters: [
        { name: 'item' },
        { name: 'mode', value: 'succeed', enum: ['succeed', 'fail'] },
        { name: 'empty', value: '' },
        { name: 'of-a-map', valueFrom: { configMapKeyRef: { name: 'm', key: 'k' } } },
      ],
    },
  },
}
const declared = declaredParameters(TEMPLATE) ?? []

describe('what a template declares', () => {
  test('is read: names, which need a value, and which values they may have', () => {
    expect(declared).toEqual([
      { name: 'item', required: true },
      { name: 'mode', required: false, allowed: ['succeed', 'fail'] },
      { name: 'empty', required: false },
      { name: 'of-a-map', required: false },
    ])
  })

  test('of a cron workflow is in its workflowSpec', () => {
    const cron = { metadata: { name: 'c' }, spec: { schedules: [], workflowSpec: TEMPLATE.spec } }
    expect(declaredParameters(cron)).toEqual(declared)
  })

  test('may be nothing, and of an answer that is no template is not known', () => {
    expect(declaredParameters({ metadata: { name: 't' }, spec: {} })).toEqual([])
    expect(declaredParameters({ items: [] })).toBeUndefined()
    expect(declaredParameters(undefined)).toBeUndefined()
  })
})

describe('a mapping', () => {
  test('that fits has no problems', () => {
    expect(
      mappingProblems(
        new Map([
          ['item', undefined],
          ['mode', 'fail'],
        ]),
        declared,
      ),
    ).toEqual([])
  })

  test('says what is missing, unknown, and not allowed', () => {
    const problems = mappingProblems(
      new Map([
        ['mode', 'dance'],
        ['mod', undefined],
        ['path', undefined],
      ]),
      declared,
    )
    expect(problems).toEqual([
      'the template requires item, and nothing is mapped to it',
      'the template has no parameters mod, path; it has item, mode, empty, of-a-map',
      'the template allows for mode only succeed, fail, and not "dance"',
    ])
  })
})

test('a template without parameters says so once, whatever is mapped', () => {
  const parameters = new Map([
    ['path', '1'],
    ['zoom', '2'],
  ])
  const once = ['the template has no parameters path, zoom; it has none']
  expect(mappingProblems(parameters, [])).toEqual(once)
  expect(parameterProblems(parameters, [], { unknownFields: 'reject' })).toEqual(once)
  expect(parameterProblems(new Map([['path', '1']]), [], { unknownFields: 'reject' })).toEqual([
    'the template has no parameter path; it has none',
  ])
})

test('the parameters of an item are held against the template, unknown ones unless they are to be ignored', () => {
  const parameters = new Map([
    ['mode', 'x'],
    ['extra', '1'],
  ])
  expect(parameterProblems(parameters, declared, { unknownFields: 'reject' })).toHaveLength(3)
  expect(parameterProblems(parameters, declared, { unknownFields: 'ignore' })).toHaveLength(2)
  expect(parameterProblems(new Map([['item', '1']]), declared, { unknownFields: 'reject' })).toEqual([])
})
