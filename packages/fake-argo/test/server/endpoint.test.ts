import { readFile } from 'node:fs/promises'
import { request } from 'node:https'
import { join } from 'node:path'
import { afterEach, describe, expect, test } from 'vitest'
import type { ArgoServer, ArgoServerOptions } from '../../src/index.ts'
import type { ManualRuntime } from '@sluice/testkit'
import { startBench } from '../bench.ts'
import { at, type Client } from '../client.ts'

let server: ArgoServer
let client: Client
let runtime: ManualRuntime
afterEach(() => server.close())

async function start(options: ArgoServerOptions = {}) {
  ;({ server, client, runtime } = await startBench(options))
}

const LASTING = ['item=1', 'mode=hang']

/** Opens a watch; the returned function reads it until a number of bytes came, or until its end. */
async function watched(bytes: number): Promise<() => Promise<string>> {
  const answer = await fetch(`${server.url}/api/v1/workflow-events/argo?listOptions.resourceVersion=0`, {
    headers: { authorization: `Bearer ${server.token}`, accept: 'text/event-stream' },
  })
  const reader = answer.body?.getReader()
  let text = ''
  return async () => {
    while (text.length < bytes) {
      const chunk = await reader?.read().catch(() => undefined)
      if (chunk === undefined || chunk.done) break
      text += Buffer.from(chunk.value).toString()
    }
    return text
  }
}

describe('access', () => {
  test('by the new token alone, once it was rotated', async () => {
    await start()
    const before = server.token
    server.rotateToken('another')
    const path = '/api/v1/workflows/argo'
    expect((await client.send('GET', path, undefined, { authorization: `Bearer ${before}` })).status).toBe(
      401,
    )
    expect((await client.send('GET', path, undefined, { authorization: 'Bearer another' })).status).toBe(200)
  })

  test.each([
    ['create workflows', (one: Client) => one.submit('two')],
    ['list workflows', (one: Client) => one.list()],
    ['get workflows', (one: Client) => one.get('one')],
    ['patch workflows', (one: Client) => one.act('one', 'terminate')],
    ['update workflows', (one: Client) => one.act('one', 'suspend')],
    ['delete workflows', (one: Client) => one.remove('one')],
  ] as const)('may not %s when that is denied', async (permission, attempt) => {
    await start()
    await client.submit('one', LASTING)
    server.access.denied.add(permission)
    const { status, body } = await attempt(client)
    expect([status, body['code']]).toEqual([403, 7])
    server.access.denied.clear()
    expect((await attempt(client)).status).toBe(200)
  })

  test('a retry needs to delete pods, and before v3.7 a submit to read the template', async () => {
    await start({ version: '3.6.19', denied: ['get workflowtemplates', 'delete pods'] })
    expect((await client.submit('one')).status).toBe(403)
    server.access.denied.delete('get workflowtemplates')
    await client.submit('one', LASTING)
    server.workflows.finish('one', { phase: 'Failed' })
    expect((await client.act('one', 'retry')).status).toBe(403)
  })

  test('no more often than the rate limit allows', async () => {
    await start({ apiRateLimit: 2 })
    const ends = [await client.list(), await client.list(), await client.list()]
    expect(ends.map(({ status }) => status)).toEqual([200, 200, 429])
    expect(ends[2]?.text).toBe('Too Many Requests\n')
    expect(Date.parse(ends[2]?.headers.get('retry-after') ?? '')).toBe(runtime.now() + 1_000)
    await runtime.advance(1_000)
    expect((await client.list()).status).toBe(200)
  })
})

describe('a watch', () => {
  test('that is stalled sends nothing more, not even keepalives; the connection stays', async () => {
    await start()
    await client.submit('one', LASTING)
    const read = await watched(20)
    await read()
    const [stream] = server.main.watches
    const before = stream?.bytes
    stream?.stall()
    server.workflows.finish('one')
    await runtime.advance(120_000)
    expect([stream?.bytes, stream?.ended]).toEqual([before, false])
    stream?.end('reset')
  })

  test.each([
    ['eof', /"message":"EOF"/],
    ['too-old', /too old resource version/],
    ['too-large', /larger than max/],
    ['hydrate', /"grpc_code":13/],
    ['cut-frame', /\{"na$/],
  ] as const)('that ends by %s says so in its last bytes', async (end, words) => {
    await start()
    await client.submit('one', LASTING)
    const read = await watched(Number.POSITIVE_INFINITY)
    server.main.watches[0]?.end(end)
    expect((await read()).slice(-200)).toMatch(words)
    expect(server.main.watches).toEqual([])
  })

  test('from a version that was compacted away is too old', async () => {
    await start()
    await client.submit('one', LASTING)
    const version = at((await client.list()).body, 'metadata', 'resourceVersion')
    server.workflows.finish('one')
    server.compact()
    const path = `/api/v1/workflow-events/argo?listOptions.resourceVersion=${String(version)}`
    const { status, text } = await client.send('GET', path)
    expect(status).toBe(400)
    expect(text).toContain('too old resource version')
  })
})

describe('an address', () => {
  test('speaks TLS with the certificate given', async () => {
    const folder = join(import.meta.dirname, 'certificate')
    const [key, cert] = await Promise.all(
      ['key.pem', 'cert.pem'].map((file) => readFile(join(folder, file), 'utf8')),
    )
    await start({ tls: { key: key ?? '', cert: cert ?? '' } })
    const { port } = new URL(server.url)
    const { promise, resolve, reject } = Promise.withResolvers<number | undefined>()
    const headers = { authorization: `Bearer ${server.token}` }
    const options = { host: 'localhost', port, path: '/api/v1/version', ca: cert, headers }
    request(options, (answer) => {
      answer.resume()
      resolve(answer.statusCode)
    })
      .once('error', reject)
      .end()
    expect(server.url).toMatch(/^https:/)
    expect(await promise).toBe(200)
  })

  test('may be under a path of an ingress, which answers 404 for all other paths', async () => {
    await start({ basePath: '/argo' })
    expect(server.url).toMatch(/\/argo$/)
    expect((await client.list()).status).toBe(200)
    const elsewhere = server.url.replace(/\/argo$/, '')
    const answer = await fetch(`${elsewhere}/api/v1/workflows/argo`)
    expect([answer.status, answer.headers.get('content-type')]).toEqual([404, 'text/html'])
  })

  test('waits before each request, by the clock', async () => {
    await start({ latencyMs: 500 })
    const answer = client.list()
    let came = false
    void answer.then(() => (came = true))
    await expect.poll(() => server.main.requests.length, { interval: 1 }).toBe(1)
    await runtime.advance(499)
    expect(came).toBe(false)
    await runtime.advance(1)
    expect((await answer).status).toBe(200)
  })

  test('counts and logs requests, each with the number of unfinished workflows', async () => {
    await start()
    await client.submit('one', LASTING)
    await client.list({ 'listOptions.limit': '5' })
    expect(server.traffic()).toMatchObject({
      SubmitWorkflow: { requests: 1 },
      ListWorkflows: { requests: 1 },
    })
    expect(server.main.requests).toMatchObject([
      { operation: 'SubmitWorkflow', name: 'one', unfinished: 0, status: 200 },
      { operation: 'ListWorkflows', query: { 'listOptions.limit': '5' }, unfinished: 1, status: 200 },
    ])
    server.resetCounts()
    expect([server.total().requests, server.main.requests]).toEqual([0, []])
  })
})
