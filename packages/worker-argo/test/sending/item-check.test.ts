import { randomUUID } from 'node:crypto'
import { isSluiceError, type JsonValue } from '@sluice/core'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import type { ArgoWorkerOptions } from '../../src/index.js'
import { ArgoBench } from '../argo-bench.js'

let bench: ArgoBench
beforeEach(async () => {
  bench = await ArgoBench.start({ archive: true })
})
afterEach(() => bench.close())

/** What is said of an item: by a check, and by a send, which must be the same. */
async function saidOf(body: JsonValue, options: Partial<ArgoWorkerOptions> = {}): Promise<string> {
  const worker = await bench.open(options)
  const { id, uid, attempt } = { id: 'S1', uid: randomUUID(), attempt: 1 }
  const ends = [worker.checkItem(id, body), worker.sendJob(id, body, { uid, attempt, queue: worker.name })]
  const [checked, sent] = (await Promise.allSettled(ends)).map((end) => {
    if (end.status === 'fulfilled') return 'fine'
    if (isSluiceError(end.reason, 'SLUICE_JOB_REJECTED')) return end.reason.message
    throw end.reason
  })
  expect(sent).toBe(checked)
  return checked ?? ''
}

describe('an item is held against the template as by a send', () => {
  test.each<[string, JsonValue, Partial<ArgoWorkerOptions>, RegExp]>([
    ['that fits', { item: 'a', seconds: 0 }, {}, /^fine$/u],
    [
      'of a header with a blank',
      { sample: 'S1', 'Sample Group': 'g', item: 'a' },
      {},
      /"Sample Group" is no name of a parameter .*`parameters: \{"Sample-Group":"\$\[\\"Sample Group\\"\]"\}`.*unknownFields: ignore/u,
    ],
    [
      'of the same, where other columns are ignored',
      { 'Sample Group': 'g', item: 'a' },
      { unknownFields: 'ignore' },
      /^fine$/u,
    ],
    [
      'without a required parameter',
      { seconds: 0 },
      {},
      /requires item, and the item gives no value for it\.$/u,
    ],
    [
      'without what is mapped to a required parameter',
      { file: { name: 'x' } },
      { parameters: { item: '$.file.path' } },
      /requires item, and the item gives no value for it: \$\.file has no field "path"/u,
    ],
    [
      'with null for a required parameter',
      { item: null },
      {},
      /requires item, and the item gives no value for it: \$\.item is null\.$/u,
    ],
    [
      'with null for what is mapped to a required parameter',
      { file: { path: null } },
      { parameters: { item: '$.file.path' } },
      /requires item, and the item gives no value for it: \$\.file\.path is null\.$/u,
    ],
    [
      'with null for what is mapped as JSON',
      { file: null },
      { parameters: { item: { from: '$.file', as: 'json' } } },
      /gives no value for it: \$\.file is null\.$/u,
    ],
    ['with null for a parameter that has a default', { item: 'a', seconds: null }, {}, /^fine$/u],
    [
      'of a column with a dot that is read as two steps',
      { 'file.path': 'x' },
      { parameters: { item: '$.file.path' } },
      /it has "file\.path", which is written \["file\.path"\]/u,
    ],
    ['of a column with a dot', { 'file.path': 'x' }, { parameters: { item: '$["file.path"]' } }, /^fine$/u],
    [
      'with a value that the template does not allow',
      { item: 'a', mode: 'dance' },
      {},
      /allows for mode only/u,
    ],
    ['with a field that the template does not declare', { item: 'a', more: 1 }, {}, /has no parameter more/u],
    ['whose body is a text', 'a.bam', {}, /its body is no object/u],
    ['with a NUL', { item: 'a\0b' }, {}, /parameter item has a NUL character.*base64/u],
    [
      'with a NUL, by base64',
      { item: 'a\0b' },
      { parameters: { item: { from: '$.item', as: 'base64' } } },
      /^fine$/u,
    ],
    ['with a NUL, in JSON', { item: ['a\0b'] }, {}, /^fine$/u],
    ['that is too long', { item: 'x'.repeat(131_072) }, {}, /bytes/u],
    [
      'that is too large as a whole',
      { item: 'x'.repeat(5_000) },
      { maxTotalParameterBytes: 3_000 },
      /bytes/u,
    ],
  ])('%s', async (_, body, options, said) => {
    expect(await saidOf(body, options)).toMatch(said)
  })

  test('a check sends nothing, and reads the template once for many items', async () => {
    const worker = await bench.open()
    const before = bench.server.main.requests.length
    for (let at = 0; at < 100; at++)
      await worker.checkItem(`S${at}`, { 'Sample Group': 'g' }).catch(() => 'rejected')
    for (let at = 0; at < 100; at++) await worker.checkItem(`S${at}`, { seconds: 1 }).catch(() => 'rejected')
    expect(bench.server.workflows.size).toBe(0)
    expect(bench.server.main.requests.length - before).toBeLessThan(6)
  })

  test('a template that does not fit the configuration is no item’s trouble', async () => {
    const worker = await bench.open({ parameters: { nothing: '$.x' } })
    await expect(worker.checkItem('a', {})).rejects.toMatchObject({
      code: 'SLUICE_WORKER_UNAVAILABLE',
      concerns: 'worker',
    })
  })
})
