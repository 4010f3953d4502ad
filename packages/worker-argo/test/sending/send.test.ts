import { silentLogger, type ErrorCode } from '@sluice/core'
import { systemRuntime } from '@sluice/core/backend'
import { answerWith, answerWithStatus, type ArgoFault, type ArgoTrouble } from '@sluice/fake-argo'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { ArgoBench, jobOf, send } from '../argo-bench.js'

let bench: ArgoBench
beforeEach(async () => {
  bench = await ArgoBench.start({ archive: true })
  pausesMs = []
})
afterEach(() => bench.close())

/** Pauses between sends take no time; they are told. */
let pausesMs: number[]
const runtime = {
  ...systemRuntime,
  sleep: async (ms: number) => void pausesMs.push(ms),
}

/** Lets something go wrong with what makes workflows: with the first so many requests, default all. */
function troubleSending(fault: ArgoFault, times = Number.POSITIVE_INFINITY): void {
  let done = 0
  bench.server.main.onRequest = ({ operation }) => {
    const sends = operation === 'SubmitWorkflow' || operation === 'CreateWorkflow'
    return sends && done++ < times ? fault : undefined
  }
}

/** What comes of a send, by the answer that all requests of it get, if nothing is stored. */
const NOTHING_STORED: readonly (readonly [ArgoTrouble, ErrorCode])[] = [
  ['rate-limited', 'SLUICE_WORKER_UNAVAILABLE'],
  ['grpc-rate-limited', 'SLUICE_WORKER_UNAVAILABLE'],
  ['message-too-large', 'SLUICE_JOB_REJECTED'],
  ['kubernetes-throttled', 'SLUICE_WORKER_UNAVAILABLE'],
  ['quota-conflict', 'SLUICE_WORKER_UNAVAILABLE'],
  ['quota-exceeded', 'SLUICE_WORKER_UNAVAILABLE'],
  ['forbidden', 'SLUICE_WORKER_DENIED'],
  ['token-invalid', 'SLUICE_WORKER_DENIED'],
  ['unauthorized', 'SLUICE_WORKER_DENIED'],
  ['kubernetes-refused', 'SLUICE_WORKER_UNAVAILABLE'],
  ['kubernetes-timeout', 'SLUICE_WORKER_UNAVAILABLE'],
  ['client-rate-limiter', 'SLUICE_WORKER_UNAVAILABLE'],
  ['etcd-too-large', 'SLUICE_JOB_REJECTED'],
  ['entity-too-large', 'SLUICE_JOB_REJECTED'],
  ['etcd-timeout', 'SLUICE_WORKER_UNAVAILABLE'],
  ['internal', 'SLUICE_WORKER_UNAVAILABLE'],
  ['panic', 'SLUICE_WORKER_UNAVAILABLE'],
  ['canceled', 'SLUICE_WORKER_UNAVAILABLE'],
  ['unavailable', 'SLUICE_WORKER_UNAVAILABLE'],
  ['deadline-exceeded', 'SLUICE_WORKER_UNAVAILABLE'],
  ['old-already-exists', 'SLUICE_WORKER_UNAVAILABLE'],
  ['create-timeout', 'SLUICE_WORKER_UNAVAILABLE'],
  ['template-not-found', 'SLUICE_WORKER_UNAVAILABLE'],
  ['not-implemented', 'SLUICE_WORKER_UNAVAILABLE'],
  ['page', 'SLUICE_WORKER_UNAVAILABLE'],
  ['proxy-502', 'SLUICE_WORKER_UNAVAILABLE'],
  ['proxy-503', 'SLUICE_WORKER_UNAVAILABLE'],
  ['proxy-504', 'SLUICE_WORKER_UNAVAILABLE'],
]

describe.each(['submit', 'create'] as const)('via %s', (via) => {
  test.each(NOTHING_STORED)('answered %s, and nothing stored: %s', async (trouble, code) => {
    const worker = await bench.open({ via, runtime })
    troubleSending(answerWith(trouble))
    await expect(send(worker, jobOf('a'))).rejects.toMatchObject({ code, itemId: 'a' })
    expect(bench.server.workflows.size).toBe(0)
    bench.server.main.onRequest = undefined
    await send(worker, jobOf('a'))
    expect(bench.countOf(jobOf('a'))).toBe(1)
  })

  test.each<ArgoTrouble>([
    'etcd-timeout',
    'internal',
    'panic',
    'unavailable',
    'deadline-exceeded',
    'create-timeout',
    'kubernetes-timeout',
    'kubernetes-throttled',
    'old-already-exists',
    'quota-conflict',
    'proxy-502',
    'proxy-504',
  ])('answered %s, though it was stored: it is found, and there is one', async (trouble) => {
    const worker = await bench.open({ via, runtime })
    troubleSending(answerWith(trouble, { applied: true }))
    await send(worker, jobOf('a'))
    expect(bench.countOf(jobOf('a'))).toBe(1)
    expect(bench.server.traffic()[via === 'submit' ? 'SubmitWorkflow' : 'CreateWorkflow'].requests).toBe(1)
  })

  test.each<[string, ArgoFault, number]>([
    ['the answer is lost', { do: 'drop-reply' }, 1],
    ['the answer is cut off', { do: 'cut-reply', afterBytes: 40 }, 1],
    ['the request is lost', { do: 'drop-request' }, 2],
    ['it arrives twice', { do: 'duplicate' }, 1],
    ['it arrives twice, and the second answer comes back', { do: 'duplicate', answer: 'second' }, 1],
  ])('%s: it is there once', async (_, fault, sends) => {
    const worker = await bench.open({ via, runtime })
    troubleSending(fault, 1)
    await send(worker, jobOf('a'))
    expect(bench.countOf(jobOf('a'))).toBe(1)
    expect(bench.server.traffic()[via === 'submit' ? 'SubmitWorkflow' : 'CreateWorkflow'].requests).toBe(
      sends,
    )
    expect((await worker.pollAllStatus()).get('a')).toMatchObject({ stage: 'PROCESSING', uid: 'uid-of-a' })
  })

  test('a quota’s conflict passes: it is sent again, and is there once', async () => {
    const worker = await bench.open({ via, runtime })
    troubleSending(answerWith('quota-conflict'), 2)
    await send(worker, jobOf('a'))
    expect(bench.countOf(jobOf('a'))).toBe(1)
    expect(pausesMs).toEqual([100, 200])
  })

  test('a foreign workflow under its name: the item is rejected, and the workflow left alone', async () => {
    const name = bench.nameOf(jobOf('a'))
    bench.server.workflows.seed([{ name, labels: { 'sluice/job': 'of another' } }])
    const worker = await bench.open({ via, runtime })
    const end = send(worker, jobOf('a'))
    await expect(end).rejects.toMatchObject({ code: 'SLUICE_JOB_REJECTED' })
    await expect(end).rejects.toThrow(new RegExp(`named ${name} exists already`, 'u'))
    expect(await worker.lookupJob(jobOf('a'))).toBeUndefined()
  })

  test('a workflow whose labels a careless hand took away is known all the same', async () => {
    const worker = await bench.open({ via, runtime })
    await send(worker, jobOf('a'))
    bench.server.workflows.relabel(bench.nameOf(jobOf('a')), {
      'sluice/job': undefined,
      'sluice/queue': undefined,
      'sluice/attempt': undefined,
    })
    await send(worker, jobOf('a'))
    expect(await worker.lookupJob(jobOf('a'))).toMatchObject({ stage: 'PROCESSING' })
    expect(bench.server.workflows.size).toBe(1)
  })

  test('it may have been stored, and no question is answered: unavailable; sent again after it ran and was deleted, it does not run twice', async () => {
    const worker = await bench.open({ via, runtime })
    const name = bench.nameOf(jobOf('a'))
    bench.server.main.onRequest = ({ operation }) =>
      operation === 'GetWorkflow' ? answerWith('unavailable') : { do: 'drop-reply' }
    await expect(send(worker, jobOf('a'))).rejects.toMatchObject({ code: 'SLUICE_WORKER_UNAVAILABLE' })
    expect(bench.countOf(jobOf('a'))).toBe(1)
    bench.server.main.onRequest = undefined
    bench.server.workflows.finish(name)
    bench.server.workflows.archive(name)
    bench.server.workflows.expire(name)
    expect(bench.server.workflows.size).toBe(0)
    await send(worker, jobOf('a'))
    expect(bench.server.workflows.size).toBe(0)
    expect((await worker.pollAllStatus()).get('a')).toMatchObject({ stage: 'SUCCESS' })
  })

  test('kube-apiserver away, dressed as a mistake of ours on submit: no item is rejected', async () => {
    const worker = await bench.open({ via, runtime })
    await send(worker, jobOf('before'))
    for (const state of ['refused', 'timeout', 'limiter'] as const) {
      bench.server.kubernetes = state
      await expect(send(worker, jobOf('a'))).rejects.toMatchObject({ code: 'SLUICE_WORKER_UNAVAILABLE' })
    }
    bench.server.kubernetes = 'up'
    await send(worker, jobOf('a'))
    expect(bench.countOf(jobOf('a'))).toBe(1)
  })

  test('the server’s own page where the API should be: the message says that the address is wrong', async () => {
    const worker = await bench.open({ via, baseUrl: `${bench.server.url}/argo/` })
    const end = send(worker, jobOf('a'))
    await expect(end).rejects.toMatchObject({ code: 'SLUICE_WORKER_UNAVAILABLE' })
    await expect(end).rejects.toThrow(/: 200 with a web page\. .*check baseUrl/u)
    await expect(worker.pollAllStatus()).rejects.toThrow(/check baseUrl/u)
  })
})

test.each(['submit', 'create'] as const)(
  'a namespace that is gone is no fault of the item, via %s: it waits',
  async (via) => {
    const worker = await bench.open({ via })
    const gone = answerWithStatus(404, '{"code":5,"message":"namespaces \\"argo\\" not found"}')
    bench.server.main.onRequest = () => gone
    const unavailable = {
      code: 'SLUICE_WORKER_UNAVAILABLE',
      message: expect.stringContaining('`worker.namespace`'),
    }
    await expect(send(worker, jobOf('a'))).rejects.toMatchObject(unavailable)
    // Else a slip in the settings would look like lost jobs.
    await expect(worker.lookupJob(jobOf('a'))).rejects.toMatchObject(unavailable)
    await expect(worker.pollAllStatus()).rejects.toMatchObject(unavailable)
    bench.server.main.onRequest = undefined
    await send(worker, jobOf('a'))
    expect(bench.countOf(jobOf('a'))).toBe(1)
  },
)

test('how long to wait is handed on', async () => {
  const worker = await bench.open()
  troubleSending(answerWith('rate-limited'))
  const error: unknown = await send(worker, jobOf('a')).catch((reason: unknown) => reason)
  expect(error).toMatchObject({ code: 'SLUICE_WORKER_UNAVAILABLE' })
  expect(Reflect.get(Object(error), 'retryAfterMs')).toBeGreaterThan(0)
})

test('an answer that takes too long is no answer: the workflow is found by its name', async () => {
  const worker = await bench.open({ requestTimeoutMs: 200 })
  await send(worker, jobOf('first'))
  const { promise, resolve } = Promise.withResolvers<void>()
  troubleSending({ do: 'hold-reply', until: promise }, 1)
  await send(worker, jobOf('a'))
  expect(bench.countOf(jobOf('a'))).toBe(1)
  resolve()
})

describe('the template is held against the item before anything is sent', () => {
  test.each<[string, Record<string, string | number>, RegExp]>([
    ['unknown', { colour: 'red' }, /no parameter colour; it has item, mode, seconds/u],
    ['outside of its enum', { mode: 'dance' }, /for mode only succeed, fail, error, hang, and not "dance"/u],
  ])('a field that is %s', async (_, body, message) => {
    const worker = await bench.open()
    const end = send(worker, jobOf('a'), body)
    await expect(end).rejects.toMatchObject({ code: 'SLUICE_JOB_REJECTED' })
    await expect(end).rejects.toThrow(message)
    expect(bench.server.traffic().SubmitWorkflow.requests).toBe(0)
  })

  test('a field that is missing', async () => {
    const worker = await bench.open()
    const end = worker.sendJob('a', { mode: 'fail' }, { uid: 'u', attempt: 1, queue: 'tiles' })
    await expect(end).rejects.toThrow(/requires item/u)
  })

  test('unknown fields may be ignored: they are left out', async () => {
    const worker = await bench.open({ unknownFields: 'ignore' })
    await send(worker, jobOf('a'), { colour: 'red' })
    const workflow = bench.server.workflows.get(bench.nameOf(jobOf('a')))
    expect(JSON.stringify(workflow?.spec)).not.toContain('colour')
  })

  test('it is read seldom, and again before an item is refused by it', async () => {
    let nowMs = 0
    const runtime = { ...systemRuntime, monotonicMs: () => nowMs, sleep: async () => undefined }
    const worker = await bench.open({ runtime })
    for (let index = 0; index < 20; index++) await send(worker, jobOf(`i${index}`))
    expect(bench.server.traffic().GetWorkflowTemplate.requests).toBe(1)
    bench.server.templates.put({
      kind: 'WorkflowTemplate',
      metadata: { name: 'test-workflow-template' },
      spec: {
        entrypoint: 'main',
        arguments: { parameters: [{ name: 'item' }, { name: 'colour' }] },
        templates: [{ name: 'main', suspend: {} }],
      },
    })
    nowMs = 30_000
    await send(worker, jobOf('a'), { colour: 'red' })
    expect(bench.countOf(jobOf('a'))).toBe(1)
    expect(bench.server.traffic().GetWorkflowTemplate.requests).toBe(2)
    nowMs = 90_000
    await send(worker, jobOf('b'), { colour: 'red' })
    expect(bench.server.traffic().GetWorkflowTemplate.requests).toBe(3)
  })

  test.each([
    ['that is refused', { token: 'no' }],
    ['that can’t be read', { token: undefined, tokenFile: '/nowhere/token' }],
  ])('with a token %s nothing is said of the template', async (_, credentials) => {
    const warnings: string[] = []
    const logger = { ...silentLogger, warn: (_: object, text: string) => void warnings.push(text) }
    const worker = await bench.open({ logger, ...credentials })
    await expect(send(worker, jobOf('a'))).rejects.toMatchObject({ code: 'SLUICE_WORKER_DENIED' })
    expect(warnings).toEqual([])
  })

  test('without the permission to read it Argo itself refuses', async () => {
    bench.server.access.denied.add('get workflowtemplates')
    const warnings: string[] = []
    const logger = { ...silentLogger, warn: (_: object, text: string) => void warnings.push(text) }
    const worker = await bench.open({ logger })
    await expect(send(worker, jobOf('a'), { mode: 'dance' })).rejects.toMatchObject({
      code: 'SLUICE_JOB_REJECTED',
    })
    await send(worker, jobOf('b'))
    expect(warnings).toEqual(['the template could not be read, so that parameters are checked by Argo alone'])
  })
})

describe('a job that was sent when the template was another one', () => {
  test.each(['this worker', 'Argo'])(
    'is not rejected by %s when it is sent again: its workflow runs',
    async (who) => {
      const first = await bench.open()
      await send(first, jobOf('a'), { mode: 'hang' })
      if (who === 'Argo') bench.server.access.denied.add('get workflowtemplates')
      bench.server.templates.put({
        kind: 'WorkflowTemplate',
        metadata: { name: 'test-workflow-template' },
        spec: {
          entrypoint: 'main',
          arguments: { parameters: [{ name: 'item' }, { name: 'mode', value: 'hang' }, { name: 'colour' }] },
          templates: [{ name: 'main', suspend: {} }],
        },
      })
      const next = await bench.open()
      await send(next, jobOf('a'), { mode: 'hang' })
      expect(await next.lookupJob(jobOf('a'))).toMatchObject({ stage: 'PROCESSING' })
      expect(bench.countOf(jobOf('a'))).toBe(1)
      // Nothing was taken by the template as it is now, and what was taken last would not be: who is wrong is
      // open.
      await expect(send(next, jobOf('b'), { mode: 'hang' })).rejects.toMatchObject({
        code: 'SLUICE_WORKER_UNAVAILABLE',
        message: expect.stringContaining('colour'),
      })
      bench.server.main.onRequest = ({ operation }) =>
        operation === 'GetWorkflow' ? answerWith('unavailable') : undefined
      await expect(send(next, jobOf('b'), { mode: 'hang' })).rejects.toMatchObject({
        code: 'SLUICE_WORKER_UNAVAILABLE',
      })
    },
  )
})

describe('what is made', () => {
  const job = { id: 'Ä, b=c/💥{{x}}', uid: 'u', attempt: 1 }
  const spec = { uid: 'u', attempt: 1, queue: 'tiles', priority: 7 }
  const more = {
    entrypoint: 'main',
    serviceAccount: 'runner',
    priority: 'item',
    podPriorityClass: 'low',
    labels: { team: 'maps' },
    annotations: { note: 'hello' },
  } as const

  test.each(['submit', 'create'] as const)('via %s has all that was asked for', async (via) => {
    const parameters = { item: { from: '@id', as: 'json' as const }, seconds: '$.s' }
    const worker = await bench.open({ via, parameters, ...more })
    await worker.sendJob(job.id, { s: 3 }, spec)
    const made = bench.server.workflows.get(bench.nameOf(job))
    expect(made?.metadata).toMatchObject({
      labels: {
        team: 'maps',
        'sluice/attempt': '1',
        'workflows.argoproj.io/workflow-template': 'test-workflow-template',
      },
      annotations: { note: 'hello', 'sluice/id': encodeURIComponent(job.id), 'sluice/queue-name': 'tiles' },
    })
    expect(made?.spec).toMatchObject({
      entrypoint: 'main',
      serviceAccountName: 'runner',
      priority: 7,
      podPriorityClassName: 'low',
      workflowTemplateRef: { name: 'test-workflow-template' },
    })
    const given = [
      { name: 'item', value: JSON.stringify(job.id).replace('{{', String.raw`\u007b{`) },
      { name: 'seconds', value: '3' },
    ]
    expect(made?.spec['arguments']).toMatchObject({ parameters: given })
    expect((await worker.pollAllStatus()).get(job.id)?.uid).toBe('u')
  })

  test('via create may have any annotation, and more of the spec', async () => {
    const worker = await bench.open({
      via: 'create',
      annotations: { note: '{"a": "b=c, d"}' },
      spec: { ttlStrategy: { secondsAfterCompletion: 60 } },
    })
    await send(worker, jobOf('a'))
    const made = bench.server.workflows.get(bench.nameOf(jobOf('a')))
    expect(made?.metadata.annotations).toMatchObject({ note: '{"a": "b=c, d"}' })
    expect(made?.spec).toMatchObject({ ttlStrategy: { secondsAfterCompletion: 60 } })
  })

  test.each(['submit', 'create'] as const)('via %s may be different for one item', async (via) => {
    const worker = await bench.open({
      via,
      overridesFrom: '$.argo',
      unknownFields: 'ignore',
      priority: 1,
      labels: { team: 'maps' },
    })
    const argo = { priority: 9, labels: { size: 'large' } }
    await worker.sendJob('a', { item: 'a', argo }, { uid: 'uid-of-a', attempt: 1, queue: 'tiles' })
    await worker.sendJob('b', { item: 'b' }, { uid: 'uid-of-b', attempt: 1, queue: 'tiles' })
    const [a, b] = ['a', 'b'].map((id) => bench.server.workflows.get(bench.nameOf(jobOf(id))))
    expect(a?.spec).toMatchObject({ priority: 9 })
    expect(a?.metadata.labels).toMatchObject({ team: 'maps', size: 'large' })
    expect(b?.spec).toMatchObject({ priority: 1 })
    const wrong = { labels: { 'sluice/job': 'x' }, colour: 1 }
    await expect(
      worker.sendJob('c', { item: 'c', argo: wrong }, { uid: 'u', attempt: 1, queue: 'tiles' }),
    ).rejects.toMatchObject({ code: 'SLUICE_JOB_REJECTED' })
  })

  test.each([
    ['ClusterWorkflowTemplate', 'test-cluster-workflow-template', 'submit'],
    ['ClusterWorkflowTemplate', 'test-cluster-workflow-template', 'create'],
    ['CronWorkflow', 'test-cron-workflow', 'submit'],
  ] as const)('of a %s (%s) via %s', async (templateKind, template, via) => {
    const worker = await bench.open({ templateKind, template, via })
    await send(worker, jobOf('a'), { mode: 'hang' })
    expect(await worker.lookupJob(jobOf('a'))).toMatchObject({ stage: 'PROCESSING' })
    await expect(send(worker, jobOf('b'), { mode: 'dance' })).rejects.toMatchObject({
      code: 'SLUICE_JOB_REJECTED',
    })
    expect(bench.server.traffic()[via === 'submit' ? 'SubmitWorkflow' : 'CreateWorkflow'].requests).toBe(1)
  })
})

test('a 400 in unknown words rejects no item', async () => {
  const worker = await bench.open({ runtime })
  troubleSending(answerWithStatus(400, '{"code":3,"message":"the flux capacitor is empty"}'))
  await expect(send(worker, jobOf('a'))).rejects.toMatchObject({ code: 'SLUICE_WORKER_UNAVAILABLE' })
})
