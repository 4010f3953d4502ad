import { afterEach, expect, test } from 'vitest'
import type { ArgoServerOptions } from '../../src/index.ts'
import { startBench, type Bench } from '../bench.ts'

let bench: Bench
afterEach(() => bench.server.close())

async function start(options: ArgoServerOptions = {}): Promise<void> {
  bench = await startBench({ ...options, controller: { reconcileDelayMs: 0, ...options.controller } })
  await bench.client.submit('one', ['item=1', 'mode=hang'])
  await bench.runtime.advance(0)
}

async function logOf(query: string, name = 'one'): Promise<{ status: number; text: string }> {
  const { url, token } = bench.server
  const answer = await fetch(`${url}/api/v1/workflows/argo/${name}/log?${query}`, {
    headers: { authorization: `Bearer ${token}` },
  })
  return { status: answer.status, text: await answer.text() }
}

const line = (content: string, podName = 'one') =>
  `{"result":{"content":"${content}","podName":"${podName}"}}\n`

test('lines that are written manually are there, by pods; an empty line has no content, and no line break of its own', async () => {
  await start({ controller: { output: () => '' } })
  const { workflows } = bench.server
  workflows.writeLog('one', 'a\n\nb <c>\r\n')
  workflows.writeLog('one', 'of another\n', { pod: 'one-step-1' })
  expect(await logOf('logOptions.container=main')).toEqual({
    status: 200,
    text: `${line('a')}{"result":{"podName":"one"}}\n${line('b \\u003cc\\u003e')}${line('of another', 'one-step-1')}`,
  })
  expect((await logOf('logOptions.container=main&podName=one-step-1')).text).toBe(
    line('of another', 'one-step-1'),
  )
  expect((await logOf('logOptions.container=main&grep=%5Eb')).text).toBe(line('b \\u003cc\\u003e'))
})

test('a line of more than a MiB comes in pieces', async () => {
  await start({ controller: { output: () => '' } })
  bench.server.workflows.writeLog('one', `${'x'.repeat(1_500_000)}\n`)
  const pieces = (await logOf('logOptions.container=main')).text.trim().split('\n')
  expect(pieces).toHaveLength(2)
})

test('pods that cannot be watched or listed are a 403; logs that cannot be read are empty', async () => {
  await start()
  const { denied } = bench.server.access
  for (const permission of ['watch pods', 'list pods']) {
    denied.clear()
    denied.add(permission)
    const { status, text } = await logOf('logOptions.container=main')
    const [verb = ''] = permission.split(' ')
    expect([status, text]).toEqual([403, expect.stringContaining(`cannot ${verb} resource \\"pods\\"`)])
  }
  denied.clear()
  denied.add('watch workflows')
  expect((await logOf('logOptions.container=main')).status).toBe(200)
  expect((await logOf('logOptions.container=main&logOptions.follow=true')).status).toBe(403)
  denied.clear()
  denied.add('get pods/log')
  expect(await logOf('logOptions.container=main')).toEqual({ status: 200, text: '' })
})

test('deleted pods have no log; an open follower gets what was written before', async () => {
  await start()
  const following = logOf('logOptions.container=main&logOptions.follow=true')
  await expect.poll(() => bench.server.main.logStreams.length).toBe(1)
  bench.server.workflows.writeLog('one', 'last words\n')
  bench.server.workflows.deletePods('one')
  expect(await logOf('logOptions.container=main')).toEqual({ status: 200, text: '' })
  bench.server.workflows.finish('one')
  expect((await following).text).toContain('last words')
})

test('an archived workflow that is no longer live has no log', async () => {
  await start({ archive: true })
  const { workflows } = bench.server
  workflows.finish('one')
  await bench.runtime.advance(10)
  workflows.expire('one')
  expect(workflows.archived('one')).toBeDefined()
  expect((await logOf('logOptions.container=main')).status).toBe(404)
  expect((await logOf('logOptions.container=main&logOptions.tailLines=x')).status).toBe(404)
})

test('tailLines that is no number is a 400', async () => {
  await start()
  expect((await logOf('logOptions.tailLines=x')).status).toBe(400)
})

test('a pod that can’t begin has written nothing', async () => {
  const heldUp = { message: 'ImagePullBackOff: no such image', forMs: 1_000 }
  await start({ controller: { outcome: () => ({ afterMs: 5_000, heldUp }) } })
  expect((await logOf('logOptions.container=main')).text).toBe('')
  await bench.runtime.advance(1_000)
  expect((await logOf('logOptions.container=main')).text).toBe(line('working on 1 for 1 s'))
})
