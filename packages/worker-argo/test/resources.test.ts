import { readFile, readdir } from 'node:fs/promises'
import { join } from 'node:path'
import { isSluiceError, silentLogger } from '@sluice/core'
import type { ArgoTemplate } from '@sluice/fake-argo'
import { afterEach, describe, expect, test } from 'vitest'
import { parseAllDocuments } from 'yaml'
import { z } from 'zod'
import type { ArgoWorkerOptions } from '../src/index.js'
import { ArgoBench, eventually, fastClock, jobOf, send } from './argo-bench.js'

const FOLDER = join(import.meta.dirname, '..', '..', '..', 'resources')
const kindSchema = z.looseObject({ kind: z.string() })

async function documents(file: string): Promise<readonly unknown[]> {
  const text = await readFile(join(FOLDER, file), 'utf8')
  return parseAllDocuments(text).map((document) => {
    expect([...document.errors, ...document.warnings]).toEqual([])
    return document.toJS() as unknown
  })
}

let bench: ArgoBench
afterEach(() => bench.close())

test('the templates can be worked with as they are', async () => {
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- the fake says what it can't read
  const templates = (await documents('test_workflow_template.yaml')) as ArgoTemplate[]
  bench = await ArgoBench.start({ runtime: fastClock, templates, controller: { reconcileDelayMs: 0 } })
  const worker = await bench.open({ parameters: { item: '@id', mode: '$.mode', seconds: 0 } })
  await worker.check()
  const ends = { succeed: 'SUCCESS', fail: 'FAIL', error: 'FAIL' } as const
  for (const [mode, stage] of Object.entries(ends)) {
    await send(worker, jobOf(mode), { mode })
    await eventually(`${mode} has ended`, async () => (await worker.lookupJob(jobOf(mode)))?.stage === stage)
  }
  const podless = await bench.open({
    template: 'test-workflow-template-podless',
    parameters: { item: '@id', seconds: '$.seconds' },
  })
  await podless.check()
  await send(podless, jobOf('waits'), { seconds: 0 })
  await eventually('it has ended', async () => (await podless.lookupJob(jobOf('waits')))?.stage === 'SUCCESS')
  expect(bench.server.workflows.size).toBe(4)
})

/**
 * What of Kubernetes there is in rbac.yaml and optional/token_secret.yaml: nothing else, and nothing more.
 */
const named = z.strictObject({ name: z.string() })
const rbacSchema = z.discriminatedUnion('kind', [
  z.strictObject({ apiVersion: z.literal('v1'), kind: z.literal('ServiceAccount'), metadata: named }),
  z.strictObject({
    apiVersion: z.literal('v1'),
    kind: z.literal('Secret'),
    metadata: named.extend({
      annotations: z.strictObject({ 'kubernetes.io/service-account.name': z.string() }),
    }),
    type: z.literal('kubernetes.io/service-account-token'),
  }),
  z.strictObject({
    apiVersion: z.literal('rbac.authorization.k8s.io/v1'),
    kind: z.literal('Role'),
    metadata: named,
    rules: z.array(
      z.strictObject({
        apiGroups: z.array(z.string()),
        resources: z.array(z.string()),
        verbs: z.array(z.enum(['create', 'get', 'list', 'watch', 'patch', 'update', 'delete'])),
      }),
    ),
  }),
  z.strictObject({
    apiVersion: z.literal('rbac.authorization.k8s.io/v1'),
    kind: z.literal('RoleBinding'),
    metadata: named,
    roleRef: z.strictObject({
      apiGroup: z.literal('rbac.authorization.k8s.io'),
      kind: z.literal('Role'),
      name: z.string(),
    }),
    subjects: z.array(z.strictObject({ kind: z.literal('ServiceAccount'), name: z.string() })),
  }),
])

const rbac = (await documents('rbac.yaml')).map((document) => rbacSchema.parse(document))
const token = (await documents('optional/token_secret.yaml')).map((document) => rbacSchema.parse(document))

function namesOf(kind: string): readonly string[] {
  return rbac.filter((one) => one.kind === kind).map(({ metadata }) => metadata.name)
}

/** What a role permits, such as `create workflows`. */
function permissionsOf(role: string): readonly string[] {
  return rbac.flatMap((one) =>
    one.kind === 'Role' && one.metadata.name === role
      ? one.rules.flatMap(({ resources, verbs }) =>
          resources.flatMap((resource) => verbs.map((verb) => `${verb} ${resource}`)),
        )
      : [],
  )
}

const VERBS = ['create', 'get', 'list', 'watch', 'patch', 'update', 'delete']
const RESOURCES = [
  'workflows',
  'workflowtemplates',
  'clusterworkflowtemplates',
  'cronworkflows',
  'pods',
  'pods/log',
]
const ALL = RESOURCES.flatMap((resource) => VERBS.map((verb) => `${verb} ${resource}`))

const OF_SERVICE = permissionsOf('sluice')
const MORE = permissionsOf('sluice-more')

/** A server, before v3.7 when more is asked of callers, that permits these things and nothing else. */
async function permitting(permissions: readonly string[]): Promise<void> {
  const denied = ALL.filter((one) => !permissions.includes(one))
  bench = await ArgoBench.start({
    version: '3.6.19',
    runtime: fastClock,
    denied,
    controller: { reconcileDelayMs: 0 },
  })
}

describe('the roles', () => {
  test('are bound to accounts that are there, and so is the token', async () => {
    bench = await ArgoBench.start()
    expect(namesOf('Role')).toEqual(['sluice', 'sluice-more', 'sluice-workflow'])
    const bindings = rbac.flatMap((one) => (one.kind === 'RoleBinding' ? [one] : []))
    const secrets = token.flatMap((one) => (one.kind === 'Secret' ? [one] : []))
    expect(bindings.map(({ roleRef }) => roleRef.name)).toEqual(namesOf('Role'))
    const bound = [
      ...bindings.flatMap(({ subjects }) => subjects.map(({ name }) => name)),
      ...secrets.map(({ metadata }) => metadata.annotations['kubernetes.io/service-account.name']),
    ]
    expect([...new Set(bound)]).toEqual(namesOf('ServiceAccount'))
    const [template] = await documents('test_workflow_template.yaml')
    expect(template).toMatchObject({ spec: { serviceAccountName: 'sluice-workflow' } })
    expect(permissionsOf('sluice-workflow')).toEqual([
      'create workflowtaskresults',
      'patch workflowtaskresults',
    ])
  })

  test('come without a token that never expires: kubectl apply -f resources/ reads the files of that folder alone', async () => {
    bench = await ArgoBench.start()
    const entries = await readdir(FOLDER, { withFileTypes: true })
    const applied = entries.flatMap((entry) => (entry.isFile() ? [entry.name] : []))
    const kinds = (await Promise.all(applied.map(documents))).flat().map((one) => kindSchema.parse(one).kind)
    expect(kinds).toContain('ServiceAccount')
    expect(kinds).not.toContain('Secret')
    expect(token.map(({ kind }) => kind)).toEqual(['Secret'])
  })

  test('of the service is enough to work', async () => {
    await permitting(OF_SERVICE)
    const worker = await bench.open()
    await worker.check()
    await send(worker, jobOf('a'), { seconds: 0 })
    await eventually('it has ended', async () => (await worker.pollAllStatus()).get('a')?.stage === 'SUCCESS')
    expect(await worker.lookupJob(jobOf('a'))).toMatchObject({ stage: 'SUCCESS' })
  })

  test.each(OF_SERVICE)('of the service has nothing that check doesn’t ask for: %s', async (permission) => {
    await permitting(OF_SERVICE.filter((one) => one !== permission))
    const worker = await bench.open()
    const check = worker.check()
    await expect(check).rejects.toMatchObject({ code: 'SLUICE_WORKER_DENIED' })
    await expect(check).rejects.toThrow(`${permission} (403`)
  })

  test('of what else there is has what each of its uses needs, and nothing more', async () => {
    expect(MORE.toSorted()).toEqual([
      'delete pods',
      'delete workflows',
      'get pods/log',
      'list pods',
      'patch workflows',
      'update workflows',
      'watch pods',
    ])
    expect(await possible([])).toEqual([])
    expect(await possible(MORE)).toEqual(['cancel', 'delete', 'retry', 'log'])
    expect(await possible(MORE.filter((one) => one !== 'patch workflows'))).toEqual([
      'delete',
      'retry',
      'log',
    ])
    expect(await possible(MORE.filter((one) => one !== 'delete workflows'))).toEqual([
      'cancel',
      'retry',
      'log',
    ])
    for (const missing of ['update workflows', 'delete pods'])
      expect(await possible(MORE.filter((one) => one !== missing))).toEqual(['cancel', 'delete', 'log'])
    for (const missing of ['watch pods', 'list pods', 'get pods/log'])
      expect(await possible(MORE.filter((one) => one !== missing))).toEqual(['cancel', 'delete', 'retry'])
  })
})

/** What can be done with these permissions beside those of the service. */
async function possible(more: readonly string[]): Promise<readonly string[]> {
  const uses = { cancel, delete: deleteOne, retry: retryOne, log: readLog }
  const done: string[] = []
  for (const [name, use] of Object.entries(uses)) {
    await permitting([...OF_SERVICE, ...more])
    if (await use()) done.push(name)
    await bench.close()
  }
  return done
}

async function cancel(): Promise<boolean> {
  const worker = await running()
  return isPermitted(worker.cancelJob(jobOf('a'), 'x'))
}

async function deleteOne(): Promise<boolean> {
  const refusals: object[] = []
  const logger = { ...silentLogger, warn: (fields: object) => void refusals.push(fields) }
  const worker = await running({ deleteFinished: 'all', deleteGraceMs: 0, logger })
  const name = bench.nameOf(jobOf('a'))
  bench.server.workflows.finish(name)
  await worker.lookupJob(jobOf('a'))
  refusals.length = 0
  await worker.acknowledgeJobs([jobOf('a')])
  const isGone = (): boolean => bench.server.workflows.get(name) === undefined
  await eventually('it is deleted or refused', () => isGone() || refusals.length > 0)
  return isGone()
}

async function retryOne(): Promise<boolean> {
  const worker = await running({ retryInPlace: { on: ['failed'] } })
  bench.server.workflows.finish(bench.nameOf(jobOf('a')), { phase: 'Failed' })
  return (await worker.lookupJob(jobOf('a')))?.stage === 'PROCESSING'
}

async function readLog(): Promise<boolean> {
  const worker = await running()
  bench.server.workflows.finish(bench.nameOf(jobOf('a')), { phase: 'Failed' })
  try {
    let bytes = 0
    for await (const chunk of worker.readLog(jobOf('a'))) bytes += chunk.length
    return bytes > 0
  } catch (error) {
    if (isSluiceError(error, 'SLUICE_WORKER_DENIED') || isSluiceError(error, 'SLUICE_ITEM_NOT_FOUND'))
      return false
    throw error
  }
}

async function running(options: Partial<ArgoWorkerOptions> = {}) {
  const worker = await bench.open(options)
  await send(worker, jobOf('a'), { mode: 'hang' })
  return worker
}

async function isPermitted(work: Promise<unknown>): Promise<boolean> {
  try {
    await work
    return true
  } catch (error) {
    if (isSluiceError(error, 'SLUICE_WORKER_DENIED')) return false
    throw error
  }
}
