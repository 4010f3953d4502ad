import { afterEach, describe, expect, test } from 'vitest'
import type { ArgoServer, ArgoServerOptions } from '../../src/index.ts'
import type { ManualRuntime } from '@sluice/testkit'
import { namesIn, startBench } from '../bench.ts'
import { at, clientOf, type Client } from '../client.ts'

let server: ArgoServer
let client: Client
let runtime: ManualRuntime
afterEach(() => server.close())

async function start(options: ArgoServerOptions = {}) {
  ;({ server, client, runtime } = await startBench(options))
}

const ARCHIVING = ['metadata', 'labels', 'workflows.argoproj.io/workflow-archiving-status'] as const
const LASTING = ['item=1', 'mode=hang']

/** A workflow of one second that is to be gone some time after its end. */
function withTtl(ttlStrategy: object) {
  return {
    metadata: { name: 'one' },
    spec: {
      workflowTemplateRef: { name: 'test-workflow-template' },
      arguments: {
        parameters: [
          { name: 'item', value: '1' },
          { name: 'seconds', value: '1' },
        ],
      },
      ttlStrategy,
    },
  }
}

describe('the time to live', () => {
  test('is counted from the end', async () => {
    await start()
    await client.create(withTtl({ secondsAfterCompletion: 10 }))
    await runtime.advance(10_999)
    expect(at((await client.get('one')).body, 'status', 'phase')).toBe('Succeeded')
    await runtime.advance(1)
    expect((await client.get('one')).status).toBe(404)
  })

  test('may be another for a success', async () => {
    await start()
    await client.create(
      withTtl({ secondsAfterCompletion: 100, secondsAfterSuccess: 2, secondsAfterFailure: 50 }),
    )
    await runtime.advance(2_999)
    expect(server.workflows.size).toBe(1)
    await runtime.advance(1)
    expect(server.workflows.size).toBe(0)
  })

  test('begins only once the archive has the workflow', async () => {
    await start({ archive: true, controller: { reconcileDelayMs: 0, archiveLagMs: 60_000 } })
    await client.create(withTtl({ secondsAfterCompletion: 10 }))
    await runtime.advance(60_999)
    const { body } = await client.get('one')
    expect(at(body, ...ARCHIVING)).toBe('Pending')
    await runtime.advance(1)
    expect(server.workflows.size).toBe(0)
    expect(at((await client.get('one')).body, ...ARCHIVING)).toBe('Persisted')
  })
})

describe('the archive', () => {
  test('has a workflow some time after its end, and lists it twice as long as the two overlap', async () => {
    await start({
      archive: true,
      controller: { reconcileDelayMs: 0, archiveLagMs: 5_000, archiveOverlapMs: 5_000 },
    })
    await client.submit('one', ['item=1', 'seconds=0'])
    await runtime.advance(4_999)
    expect(server.workflows.archived('one')).toBeUndefined()
    expect(namesIn((await client.list()).body)).toEqual(['one'])
    await runtime.advance(1)
    expect(namesIn((await client.list()).body)).toEqual(['one', 'one'])
    await runtime.advance(5_000)
    expect(namesIn((await client.list()).body)).toEqual(['one'])
    expect(at((await client.get('one')).body, ...ARCHIVING)).toBe('Archived')
  })

  test('keeps workflows no longer than its time to live', async () => {
    await start({ archive: true, archiveTtlMs: 60_000 })
    await client.submit('one', ['item=1', 'seconds=0'])
    await runtime.advance(1)
    await client.remove('one')
    expect((await client.get('one')).status).toBe(200)
    await runtime.advance(60_000)
    expect((await client.get('one')).status).toBe(404)
  })

  test('ignores a workflow that is deleted while it runs', async () => {
    await start({ archive: true })
    await client.submit('one', LASTING)
    await runtime.advance(1)
    await client.remove('one')
    await runtime.advance(60_000)
    expect((await client.get('one')).status).toBe(404)
  })

  test('can lose a row', async () => {
    await start({ archive: true })
    await client.submit('one', ['item=1', 'seconds=0'])
    await runtime.advance(1)
    server.workflows.expire('one')
    expect((await client.get('one')).status).toBe(200)
    server.workflows.purgeArchive('one')
    expect((await client.get('one')).status).toBe(404)
  })
})

describe('the lists of an address', () => {
  test('lag behind by their own time; GET does not', async () => {
    await start()
    const late = await server.addEndpoint({ listLagMs: 30_000 })
    const other = clientOf(server, late.url)
    await client.submit('one', LASTING)
    await runtime.advance(1)
    expect(namesIn((await client.list()).body)).toEqual(['one'])
    expect(namesIn((await other.list()).body)).toEqual([])
    expect((await other.get('one')).status).toBe(200)
    await runtime.advance(29_998)
    expect(namesIn((await other.list()).body)).toEqual([])
    await runtime.advance(2)
    expect(namesIn((await other.list()).body)).toEqual(['one'])
    server.workflows.finish('one')
    const items = (await other.list()).body['items']
    expect(at(items, '0', 'status', 'phase')).toBe('Running')
    expect(at((await other.get('one')).body, 'status', 'phase')).toBe('Succeeded')
  })

  test('keep what they have listed once, although the lag grows', async () => {
    await start()
    await client.submit('one', LASTING)
    expect(namesIn((await client.list()).body)).toEqual(['one'])
    server.main.replica.listLagMs = 3_600_000
    server.operator.delete('one')
    expect(namesIn((await client.list()).body)).toEqual(['one'])
  })

  test('are empty and without a version from a restart until they are filled; GET and watch are current', async () => {
    await start()
    await client.submit('one', LASTING)
    server.main.restart(10_000)
    const unsynced = await client.list()
    expect([unsynced.status, unsynced.body]).toEqual([200, { metadata: {}, items: null }])
    expect((await client.get('one')).status).toBe(200)
    await runtime.advance(9_999)
    expect((await client.list()).body['items']).toBeNull()
    await runtime.advance(1)
    const synced = await client.list()
    expect(namesIn(synced.body)).toEqual(['one'])
    expect(at(synced.body, 'metadata', 'resourceVersion')).toMatch(/^\d+$/)
  })

  test('are filled manually, as that of one address alone', async () => {
    await start()
    const second = await server.addEndpoint()
    await client.submit('one', LASTING)
    second.restart(3_600_000)
    const other = clientOf(server, second.url)
    expect(namesIn((await client.list()).body)).toEqual(['one'])
    expect(namesIn((await other.list()).body)).toEqual([])
    second.replica.sync()
    expect(namesIn((await other.list()).body)).toEqual(['one'])
  })
})
