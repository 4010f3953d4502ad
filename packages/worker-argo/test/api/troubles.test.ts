import { failureGroupOf, type TroubleConcerns } from '@sluice/core'
import { ManualRuntime } from '@sluice/testkit'
import { answerWith, type ArgoFault, type ArgoTrouble } from '@sluice/fake-argo'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { ArgoBench, eventually, fastClock, jobOf, send } from '../argo-bench.js'

let bench: ArgoBench
beforeEach(async () => {
  bench = await ArgoBench.start({ controller: { reconcileDelayMs: 0 } })
})
afterEach(() => bench.close())

/** Every request that makes a workflow meets this. */
function troubleSending(fault: ArgoFault): void {
  bench.server.main.onRequest = ({ operation }) =>
    operation === 'SubmitWorkflow' || operation === 'CreateWorkflow' ? fault : undefined
}

function sends(): number {
  const { SubmitWorkflow, CreateWorkflow } = bench.server.traffic()
  return SubmitWorkflow.requests + CreateWorkflow.requests
}

const cutJson: ArgoFault = {
  do: 'rewrite',
  answer: (answer) => ({ ...answer, body: answer.body.slice(0, 60) }),
}
const anothersJson: ArgoFault = {
  do: 'rewrite',
  answer: (answer) => ({ ...answer, body: '{"metadata":{"name":"another","uid":"u"}}' }),
}

describe.each(['submit', 'create'] as const)('via %s', (via) => {
  test.each<[ArgoTrouble, TroubleConcerns | undefined]>([
    ['policy-denied', 'item'],
    ['webhook-denied', 'item'],
    ['webhook-forbidden', 'item'],
    ['quota-unmet', 'item'],
    ['bad-entrypoint', 'item'],
    ['proxy-413', 'item'],
    ['etcd-too-large', 'item'],
    ['quota-exceeded', 'capacity'],
    ['webhook-limit', 'capacity'],
    ['kubernetes-throttled', 'capacity'],
    ['rate-limited', 'capacity'],
    ['proxy-429', 'capacity'],
    ['quota-conflict', 'capacity'],
    ['forbidden', 'worker'],
    ['unauthorized', 'worker'],
    ['template-not-found', 'worker'],
    ['namespace-terminating', 'worker'],
    ['roles-unread', 'worker'],
    ['kubernetes-refused', 'worker'],
    ['kubernetes-timeout', 'worker'],
    ['webhook-unreachable', 'worker'],
    ['etcd-timeout', 'worker'],
    ['unavailable', 'worker'],
    ['internal', undefined],
    ['panic', undefined],
    ['proxy-403', undefined],
    ['proxy-500', undefined],
    ['gateway-page', undefined],
    ['empty', undefined],
  ])('a send answered %s says whose trouble it is: %s', async (trouble, concerns) => {
    const worker = await bench.open({ via, runtime: fastClock })
    troubleSending(answerWith(trouble))
    const error: unknown = await send(worker, jobOf('a')).catch((reason: unknown) => reason)
    expect(error).toMatchObject({ name: 'SluiceError', itemId: 'a' })
    expect(Reflect.get(Object(error), 'concerns')).toBe(concerns)
    expect(bench.server.workflows.size).toBe(0)
  })

  test.each<[string, ArgoFault]>([
    ...(['page', 'gateway-page', 'empty', 'proxy-403', 'proxy-404', 'proxy-429', 'proxy-500'] as const).map(
      (trouble): [string, ArgoFault] => [trouble, answerWith(trouble, { applied: true })],
    ),
    ['cut JSON', cutJson],
    ['the JSON of another', anothersJson],
  ])(
    'an answer that Argo did not write (%s) leaves open what was stored: it is asked for, and is there once',
    async (_, fault) => {
      const worker = await bench.open({ via, runtime: fastClock })
      troubleSending(fault)
      await send(worker, jobOf('a'), { mode: 'hang' })
      expect(sends()).toBe(1)
      expect(bench.countOf(jobOf('a'))).toBe(1)
      expect((await worker.pollAllStatus()).get('a')).toMatchObject({ stage: 'PROCESSING' })
    },
  )

  test.each<[ArgoTrouble]>([['unavailable'], ['proxy-503'], ['internal'], ['forbidden'], ['quota-exceeded']])(
    'Retry-After of %s is handed on, and nothing is sent again before',
    async (trouble) => {
      const worker = await bench.open({ via, runtime: fastClock })
      troubleSending(answerWith(trouble, { headers: { 'retry-after': '86400' } }))
      await expect(send(worker, jobOf('a'))).rejects.toMatchObject({ retryAfterMs: 86_400_000 })
      expect(sends()).toBe(1)
    },
  )

  test.each(['item', 'capacity'] as const)(
    'a job that runs already is no error when it is sent again and refused for %s',
    async (concerns) => {
      const first = await bench.open({ via })
      await send(first, jobOf('a'), { mode: 'hang' })
      const next = await bench.open({ via })
      if (concerns === 'item') bench.server.admission = () => ({ policy: 'new', message: 'no', status: 403 })
      else bench.server.quota = 1
      await send(next, jobOf('a'), { mode: 'hang' })
      expect(await next.lookupJob(jobOf('a'))).toMatchObject({ stage: 'PROCESSING' })
      await expect(send(next, jobOf('b'))).rejects.toMatchObject({ concerns })
      expect(bench.server.workflows.size).toBe(1)
    },
  )
})

test.each([400, 403, 429, 500] as const)(
  'what a webhook denies with a status of its own choice, %i, is not the worker’s',
  async (status) => {
    const worker = await bench.open({ runtime: fastClock })
    bench.server.admission = ({ metadata }) =>
      metadata.annotations['sluice/id'] === 'a' ? { webhook: 'x.example.com', status } : undefined
    const concerns = status === 429 ? 'capacity' : 'item'
    await expect(send(worker, jobOf('a'))).rejects.toMatchObject({
      code: 'SLUICE_WORKER_UNAVAILABLE',
      concerns,
    })
    await send(worker, jobOf('b'))
  },
)

test('an entrypoint that there is not is the item’s where it names it, and the worker’s where the template lost it', async () => {
  const worker = await bench.open({ overridesFrom: '$.argo', unknownFields: 'ignore', runtime: fastClock })
  const sendWith = (id: string, argo: object) =>
    worker.sendJob(id, { item: id, argo: { ...argo } }, { uid: `uid-of-${id}`, attempt: 1, queue: 'tiles' })
  await sendWith('a', {})
  await expect(sendWith('b', { entrypoint: 'nosuch' })).rejects.toMatchObject({
    code: 'SLUICE_WORKER_UNAVAILABLE',
    concerns: 'item',
    message: expect.stringContaining('nosuch not found'),
  })
  await sendWith('c', {})
  bench.server.templates.put({
    kind: 'WorkflowTemplate',
    metadata: { name: 'test-workflow-template' },
    spec: {
      entrypoint: 'gone',
      arguments: { parameters: [{ name: 'item' }] },
      templates: [{ name: 'main', suspend: {} }],
    },
  })
  await expect(sendWith('d', {})).rejects.toMatchObject({
    code: 'SLUICE_WORKER_UNAVAILABLE',
    concerns: 'worker',
  })
})

test('a template that is away, and a body that fits none, each say whose trouble it is', async () => {
  const worker = await bench.open({ runtime: fastClock })
  await send(worker, jobOf('before'))
  await expect(send(worker, jobOf('a'), { mode: 'dance' })).rejects.toMatchObject({
    code: 'SLUICE_JOB_REJECTED',
    concerns: 'item',
  })
  bench.server.templates.delete('WorkflowTemplate', 'test-workflow-template')
  await expect(send(worker, jobOf('a'))).rejects.toMatchObject({ concerns: 'worker' })
})

test('an unreachable server, no token, and a look-up that fails each say whose trouble it is', async () => {
  const away = await bench.open({ baseUrl: 'http://127.0.0.1:9' })
  await expect(send(away, jobOf('a'))).rejects.toMatchObject({ concerns: 'worker' })
  await expect(away.lookupJob(jobOf('a'))).rejects.toMatchObject({ concerns: 'worker' })
  const noToken = await bench.open({ token: undefined, tokenFile: '/nowhere/token' })
  await expect(send(noToken, jobOf('a'))).rejects.toMatchObject({
    code: 'SLUICE_WORKER_DENIED',
    concerns: 'worker',
  })
  const worker = await bench.open()
  bench.server.main.onRequest = ({ operation }) =>
    operation === 'GetWorkflow' ? answerWith('panic') : undefined
  const error: unknown = await worker.lookupJob(jobOf('a')).catch((reason: unknown) => reason)
  expect(error).toMatchObject({ code: 'SLUICE_WORKER_UNAVAILABLE' })
  expect(Reflect.get(Object(error), 'concerns')).toBeUndefined()
})

test('Retry-After of the template, and of a watch, is kept too', async () => {
  const runtime = new ManualRuntime()
  const worker = await bench.open({ runtime })
  const resting = answerWith('unavailable', { headers: { 'retry-after': '120' } })
  bench.server.main.onRequest = ({ operation }) =>
    operation === 'GetWorkflowTemplate' || operation === 'WatchWorkflows' ? resting : undefined
  const odd = { mode: 'dance' }
  // A text with dollars can't be sent before it is known where the template puts it.
  const dollars = { item: 'a$(X)' }
  for (const body of [dollars, dollars, { ...odd, ...dollars }]) {
    const end = send(worker, jobOf('a'), body)
    await expect(end).rejects.toMatchObject({ concerns: 'worker', retryAfterMs: 120_000 })
  }
  const stop = new AbortController()
  const listening = (async () => {
    for await (const _ of worker.watch({ signal: stop.signal })) break
  })()
  await eventually('the watch is asked for', () => bench.server.traffic().WatchWorkflows.requests > 0)
  await runtime.advance(119_000)
  await bench.server.settled()
  expect(bench.server.traffic().GetWorkflowTemplate.requests).toBe(1)
  expect(bench.server.traffic().WatchWorkflows.requests).toBe(1)
  bench.server.main.onRequest = undefined
  await eventually('the watch is up', async () => {
    await runtime.advance(1_000)
    return bench.server.traffic().WatchWorkflows.requests > 1
  })
  stop.abort()
  await listening
  await runtime.advance(1_000)
  await send(worker, jobOf('a'), dollars)
})

test('refusals by a policy read alike, whatever the ids of their items: the name of the workflow is not in them', async () => {
  const worker = await bench.open({})
  troubleSending(answerWith('policy-denied'))
  const groups = new Set<string>()
  for (const id of ['alpha', 'Beta gamma', 'a/b', 'ü']) {
    const error: unknown = await send(worker, jobOf(id)).catch((reason: unknown) => reason)
    const reason = error instanceof Error ? error.message : ''
    expect(reason).toContain('workflows.argoproj.io "<workflow>" is forbidden')
    groups.add(failureGroupOf({ id, reason }).id)
  }
  expect(groups.size).toBe(1)
})
