import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { answerWith, answerWithStatus, argoTroubles, type ArgoServer } from '../../src/index.ts'
import type { ManualRuntime } from '@sluice/testkit'
import { next, startBench } from '../bench.ts'
import type { Client } from '../client.ts'

let server: ArgoServer
let client: Client
let runtime: ManualRuntime
beforeEach(async () => {
  ;({ server, client, runtime } = await startBench())
})
afterEach(() => server.close())

/** What came of a request: its status, or that the connection broke. */
function endOf(answer: Promise<{ status: number }>): Promise<number | 'broken'> {
  return answer.then(
    ({ status }) => status,
    () => 'broken' as const,
  )
}

const there = (name = 'one') => server.workflows.get(name) !== undefined

describe('a request', () => {
  test('that is dropped never takes effect', async () => {
    next(server, { do: 'drop-request' })
    expect(await endOf(client.submit('one'))).toBe('broken')
    expect(there()).toBe(false)
    expect(await endOf(client.submit('one'))).toBe(200)
  })

  test('whose answer is dropped has taken effect', async () => {
    next(server, { do: 'drop-reply' })
    expect(await endOf(client.submit('one'))).toBe('broken')
    expect(there()).toBe(true)
    expect(await endOf(client.submit('one'))).toBe(409)
  })

  test('whose answer is cut has taken effect, and the beginning of the answer came', async () => {
    next(server, { do: 'cut-reply', afterBytes: 12 })
    const answer = await fetch(`${server.url}/api/v1/workflows/argo/submit`, {
      method: 'POST',
      headers: { authorization: `Bearer ${server.token}` },
      body: JSON.stringify({
        resourceKind: 'WorkflowTemplate',
        resourceName: 'test-workflow-template',
        submitOptions: { name: 'one', parameters: ['item=1'] },
      }),
    })
    let text = ''
    const reading = async () => {
      for await (const bytes of answer.body ?? []) text += Buffer.from(bytes).toString()
    }
    await expect(reading()).rejects.toThrow(/terminated|aborted/)
    expect(text).toBe('{"metadata":')
    expect(there()).toBe(true)
  })

  test('whose answer trickles has taken effect, and its answer never ends', async () => {
    next(server, { do: 'trickle-reply', bytes: 20, everyMs: 1 })
    const answer = await fetch(`${server.url}/api/v1/version`, {
      headers: { authorization: `Bearer ${server.token}` },
      signal: AbortSignal.timeout(10_000),
    })
    const reader = answer.body?.getReader()
    let text = ''
    while (text.length < 20) text += new TextDecoder().decode((await reader?.read())?.value)
    expect(text).toBe('{"version":"v4.1.2",')
    await reader?.cancel()
  })

  test('that is delayed takes effect, and is answered, after its time by the clock', async () => {
    next(server, { do: 'delay', ms: 5_000 })
    const end = endOf(client.submit('one'))
    await until(() => server.main.requests.length === 1)
    await runtime.advance(4_999)
    expect(there()).toBe(false)
    await runtime.advance(1)
    expect(await end).toBe(200)
    expect(there()).toBe(true)
  })

  test('that is held takes effect when it is released, its sender long gone', async () => {
    const { promise: held, resolve: letGo } = Promise.withResolvers<void>()
    next(server, { do: 'hold', until: held, reply: 'dropped' })
    expect(await endOf(client.submit('one'))).toBe('broken')
    expect(there()).toBe(false)
    letGo()
    await server.settled()
    expect(there()).toBe(true)
  })

  test('whose answer is held has taken effect before', async () => {
    const { promise: held, resolve: letGo } = Promise.withResolvers<void>()
    next(server, { do: 'hold-reply', until: held })
    const end = endOf(client.submit('one'))
    await until(() => there())
    letGo()
    expect(await end).toBe(200)
  })

  test.each([
    ['first', 200],
    ['second', 409],
  ] as const)('that arrives twice is answered as the %s was', async (answer, status) => {
    next(server, { do: 'duplicate', answer })
    expect(await endOf(client.submit('one'))).toBe(status)
    await server.settled()
    expect(server.workflows.size).toBe(1)
  })

  test('that is rewritten takes effect as it was made, and its answer too', async () => {
    next(server, {
      do: 'rewrite',
      request: (request) => ({ ...request, body: request.body.replace('"one"', '"two"') }),
      answer: (answer) => ({ ...answer, status: 202 }),
    })
    expect(await endOf(client.submit('one'))).toBe(202)
    expect([there('one'), there('two')]).toEqual([false, true])
  })
})

describe('an answer in place of the true one', () => {
  test.each(argoTroubles)('%s: nothing was done, unless it lies', async (trouble) => {
    next(server, answerWith(trouble))
    const told = await client.submit('one')
    expect(there()).toBe(false)
    next(server, answerWith(trouble, { applied: true }))
    expect((await client.submit('one')).text).toBe(told.text)
    expect(there()).toBe(true)
    // Only what wasn't written by Argo is called a success.
    expect(told.status === 200).toBe(['page', 'empty', 'gateway-page'].includes(trouble))
  })

  test('may have more headers', async () => {
    next(server, answerWith('unavailable', { headers: { 'retry-after': '7' } }))
    const { status, headers } = await client.submit('one')
    expect([status, headers.get('retry-after')]).toEqual([503, '7'])
  })

  test('may be any', async () => {
    next(server, answerWithStatus(418, 'short and stout', { 'content-type': 'text/plain' }))
    const { status, text, headers } = await client.list()
    expect([status, text, headers.get('content-type')]).toEqual([418, 'short and stout', 'text/plain'])
  })

  test('of the limiter has a date to wait for, by the clock of the server', async () => {
    next(server, answerWith('rate-limited'))
    const { headers } = await client.list()
    expect(Date.parse(headers.get('retry-after') ?? '')).toBe(runtime.now() + 1_000)
  })

  test('of a broken way to Kubernetes depends on the operation', async () => {
    server.main.onRequest = () => answerWith('kubernetes-refused')
    expect([(await client.submit('one')).status, (await client.list()).status]).toEqual([400, 500])
  })

  test('of a page is HTML with status 200, for every request', async () => {
    next(server, answerWith('page'))
    const { status, headers } = await client.submit('one')
    expect([status, headers.get('content-type')]).toEqual([200, 'text/html; charset=utf-8'])
  })
})

describe('the connection to Kubernetes', () => {
  test.each([
    ['refused', 'connection refused'],
    ['timeout', 'TLS handshake timeout'],
    ['limiter', 'client rate limiter'],
  ] as const)(
    'that is %s: a submit is answered 400, everything else 500, and nothing is done',
    async (state, words) => {
      await client.submit('before')
      server.kubernetes = state
      const submit = await client.submit('one')
      expect([submit.status, submit.body['code']]).toEqual([400, 3])
      expect(submit.body['message']).toContain(words)
      const create = await client.create({
        metadata: { name: 'one' },
        spec: { entrypoint: 'a', templates: [{ name: 'a', suspend: {} }] },
      })
      const others = [
        create,
        await client.get('before'),
        await client.list(),
        await client.act('before', 'stop'),
      ]
      expect(others.map(({ status }) => status)).toEqual([500, 500, 500, 500])
      server.kubernetes = 'up'
      expect(there()).toBe(false)
      expect((await client.get('before')).status).toBe(200)
    },
  )
})

describe('the process behind an address', () => {
  test('dies with a request, before it took effect or after, and nothing more is passed on', async () => {
    for (const applied of [false, true]) {
      const name = `applied-${applied}`
      const dying = await server.addEndpoint({ onRequest: () => ({ do: 'crash', applied }) })
      const headers = { authorization: `Bearer ${server.token}` }
      const body = JSON.stringify({
        resourceKind: 'WorkflowTemplate',
        resourceName: 'test-workflow-template',
        submitOptions: { name, parameters: ['item=1'] },
      })
      const url = `${dying.url}/api/v1/workflows/argo/submit`
      expect(await endOf(fetch(url, { method: 'POST', headers, body }))).toBe('broken')
      expect(dying.crashed()).toBe(true)
      expect(there(name)).toBe(applied)
      expect(await endOf(fetch(url, { method: 'POST', headers, body }))).toBe('broken')
    }
    expect((await client.list()).status).toBe(200)
  })

  test('may stop listening, and listens again at the same address', async () => {
    await server.main.stop()
    expect(await endOf(client.list())).toBe('broken')
    await server.main.start()
    expect(await endOf(client.list())).toBe(200)
  })
})

test('`settled` rejects with what a hook threw, and its request is dropped', async () => {
  server.main.onRequest = () => {
    throw new Error('a mistake in the test')
  }
  expect(await endOf(client.submit('one'))).toBe('broken')
  await expect(server.settled()).rejects.toThrow('a mistake in the test')
  expect(there()).toBe(false)
})

/** Waits for what the server does by itself, in turns of the event loop. */
async function until(holds: () => boolean): Promise<void> {
  await expect.poll(holds, { interval: 1, timeout: 20_000 }).toBe(true)
}
