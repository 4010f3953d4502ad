import { describe, expect, test } from 'vitest'
import { limitKeySource, resourceSources } from '../../src/manifest/chosen-items.js'
import { readText, seen } from './read-text.js'

const by = {
  resources: resourceSources('gpu=$.gpu,memoryGiB=$.size["memory, GiB"],cpu=0.5'),
  limitKey: limitKeySource('$.user'),
}

describe('resources and limit keys out of the bodies', () => {
  test('of JSON lines: numbers, and nothing where a field is absent', async () => {
    const lines = [
      '{"id": "a", "gpu": 2, "size": {"memory, GiB": 4}, "user": "ann"}',
      '{"id": "b", "gpu": null, "user": 7}',
      '{"id": "c", "user": ""}',
    ]
    const { entries } = await readText(lines.join('\n'), by)
    expect(seen(entries)).toMatchObject([
      [1, { id: 'a', resources: { gpu: 2, memoryGiB: 4, cpu: 0.5 }, limitKey: 'ann' }],
      [2, { id: 'b', resources: { cpu: 0.5 }, limitKey: '7' }],
      [3, { id: 'c', resources: { cpu: 0.5 } }],
    ])
    expect(seen(entries)[2]).not.toHaveProperty('1.limitKey')
  })

  test('of CSV: a cell is a number where it is written as one', async () => {
    const { entries } = await readText('id,gpu,user\na,2,ann\nb,,bob\n', { format: 'csv', ...by })
    expect(seen(entries)).toMatchObject([
      [2, { id: 'a', resources: { gpu: 2, cpu: 0.5 }, limitKey: 'ann', body: { gpu: '2', user: 'ann' } }],
      [3, { id: 'b', resources: { cpu: 0.5 }, limitKey: 'bob' }],
    ])
  })

  test('a row with another value is refused by its line and path', async () => {
    const lines = [
      '{"id": "a", "gpu": "two"}',
      '{"id": "b", "gpu": -1}',
      '{"id": "c", "user": ["x"]}',
      `{"id": "d", "user": "${'x'.repeat(129)}"}`,
      '{"id": "e"}',
    ]
    const { entries } = await readText(lines.join('\n'), by)
    expect(seen(entries)).toMatchObject([
      expect.stringMatching(/line 1, field "\$\.gpu": the resource gpu must be a number/u),
      expect.stringMatching(/line 2, field "resources": resources\.gpu must be .*got -1/u),
      expect.stringMatching(/line 3, field "\$\.user": the limit key must be a string or a number/u),
      expect.stringMatching(/line 4, field "\$\.user": limitKey is 129 bytes/u),
      [5, { id: 'e' }],
    ])
  })

  test('an item with a body of its own names them beside it', async () => {
    const lines = [
      '{"id": "a", "body": 1, "resources": {"gpu": 1}, "limitKey": "ann", "priority": 2}',
      '{"id": "b", "body": 1, "resources": {"gpu": "1"}}',
      '{"id": "c", "body": 1, "resources": {"g u": 1}}',
      '{"id": "d", "body": 1, "limitKey": 7}',
    ]
    const { entries } = await readText(lines.join('\n'))
    expect(seen(entries)).toMatchObject([
      [1, { id: 'a', resources: { gpu: 1 }, limitKey: 'ann', priority: 2 }],
      expect.stringMatching(/line 2, field "resources\.gpu": must be a number, not a string/u),
      expect.stringMatching(/line 3, field "resources": resources: "g u" is no name/u),
      expect.stringMatching(/line 4, field "limitKey": must be a string, not a number/u),
    ])
  })
})

test.each(['', 'gpu', 'gpu=', 'gpu=$', 'gpu=1,', 'gpu=1,gpu=2', '1gpu=1', 'gpu=-1'])(
  'is no list of resources: %j',
  (text) => {
    expect(() => resourceSources(text)).toThrow(/is no list of resources/u)
  },
)

test.each(['', 'user', '$', '$.user x]'])('is no path of a limit key: %j', (text) => {
  expect(() => limitKeySource(text)).toThrow(/is no path into the body/u)
})
