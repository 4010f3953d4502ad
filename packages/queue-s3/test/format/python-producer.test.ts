import { execFile } from 'node:child_process'
import { randomUUID } from 'node:crypto'
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import type { JsonValue, Queue } from '@sluice/core'
import { startS3Server, type OnRequest, type S3Server } from '@sluice/fake-s3'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { openQueue } from '../../src/index.js'
import { endpointOptions, isEndpointGiven } from '../endpoint-harness.js'
import { optionsOn } from '../s3-harness.js'

const run = promisify(execFile)
const LAYOUT = new URL('../../../../docs/s3-layout.md', import.meta.url)
const python = await pythonWithBoto3()

/** Debian's boto3 is that of Debian's Python, which need not be the first on the path. */
async function pythonWithBoto3(): Promise<string | undefined> {
  for (const program of ['python3', '/usr/bin/python3']) {
    const found = await run(program, ['-c', 'import boto3']).then(
      () => true,
      () => false,
    )
    if (found) return program
  }
  return undefined
}

/**
 * Puts each of a list of calls by the documented text. An older boto3 doesn't know the parameter for the
 * header: it is given a hand.
 */
const PROGRAM = `
import json, sys, boto3
from botocore.config import Config
from producer import put, shards_of

order = json.load(sys.stdin)
config = Config(retries={'total_max_attempts': 1}, s3={'addressing_style': 'path'}, read_timeout=5)
s3 = boto3.client('s3', config=config, **order['client'])
known = s3.meta.service_model.operation_model('PutObject').input_shape.members
if 'IfNoneMatch' not in known:
    plain = s3.put_object
    s3.meta.events.register('before-call.s3.PutObject', lambda params, **_: params['headers'].update({'If-None-Match': '*'}))
    s3.put_object = lambda IfNoneMatch, **given: plain(**given)
place = (s3, order['bucket'], order['root'])
shards = shards_of(*place)
print(json.dumps([put(*place, shards=shards, **call) for call in order['calls']]))
`

interface Call {
  readonly item_id: string
  readonly body: JsonValue
  readonly priority?: number
  readonly resources?: Readonly<Record<string, number>>
  readonly limit_key?: string
}

describe.skipIf(python === undefined)('the Python of docs/s3-layout.md, where a python3 has boto3', () => {
  let dir: string
  let server: S3Server
  let queue: Queue
  let options: ReturnType<typeof endpointOptions>

  beforeEach(async () => {
    dir = await mkdtemp(join(tmpdir(), 'sluice-python-'))
    const [, text] = /```python\n(.*?)```/s.exec(await readFile(LAYOUT, 'utf8')) ?? []
    await writeFile(join(dir, 'producer.py'), text ?? '')
    await writeFile(join(dir, 'program.py'), PROGRAM)
    server = await startS3Server()
    options = isEndpointGiven ? endpointOptions(`python-${randomUUID()}`) : optionsOn(server)
    queue = await openQueue(options)
  })

  afterEach(async () => {
    await queue.close()
    await server.close()
    await rm(dir, { recursive: true, force: true })
  })

  async function putByPython(calls: readonly Call[], endpoint = options.endpoint): Promise<unknown> {
    const { accessKeyId, secretAccessKey } = options.credentials
    const keys = { aws_access_key_id: accessKeyId, aws_secret_access_key: secretAccessKey }
    const client = { endpoint_url: endpoint, region_name: options.region, ...keys }
    const order = { client, bucket: options.bucket, root: `${options.prefix}/contract/`, calls }
    const running = run(python ?? '', ['program.py'], { cwd: dir })
    running.child.stdin?.end(JSON.stringify(order))
    return JSON.parse((await running).stdout)
  }

  test('puts items that are claimed in their order, with any id and body; a second time it puts none', async () => {
    const ids = ['tile/1', 'tile-1', 'Tile-1', 'ünï 漢 😀 _x', 'x'.repeat(300), '..', '"quoted"']
    ids.push('x'.repeat(132), 'x'.repeat(133), 'X'.repeat(44), 'X'.repeat(45), 'é'.repeat(512))
    const calls = ids.map((id, index): Call => ({ item_id: id, body: { index, deep: [null, 'é', 1.5] } }))
    expect(await putByPython([...calls, { item_id: 'first', body: null, priority: 7 }])).toEqual(
      [...ids, 'first'].map(() => true),
    )
    expect(await putByPython(calls)).toEqual(ids.map(() => false))
    await expect(queue.put('tile/1', 1)).rejects.toMatchObject({ code: 'SLUICE_ITEM_EXISTS' })
    const items = await queue.get(20)
    expect(items.map(({ id }) => id)).toEqual(['first', ...ids])
    expect(items.slice(1).map(({ body }) => body)).toEqual(calls.map(({ body }) => body))
    await queue.settle(items.map(({ id, attempt }) => ({ id, attempt, stage: 'SUCCESS' })))
    expect(await queue.lookup('x'.repeat(300))).toMatchObject({ stage: 'SUCCESS', attempt: 1 })
    expect(await putByPython(calls)).toEqual(ids.map(() => false))
  })

  test('gives resources and a limit key, which a listing shows', async () => {
    const both = { resources: { gpu: 1, memoryGiB: 0.5 }, limit_key: 'ünï' }
    const calls = [
      { item_id: 'a', body: 1, ...both },
      { item_id: 'b', body: 2, ...both },
      { item_id: 'c', body: 3, limit_key: 'x' },
      { item_id: 'd', body: 4 },
    ]
    expect(await putByPython(calls)).toEqual(calls.map(() => true))
    const shown = calls.map(({ item_id: id, resources, limit_key: limitKey }: Call) => [
      id,
      resources,
      limitKey,
    ])
    const { items } = await queue.listSummaries('WAITING', { limit: 9 })
    expect(items.map(({ id, resources, limitKey }) => [id, resources, limitKey])).toEqual(shown)
    expect((await queue.get(9)).map(({ id, resources, limitKey }) => [id, resources, limitKey])).toEqual(
      shown,
    )
  })

  test('puts an id again that was removed, the second time as well', async () => {
    for (const body of [1, 2, 3]) {
      expect(await putByPython([{ item_id: 'a', body }])).toEqual([true])
      expect((await queue.get(1)).map((item) => item.body)).toEqual([body])
      await queue.fail('a')
      await queue.remove(['a'])
    }
    expect(await queue.sizes()).toEqual({ WAITING: 0, PROCESSING: 0, SUCCESS: 0, FAIL: 0 })
  })

  test.skipIf(isEndpointGiven)('puts nothing into a queue of another layout', async () => {
    const key = `${options.prefix}/contract/QUEUE`
    const settings = { ...JSON.parse(server.textOf(key) ?? '{}'), needs: ['draft-9'] }
    server.seed([[key, JSON.stringify(settings)]])
    await expect(putByPython([{ item_id: 'a', body: 1 }])).rejects.toThrow(
      /does not know the layout.*draft-9/,
    )
    expect(await queue.lookup('a')).toBeUndefined()
  })

  test('spreads items over the shards as the queue does', async () => {
    await queue.close()
    options = { ...options, prefix: `${options.prefix}/of-4` }
    queue = await openQueue({ ...options, shards: 4 })
    const ids = Array.from({ length: 12 }, (_, index) => `i${index}`)
    const calls = ids.map((id): Call => ({ item_id: id, body: id }))
    expect(await putByPython(calls)).toEqual(ids.map(() => true))
    expect((await queue.get(20)).map(({ id }) => id)).toEqual(ids)
  })

  test.skipIf(isEndpointGiven)(
    'finds its own object behind an answer that was lost, and sends again',
    async () => {
      const endpoint = await server.addEndpoint()
      const faults: ReturnType<OnRequest>[] = [{ do: 'drop-reply' }, { do: 'drop-request' }]
      endpoint.onRequest = ({ operation }) => (operation === 'PutObject' ? faults.shift() : undefined)
      const calls = [
        { item_id: 'a', body: 1 },
        { item_id: 'a', body: 1 },
      ]
      expect(await putByPython(calls, endpoint.endpoint)).toEqual([true, false])
      expect(faults).toEqual([])
      expect((await queue.get(5)).map(({ id }) => id)).toEqual(['a'])
    },
  )
})
