import { afterEach, describe, expect, test } from 'vitest'
import { podRefusals, startArgoServer, testTemplates, type ArgoServerOptions } from '../../src/index.ts'
import { namesIn, startBench, type Bench } from '../bench.ts'
import { at } from '../client.ts'

let bench: Bench
afterEach(() => bench.server.close())

async function start(options: ArgoServerOptions = {}): Promise<Bench> {
  bench = await startBench(options)
  return bench
}

const LONG = ['item=1', 'seconds=60']

describe('lists', () => {
  test('lack new workflows, and have all others, for the set number of lists', async () => {
    const { client, server } = await start({ listsWithoutNew: 2 })
    await client.submit('old', LONG)
    await client.list()
    await client.list()
    await client.submit('new', LONG)
    server.workflows.finish('old')
    const seen = async () => new Set(namesIn((await client.list()).body))
    expect([await seen(), await seen(), await seen()]).toEqual(
      [['old'], ['old'], ['old', 'new']].map((names) => new Set(names)),
    )
    expect((await client.get('new')).status).toBe(200)
  })

  test('are forbidden while kube-apiserver has no roles, and nothing else is', async () => {
    const { client, server } = await start()
    server.access.rolesRead = false
    const { status, body } = await client.list()
    expect([status, body['code']]).toEqual([403, 7])
    expect(body['message']).toMatch(/^selfsubjectaccessreviews\.authorization\.k8s\.io is forbidden: /u)
    expect((await client.submit('one')).status).toBe(200)
    server.access.rolesRead = true
    expect((await client.list()).status).toBe(200)
  })
})

describe('a server for one namespace', () => {
  const elsewhere = testTemplates.map((template) => ({
    ...template,
    metadata: { ...template.metadata, namespace: 'other' },
  }))
  const OPTIONS = {
    namespaces: ['argo', 'other'],
    managedNamespace: 'argo',
    templates: [...testTemplates, ...elsewhere],
  } as const

  test.each([
    ['3.6.19', 200],
    ['3.7.18', 404],
    ['4.1.2', 404],
  ] as const)('%s: a submit in another one is answered %i', async (version, status) => {
    const { client } = await start({ ...OPTIONS, version })
    const came = await client.send('POST', '/api/v1/workflows/other/submit', {
      resourceKind: 'WorkflowTemplate',
      resourceName: 'test-workflow-template',
      submitOptions: { name: 'one', parameters: ['item=1'] },
    })
    expect([came.status, came.status === 404 ? came.body['code'] : 5]).toEqual([status, 5])
  })

  test('names it', async () => {
    const { client } = await start(OPTIONS)
    expect((await client.send('GET', '/api/v1/info')).body).toMatchObject({ managedNamespace: 'argo' })
  })
})

describe('pods that Kubernetes refuses', () => {
  test.each([
    ['a LimitRange', podRefusals.limitRange(), 'maximum cpu usage per Container is 1, but limit is 2'],
    ['Pod Security', podRefusals.podSecurity('baseline'), 'violates PodSecurity "baseline:latest"'],
  ])('by %s end their workflows in Error at once, which say so', async (_, podRefusal, words) => {
    const { client, server } = await start({ controller: { podRefusal } })
    await client.submit('one', LONG)
    server.workflows.reconcile('one')
    const { body } = await client.get('one')
    expect(at(body, 'status', 'phase')).toBe('Error')
    expect(at(body, 'status', 'message')).toMatch(`pods "one" is forbidden: `)
    expect(at(body, 'status', 'message')).toContain(words)
    expect(at(body, 'status', 'nodes', 'one', 'message')).toBe(at(body, 'status', 'message'))
    expect(at(body, 'status', 'nodes', 'one', 'outputs')).toBeUndefined()
    expect(at(body, 'status', 'finishedAt')).toBe(at(body, 'status', 'startedAt'))
    server.controller.settings.podRefusal = undefined
    await client.submit('two', LONG)
    server.workflows.reconcile('two')
    expect(at((await client.get('two')).body, 'status', 'phase')).toBe('Running')
  })
})

describe('admission', () => {
  test('may be by a webhook, and can be changed', async () => {
    const { client, server } = await start()
    server.admission = () => ({ webhook: 'policy.example.com', message: 'no' })
    const { status, body } = await client.submit('one')
    expect([status, body['message']]).toEqual([
      400,
      'admission webhook "policy.example.com" denied the request: no',
    ])
    server.admission = undefined
    expect((await client.submit('one')).status).toBe(200)
  })

  test.each([
    [400, 3],
    [403, 7],
    [429, 8],
    [500, 13],
  ] as const)('may answer with a status of its own, %i, and without a reason', async (status, code) => {
    const { client, server } = await start({ admission: () => ({ webhook: 'w', status }) })
    const came = await client.submit('one')
    const message = 'admission webhook "w" denied the request without explanation'
    expect([came.status, came.body]).toEqual([status, { code, message }])
    server.admission = () => ({ policy: 'p', message: 'no', status })
    expect(
      (await client.create({ metadata: { name: 'two' }, spec: { workflowTemplateRef: { name: 'none' } } }))
        .status,
    ).toBe(404)
    expect((await client.submit('one')).status).toBe(status)
  })
})

describe('a quota', () => {
  test('counts finished workflows too, applies to the server’s dry run, and comes before the check of the name', async () => {
    const { client, server } = await start({ quota: 2 })
    await client.submit('one')
    await client.submit('two', LONG)
    server.workflows.finish('one')
    const came = await client.submit('three')
    const count = 'count/workflows.argoproj.io'
    expect([came.status, came.body['message']]).toEqual([
      403,
      `workflows.argoproj.io "three" is forbidden: exceeded quota: quota, requested: ${count}=1, used: ${count}=2, limited: ${count}=2`,
    ])
    expect((await client.submit('three', LONG, { serverDryRun: true })).status).toBe(403)
    expect((await client.submit('three', LONG, { dryRun: true })).status).toBe(200)
    expect((await client.submit('one')).status).toBe(403)
    server.workflows.expire('one')
    expect((await client.submit('three', LONG, { serverDryRun: true })).status).toBe(200)
    expect((await client.submit('three')).status).toBe(200)
    server.quota = undefined
    expect((await client.submit('four')).status).toBe(200)
  })
})

describe('where single workflows can’t be read', () => {
  test('only the archive answers, with former states; lists and actions are unchanged', async () => {
    const { client, server } = await start({ archive: true })
    await client.submit('one', LONG)
    await client.submit('two', LONG)
    server.workflows.finish('one', { phase: 'Failed' })
    server.workflows.archive('one')
    server.operator.retry('one')
    server.readsFail = true
    const { status, body } = await client.get('one')
    expect([status, at(body, 'status', 'phase')]).toEqual([200, 'Failed'])
    expect((await client.get('two')).status).toBe(500)
    expect(namesIn((await client.list()).body)).toContain('two')
    server.readsFail = false
    expect(at((await client.get('one')).body, 'status', 'phase')).toBe('Running')
  })
})

describe('a template', () => {
  const PATH = '/api/v1/workflow-templates/argo/test-workflow-template'

  test('keeps its uid when it is changed, and gets another version; created again it has another uid', async () => {
    const { client, server } = await start()
    const [template] = testTemplates
    const seen = async () => at((await client.send('GET', PATH)).body, 'metadata')
    const first = await seen()
    if (template !== undefined) server.templates.put(template)
    const second = await seen()
    expect(at(second, 'uid')).toBe(at(first, 'uid'))
    expect(at(second, 'generation')).toBe(2)
    expect(at(second, 'resourceVersion')).not.toBe(at(first, 'resourceVersion'))
    server.templates.delete('WorkflowTemplate', 'test-workflow-template')
    if (template !== undefined) server.templates.put(template)
    expect(at(await seen(), 'uid')).not.toBe(at(first, 'uid'))
  })

  test.each([
    ['Strict', 'Succeeded', undefined],
    ['Secure', 'Error', expect.stringContaining('WorkflowSpec may not change during execution')],
  ] as const)('that changes while a workflow runs: with %s it ends %s', async (mode, phase, message) => {
    const { client, runtime, server } = await start({
      controller: { reconcileDelayMs: 0, templateReferencing: { mode } },
    })
    await client.submit('one', ['item=1', 'seconds=5'])
    await runtime.advance(1)
    const [template] = testTemplates
    if (template !== undefined) {
      server.templates.put({ ...template, spec: { ...template.spec, activeDeadlineSeconds: 60 } })
    }
    await runtime.advance(6_000)
    expect(at((await client.get('one')).body, 'status')).toMatchObject({ phase })
    expect(at((await client.get('one')).body, 'status', 'message')).toEqual(message)
  })
})

test('an allowlist of the controller permits what it names, and no more', async () => {
  const { client, runtime } = await start({
    controller: {
      reconcileDelayMs: 0,
      templateReferencing: { mode: 'Strict', allowlist: ['serviceAccountName'] },
    },
  })
  await client.submit('one', ['item=1', 'seconds=0'], { serviceAccount: 'sa' })
  await client.submit('two', ['item=1', 'seconds=0'], { podPriorityClassName: 'low' })
  await runtime.advance(10)
  const phaseOf = async (name: string) => at((await client.get(name)).body, 'status', 'phase')
  expect([await phaseOf('one'), await phaseOf('two')]).toEqual(['Succeeded', 'Error'])
})

test('the message about nested fields of artifactGC names them', async () => {
  const { client, runtime } = await start({
    controller: { reconcileDelayMs: 0, templateReferencing: { mode: 'Secure', allowlist: ['onExit'] } },
  })
  await client.create({
    metadata: { name: 'one' },
    spec: {
      workflowTemplateRef: { name: 'test-workflow-template' },
      arguments: { parameters: [{ name: 'item', value: '1' }] },
      artifactGC: { strategy: 'OnWorkflowDeletion', podSpecPatch: '{}' },
      hostNetwork: true,
    },
  })
  await runtime.advance(10)
  expect(at((await client.get('one')).body, 'status', 'message')).toBe(
    'fields [ArtifactGC.PodSpecPatch HostNetwork] are not permitted when using workflowTemplateRef with templateReferencing restriction',
  )
})

test('a server reports its version in its header and at its endpoint', async () => {
  bench = await startBench({ version: '3.7.18' })
  const { client } = bench
  const { headers, body } = await client.send('GET', '/api/v1/version')
  expect([headers.get('grpc-metadata-argo-version'), body['version'], body['gitTag']]).toEqual([
    'v3.7.18',
    'v3.7.18',
    'v3.7.18',
  ])
  const newest = await startArgoServer()
  expect((await fetch(`${newest.url}/api/v1/version`, auth(newest.token))).headers.get(VERSION)).toBe(
    'v4.1.2',
  )
  await newest.close()
})

const VERSION = 'grpc-metadata-argo-version'
const auth = (token: string) => ({ headers: { authorization: `Bearer ${token}` } })
