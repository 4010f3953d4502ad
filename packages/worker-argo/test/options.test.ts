import { describe, expect, expectTypeOf, test } from 'vitest'
import type { z } from 'zod'
import { openWorker, optionsSchema, type ArgoWorker, type ArgoWorkerOptions } from '../src/index.js'

const LEAST = { name: 'q', baseUrl: 'https://argo.example.org/argo/', namespace: 'jobs', template: 'tile' }

describe('the options', () => {
  test('have defaults', () => {
    expect(optionsSchema.parse(LEAST)).toEqual({
      ...LEAST,
      templateKind: 'WorkflowTemplate',
      via: 'submit',
      parameters: 'fields',
      unknownFields: 'reject',
      maxTotalParameterBytes: 460_800,
      insecureSkipVerify: false,
      requestTimeoutMs: 30_000,
      listTimeoutMs: 300_000,
      lookupsPerSecond: 200,
      cancel: 'terminate',
      deleteFinished: 'never',
      deleteGraceMs: 600_000,
      deletionsPerSecond: 2,
    })
  })

  test.each<[string, object]>([
    ['baseUrl', { baseUrl: 'argo.example.org' }],
    ['baseUrl', { baseUrl: 'ftp://argo.example.org' }],
    ['baseUrl', { baseUrl: 'https://argo.example.org/?x=1' }],
    ['baseUrl', { baseUrl: 'https://me:secret@argo.example.org' }],
    ['namespace', { namespace: 'My Jobs' }],
    ['listTimeoutMs', { listTimeoutMs: 0 }],
    ['lookupsPerSecond', { lookupsPerSecond: 0 }],
    ['namespace', { namespace: '../argo' }],
    ['template', { template: 'a/b' }],
    ['templateKind', { templateKind: 'Template' }],
    ['deletionsPerSecond', { deletionsPerSecond: 0 }],
    ['parameters', { parameters: { path: '$..' } }],
    ['parameters', { parameters: { path: '@nothing' } }],
    ['parameters', { parameters: { 'a b': '$' } }],
    ['parameters', { parameters: 'all' }],
    ['token', { token: 'a', tokenFile: 'b' }],
    ['token', { tokenFile: 'a', tokenCommand: ['b'] }],
    ['labels', { labels: { 'workflows.argoproj.io/completed': 'true' } }],
    ['labels', { labels: { 'workflows.argoproj.io/controller-instanceid': 'x' } }],
    ['labels', { labels: { 'sluice/job': 'mine' } }],
    ['labels', { labels: { team: 'a b' } }],
    ['annotations', { annotations: { note: 'a=b' } }],
    ['spec', { spec: { ttlStrategy: { secondsAfterCompletion: 60 } } }],
    ['via', { via: 'create', templateKind: 'CronWorkflow' }],
    ['priority', { priority: 1.5 }],
    ['overridesFrom', { overridesFrom: 'argo' }],
    ['retryInPlace', { retryInPlace: { on: [] } }],
    ['retryInPlace', { retryInPlace: { on: ['evictd'] } }],
    ['logger', { logger: {} }],
    ['options', { nmae: 'q' }],
  ])('are refused by %s in %j', async (field, more) => {
    const end = openWorker({ ...LEAST, ...more })
    await expect(end).rejects.toMatchObject({ code: 'SLUICE_CONFIG_INVALID' })
    await expect(end).rejects.toThrow(new RegExp(`^ {2}${field}`, 'mu'))
  })

  test.each<[object, RegExp]>([
    [{ path: '$..' }, /parameters: path: the path "\$\.\." can't be read from character 2/u],
    [{ path: '@nothing' }, /parameters: path: "@nothing" is none of @id/u],
    [{ path: { from: 'x', as: 'yaml' } }, /parameters: path: as: /u],
    [{ mode: '{{workflow.name}}' }, /parameters: mode has "\{\{", which Argo would evaluate/u],
    [{ mode: { from: 'x'.repeat(50), as: 'base64' } }, /parameters: mode is 68 bytes, and at most 60/u],
  ])('say what is wrong with the mapping %j', async (parameters, message) => {
    // @ts-expect-error -- options that a file may hold, and their type does not allow
    await expect(openWorker({ ...LEAST, maxParameterBytes: 60, parameters })).rejects.toThrow(message)
  })

  test.each<object>([
    {
      via: 'create',
      annotations: { note: '{"a": "b=c"}' },
      spec: { ttlStrategy: { secondsAfterCompletion: 60 } },
    },
    { parameters: { path: '$.file.path', whole: '$', n: 1, b: true, p: { from: '$', as: 'base64' } } },
    { parameters: () => ({}) },
    { priority: 'item', labels: { team: 'maps', 'example.org/x': '' } },
    { retryInPlace: { on: ['evicted'] }, deleteFinished: 'succeeded', overridesFrom: '$.argo' },
  ])('may be %j', async (more) => {
    const worker = await openWorker({ ...LEAST, ...more })
    expect(worker.name).toBe('q')
    await worker.close()
  })

  test('name a caFile that is there', async () => {
    await expect(openWorker({ ...LEAST, caFile: '/nowhere/ca.pem' })).rejects.toMatchObject({
      code: 'SLUICE_CONFIG_INVALID',
    })
  })
})

test('their interface has the keys of the schema, and the type of the bodies follows from the type argument', () => {
  expectTypeOf<keyof ArgoWorkerOptions>().toEqualTypeOf<keyof z.input<typeof optionsSchema>>()
  interface Tile {
    readonly path: string
  }
  expectTypeOf(openWorker<Tile>).returns.resolves.toEqualTypeOf<ArgoWorker<Tile>>()
  // @ts-expect-error -- a Date is no JSON
  expectTypeOf(openWorker<{ at: Date }>).toBeFunction()
})
