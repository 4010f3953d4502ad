import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { ArgoTemplate } from '@sluice/testkit/argo'
import { afterEach, expect, test } from 'vitest'
import { parseAllDocuments } from 'yaml'
import { ArgoBench, eventually, fastClock, jobOf, send } from './argo-bench.js'

async function documents(file: string): Promise<readonly unknown[]> {
  const text = await readFile(join(import.meta.dirname, '..', 'resources', file), 'utf8')
  return parseAllDocuments(text).map((document) => {
    expect(document.errors).toEqual([])
    return document.toJS() as unknown
  })
}

let bench: ArgoBench
afterEach(() => bench.close())

test('the templates can be worked with as they are', async () => {
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- the fake says what it can't read
  const templates = (await documents('test_workflow_template.yaml')) as ArgoTemplate[]
  bench = await ArgoBench.start({ clock: fastClock, templates, controller: { reconcileDelayMs: 0 } })
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

test('the role of the service permits what check asks for, and nothing more', async () => {
  bench = await ArgoBench.start()
  const roles = (await documents('rbac.yaml')).filter(
    (document) => Reflect.get(Object(document), 'kind') === 'Role',
  )
  expect(roles[0]).toMatchObject({
    metadata: { name: 'sluice' },
    rules: [
      { resources: ['workflows'], verbs: ['create', 'get', 'list', 'watch'] },
      { resources: ['workflowtemplates'], verbs: ['get'] },
    ],
  })
})
