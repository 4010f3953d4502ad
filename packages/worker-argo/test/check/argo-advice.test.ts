import { afterEach, describe, expect, test } from 'vitest'
import { logWarning, restrictionHint, versionWarnings } from '../../src/check/argo-advice.js'
import type { ArgoWorkerOptions } from '../../src/index.js'
import { ArgoBench, eventually, jobOf, send } from '../argo-bench.js'

function set(...containers: readonly object[]) {
  return { name: 'set', containerSet: { containers } }
}

function warning(spec: object, option?: object): string | undefined {
  return logWarning(
    { spec: { ...spec }, others: new Map() },
    option === undefined ? undefined : { ...option },
  )
}

describe('what is said of containers that keep the end of their log to themselves', () => {
  const policy = { terminationMessagePolicy: 'FallbackToLogsOnError' }
  const container = { image: 'busybox' }

  test.each([
    ['a container', { templates: [{ name: 'main', container }] }, 'main'],
    ['a script', { templates: [{ name: 'main', script: container }] }, 'main'],
    [
      'another policy',
      { templates: [{ name: 'main', container: { terminationMessagePolicy: 'File' } }] },
      'main',
    ],
    [
      'one of several',
      {
        templates: [
          { name: 'a', container },
          { name: 'b', container: policy },
        ],
      },
      'a',
    ],
    ['one of a set', { templates: [set(policy, container)] }, 'set'],
    [
      'many',
      { templates: 'a b c d e f g'.split(' ').map((name) => ({ name, container })) },
      'a, b, c, d, e and 2 more',
    ],
  ])('%s', (_, spec, names) => {
    expect(warning(spec)).toContain(`FallbackToLogsOnError: ${names}. Argo then reports`)
  })

  test('of a template that another refers to', () => {
    const others = new Map([['other', { templates: [{ name: 'deep', container }] }]])
    expect(logWarning({ spec: {}, others }, undefined)).toContain(': deep.')
  })

  const bare = { templates: [{ name: 'main', container }] }
  const podSpecPatch = JSON.stringify({ containers: [{ name: 'main', ...policy }] })
  test.each([
    ['it is set', { templates: [{ name: 'main', container: policy }, set(policy)] }, undefined],
    [
      'nothing of it is a container',
      {
        templates: [
          { name: 'main', suspend: {} },
          { name: 'dag', dag: {} },
        ],
      },
      undefined,
    ],
    ['it is a default of the templates', { ...bare, templateDefaults: { container: policy } }, undefined],
    ['the pod is patched', { ...bare, podSpecPatch }, undefined],
    [
      'the pod of one template is patched',
      { templates: [{ name: 'main', container, podSpecPatch }] },
      undefined,
    ],
    ['the option spec patches it', bare, { podSpecPatch }],
    ['the option spec has the default', bare, { templateDefaults: { container: policy } }],
  ])('nothing where %s', (_, spec, option) => {
    expect(warning(spec, option)).toBeUndefined()
  })
})

describe('what is said of a version', () => {
  test.each([
    ['v3.4.17', 2],
    ['v3.5.6', 2],
    ['v3.5.7', 1],
    ['v3.6.19', 1],
    ['v3.7.14', 1],
    ['v3.7.15', 0],
    ['v3.7.18', 0],
    ['v4.0.0', 1],
    ['4.0.5', 1],
    ['v4.0.6', 0],
    ['v4.1.0', 0],
    ['v5.0.0', 0],
    ['latest+abcdef', 0],
    ['', 0],
  ])('%s: %i warnings', (version, count) => {
    expect(versionWarnings(version)).toHaveLength(count)
  })

  test('names only what is open', () => {
    expect(versionWarnings('v3.7.14')).toEqual([
      'Argo v3.7.14 has published vulnerabilities (CVE-2026-54526): use 3.7.15, 4.0.6 or later',
    ])
    expect(versionWarnings('v4.0.4')[0]).toContain('(CVE-2026-40886, GHSA-3775-99mw-8rp4, CVE-2026-54526)')
  })
})

describe('a job that templateReferencing ends', () => {
  let bench: ArgoBench
  afterEach(() => bench.close())

  async function failureOf(
    mode: 'Strict' | 'Secure',
    options: Partial<ArgoWorkerOptions>,
    allowlist: string[] = [],
  ) {
    bench = await ArgoBench.start({
      controller: { reconcileDelayMs: 0, templateReferencing: { mode, allowlist } },
    })
    const worker = await bench.open(options)
    await send(worker, jobOf('a'), { seconds: 0 })
    await eventually('it ends', async () => (await worker.lookupJob(jobOf('a')))?.stage !== 'PROCESSING')
    return worker.lookupJob(jobOf('a'))
  }

  test.each(['Strict', 'Secure'] as const)('%s: says so in Argo’s words, and what to do', async (mode) => {
    expect(await failureOf(mode, { serviceAccount: 'runner' })).toMatchObject({
      stage: 'FAIL',
      failureClass: 'error',
      message: expect.stringContaining('fields [ServiceAccountName] are not permitted'),
      details: { hint: expect.stringContaining('WORKFLOW_USER_OVERRIDE_ALLOWLIST') },
    })
  })

  test('of a CronWorkflow is told to refer to a template', async () => {
    const options = { templateKind: 'CronWorkflow', template: 'test-cron-workflow' } as const
    expect(await failureOf('Strict', options)).toMatchObject({
      stage: 'FAIL',
      details: { hint: expect.stringContaining('templateKind: WorkflowTemplate') },
    })
  })

  test.each<[string, Partial<ArgoWorkerOptions>]>([
    [
      'priority, entrypoint, labels and annotations',
      {
        priority: 3,
        entrypoint: 'main',
        labels: { a: 'b' },
        annotations: { c: 'd' },
      },
    ],
    [
      'spec of what is allowed',
      {
        via: 'create',
        spec: {
          ttlStrategy: { secondsAfterCompletion: 600 },
          activeDeadlineSeconds: 60,
          podGC: { strategy: 'OnPodSuccess' },
          archiveLogs: true,
        },
      },
    ],
  ])('runs with %s', async (_, options) => {
    expect(await failureOf('Secure', options)).toMatchObject({ stage: 'SUCCESS' })
  })

  test('runs with what the controller’s allowlist names', async () => {
    const job = await failureOf('Strict', { serviceAccount: 'runner' }, ['serviceAccountName'])
    expect(job).toMatchObject({ stage: 'SUCCESS' })
  })

  test('other messages have no hint', async () => {
    bench = await ArgoBench.start()
    expect(restrictionHint('Error (exit code 1)')).toBeUndefined()
    expect(restrictionHint(undefined)).toBeUndefined()
    expect(
      restrictionHint(
        'WorkflowSpec may not change during execution when the controller is set `templateReferencing: Secure`',
      ),
    ).toContain('Secure')
  })
})
