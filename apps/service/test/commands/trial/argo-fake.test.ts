import { once } from 'node:events'
import { mkdir, symlink, writeFile } from 'node:fs/promises'
import { createServer } from 'node:http'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { execa } from 'execa'
import { CLI, Sandbox } from '../../fixtures/sandbox.js'

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

test('it accepts workflows of the given templates, and exits with 0 when stopped', async () => {
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
  ['a file that is no YAML', ['--template', 'broken.yaml'], /is not YAML/u],
  ['a template without a spec', ['--template', 'bare.yaml'], /spec/u],
  ['a share that is none', ['--fail-rate', '2'], /from 0 to 1/u],
])('%s: reported in one line', async (_, args, message) => {
  await writeFile(join(box.dir, 'other.yaml'), 'kind: ServiceAccount\n')
  await writeFile(join(box.dir, 'broken.yaml'), 'a: [\n')
  await writeFile(join(box.dir, 'bare.yaml'), 'kind: CronWorkflow\nmetadata: { name: a }\n')
  const { code, err } = await box.run(['argo-fake', ...args])
  expect({ code, err }).toEqual({ code: 2, err: expect.stringMatching(message) })
})

test('a port in use is reported, with what to do', async () => {
  const other = createServer().listen(0, '127.0.0.1')
  await once(other, 'listening')
  const address = other.address()
  const port = typeof address === 'object' && address !== null ? address.port : 0
  const { code, err } = await box.run(['argo-fake', '--port', String(port)])
  other.close()
  expect({ code, err }).toEqual({ code: 2, err: expect.stringContaining('--port 0') })
})

/** Runs lines as a shell that finds this `node`. */
async function shell(lines: string, env: Readonly<Record<string, string>> = {}) {
  const bin = join(box.dir, 'bin')
  await mkdir(bin, { recursive: true })
  await symlink(process.execPath, join(bin, 'node')).catch(() => undefined)
  const { PATH = '', HOME = '' } = process.env
  return execa('sh', ['-ec', lines], {
    cwd: box.dir,
    env: { PATH: `${bin}:${PATH}`, HOME, ...env },
    extendEnv: false,
    reject: false,
    input: '',
  })
}

/** The first lines of a fake, and its process. */
async function started(args: readonly string[] = []) {
  const child = box.start(['argo-fake', '--port', '0', ...args])
  let text = ''
  for await (const chunk of child.stdout) {
    text += String(chunk)
    if (text.includes(' logs hello\n')) break
  }
  return { child, text }
}

function between(text: string, begin: string, end: string): string {
  return text.slice(text.indexOf(begin) + begin.length, text.indexOf(end))
}

const CONFIG = 'in sluice.config.yaml:\n\n'
const COMMANDS = 'in the folder of that file:\n\n'

test.each([
  ['the test template', []],
  ['a template of one’s own', ['--template', 'templates.yaml']],
  ['a cron workflow', ['--template', 'cron.yaml', '--token', '123', '--namespace', 'on']],
] as const)(
  'what it prints works unchanged, to a visible end: %s',
  async (_, args) => {
    await writeFile(join(box.dir, 'templates.yaml'), TEMPLATES)
    await writeFile(join(box.dir, 'cron.yaml'), CRON)
    const { child, text } = await started(args)
    await writeFile(join(box.dir, 'sluice.config.yaml'), between(text, CONFIG, '\nAnd in another terminal'))
    const commands = text.slice(text.indexOf(COMMANDS) + COMMANDS.length)
    const { exitCode, stdout, stderr } = await shell(commands)
    expect([exitCode, stderr.includes('"level":"error"')]).toEqual([0, false])
    expect(stdout).toMatch(/^stage +SUCCESS$/mu)
    expect(stdout).toMatch(/^working on /mu)
    child.kill('SIGINT')
    await child
  },
  60_000,
)

const CRON = `
kind: CronWorkflow
metadata: { name: nightly }
spec:
  schedules: ['0 3 * * *']
  workflowSpec:
    entrypoint: main
    arguments: { parameters: [{ name: item, value: "it's" }, { name: size, enum: [small] }] }
    templates: [{ name: main, container: { image: busybox, command: [echo] } }]
`

test('the example of --help is valid for the test template', async () => {
  const { child, text } = await started()
  await writeFile(join(box.dir, 'sluice.config.yaml'), between(text, CONFIG, '\nAnd in another terminal'))
  const { out } = await box.run(['argo-fake', '--help'])
  const [, line = ''] = /^ +\$ (sluice put .*)$/mu.exec(out) ?? []
  const sluice = `node '${CLI}'`
  const put = line.replace('sluice', sluice)
  const ended = await shell(`${put}\n${sluice} run --until-empty\n${sluice} show hello`)
  expect([ended.exitCode, ended.stdout]).toEqual([0, expect.stringMatching(/^stage +SUCCESS$/mu)])
  child.kill('SIGINT')
  await child
}, 60_000)

test('what init prints for Argo works, with an address and a token', async () => {
  const { child, text } = await started()
  const [, url = ''] = /listens on (\S+)\. /u.exec(text) ?? []
  const { out } = await box.run(['init', '--worker', 'argo'])
  const steps = [...out.matchAll(/^ +\d\. (?:Check|Put|Run|Show)[^:]*: +(node .*)$/gmu)].map(
    ([, line]) => line,
  )
  expect(steps).toHaveLength(4)
  const env = { ARGO_TOKEN: 'sluice-test-token', SLUICE_WORKER_BASE_URL: url }
  const { exitCode, stdout } = await shell(steps.join('\n'), env)
  expect([exitCode, stdout]).toEqual([0, expect.stringMatching(/^stage +SUCCESS$/mu)])
  child.kill('SIGINT')
  await child
}, 60_000)
