import { once } from 'node:events'
import { writeFile } from 'node:fs/promises'
import { createServer } from 'node:http'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { Sandbox } from '../sluice.js'

let box: Sandbox

beforeEach(async () => {
  box = await Sandbox.open()
})

afterEach(() => box.close())

const TEMPLATES = `
apiVersion: v1
kind: ServiceAccount
metadata: { name: not-a-template }
---
apiVersion: argoproj.io/v1alpha1
kind: WorkflowTemplate
metadata: { name: tiles, namespace: elsewhere }
spec:
  entrypoint: main
  arguments: { parameters: [{ name: path }] }
  templates: [{ name: main, container: { image: busybox, command: [echo] } }]
`

interface Facts {
  readonly url: string
  readonly token: string
  readonly templates: readonly string[]
}

test('it takes workflows of the templates that it was given, and ends well when it is stopped', async () => {
  await writeFile(join(box.dir, 'templates.yaml'), TEMPLATES)
  const child = box.start([
    'argo-fake',
    '--port',
    '0',
    '--template',
    'templates.yaml',
    '--fail-rate',
    '1',
    '--json',
  ])
  const [chunk]: unknown[] = await once(child.stdout, 'data')
  const { url, token, templates }: Facts = JSON.parse(String(chunk))
  expect(templates).toEqual(['tiles'])
  const call = (path: string, init: RequestInit = {}) =>
    fetch(`${url}/api/v1/${path}`, { ...init, headers: { authorization: `Bearer ${token}` } })
  const submitOptions = { name: 'one', parameters: ['path=a', 'seconds=0'] }
  const request = { resourceKind: 'WorkflowTemplate', resourceName: 'tiles', submitOptions }
  const submitted = await call('workflows/argo/submit', { method: 'POST', body: JSON.stringify(request) })
  expect(submitted.status).toBe(200)
  await expect
    .poll(async () => (await call('workflows/argo/one')).json(), { timeout: 30_000 })
    .toMatchObject({ status: { phase: 'Failed' } })
  child.kill('SIGINT')
  expect(await child).toMatchObject({ exitCode: 0, stderr: '' })
})

test.each([
  ['templates that it can not read', ['--template', 'none.yaml'], /none\.yaml/u],
  ['a file without templates', ['--template', 'other.yaml'], /has no WorkflowTemplate/u],
  ['a file that is no YAML', ['--template', 'broken.yaml'], /is no YAML/u],
  ['a template without a spec', ['--template', 'bare.yaml'], /spec/u],
  ['a share that is none', ['--fail-rate', '2'], /from 0 to 1/u],
])('%s: said in one line', async (_, args, message) => {
  await writeFile(join(box.dir, 'other.yaml'), 'kind: ServiceAccount\n')
  await writeFile(join(box.dir, 'broken.yaml'), 'a: [\n')
  await writeFile(join(box.dir, 'bare.yaml'), 'kind: CronWorkflow\nmetadata: { name: a }\n')
  const { code, err } = await box.run(['argo-fake', ...args])
  expect({ code, err }).toEqual({ code: 2, err: expect.stringMatching(message) })
})

test('a port that is taken is told, with what to do', async () => {
  const other = createServer().listen(0, '127.0.0.1')
  await once(other, 'listening')
  const address = other.address()
  const port = typeof address === 'object' && address !== null ? address.port : 0
  const { code, err } = await box.run(['argo-fake', '--port', String(port)])
  other.close()
  expect({ code, err }).toEqual({ code: 3, err: expect.stringContaining('--port 0') })
})
