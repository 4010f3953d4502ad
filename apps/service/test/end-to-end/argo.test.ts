import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { startArgoServer, type ArgoServer } from '@sluice/fake-argo'
import { startS3Server } from '@sluice/fake-s3'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { Sandbox } from '../fixtures/sandbox.js'

let box: Sandbox
let server: ArgoServer

beforeEach(async () => {
  box = await Sandbox.open()
  server = await startArgoServer({ controller: { reconcileDelayMs: 5 } })
})

afterEach(async () => {
  await server.close()
  await box.close()
})

const COUNT = 1_000
const LIMIT = 40
const MANIFEST = Array.from({ length: COUNT }, (_, n) =>
  JSON.stringify({ id: `tile/${n} ü`, body: { item: `t${n}`, seconds: '0.02' } }),
).join('\n')

/** The ten lines that a person writes. */
function configText(queue: string): string {
  return `queue: ${queue}
worker:
  package: argo
  baseUrl: ${server.url}
  namespace: argo
  template: test-workflow-template
  token: { env: ARGO_TOKEN }
processing: { limit: ${LIMIT} }
service: { leaseTtlMs: 1000 }
`
}

async function configure(queue: string): Promise<void> {
  await writeFile(join(box.dir, 'sluice.config.yaml'), configText(queue))
}

function sqlite(): string {
  return JSON.stringify({ package: 'sql', name: 'tiles', url: `sqlite:${join(box.dir, 'queue.db')}` })
}

const RUN = ['run', '--until-empty', '--log-format', 'json']

function tokens() {
  return { env: { ARGO_TOKEN: server.token } }
}

async function expectAllOnce(): Promise<void> {
  expect(await box.json(['status'], tokens())).toMatchObject({
    sizes: { WAITING: 0, PROCESSING: 0, SUCCESS: COUNT, FAIL: 0 },
  })
  const { size, unfinished, maxUnfinished } = server.workflows
  expect([size, unfinished]).toEqual([COUNT, 0])
  expect(maxUnfinished).toBeLessThanOrEqual(LIMIT)
  expect(await box.json(['show', 'tile/7 ü'], tokens())).toMatchObject({
    stage: 'SUCCESS',
    attempt: 1,
    history: [{ attempt: 1, details: { phase: 'Succeeded' } }],
  })
}

/** How a run ends that can't work: its exit code, and what it says on one screen. */
async function refusal(env = tokens().env): Promise<readonly [number | undefined, string]> {
  const ended = await box.spawn(['run', '--until-empty', '--log-level', 'silent'], { env })
  expect(ended.out).toBe('')
  expect(ended.err.split('\n').length).toBeLessThan(12)
  expect(ended.err).not.toMatch(/\n {4}at /)
  expect(ended.err).not.toContain(server.token)
  return [ended.code, ended.err.replaceAll('\n', ' ')]
}

/** Reads the log as it comes, until it says something. */
async function untilLogged({ stderr }: ReturnType<Sandbox['start']>, text: string): Promise<void> {
  let log = ''
  await new Promise<void>((resolve) => {
    stderr.on('data', (chunk: Buffer) => {
      log += chunk.toString()
      if (log.includes(text)) resolve()
    })
  })
}

describe('a thousand items become a thousand workflows, each once, never more than the limit at a time', () => {
  test('from a bucket', async () => {
    const store = await startS3Server()
    const { endpoint, region, credentials } = store.clientOptions()
    const place = { bucket: store.bucket, endpoint, region, credentials }
    await configure(JSON.stringify({ package: 's3', name: 'tiles', ...place }))
    await box.run(['load', '-'], { ...tokens(), input: MANIFEST })
    const ran = await box.spawn(RUN, tokens())
    expect([ran.code, ran.err.includes('"level":"error"')]).toEqual([0, false])
    await expectAllOnce()
    await store.close()
  }, 120_000)

  test('from SQLite, the service killed three times', async () => {
    await configure(sqlite())
    await box.run(['load', '-'], { ...tokens(), input: MANIFEST })
    for (let kills = 1; kills <= 3; kills += 1) {
      const service = box.start(RUN, tokens())
      while (server.workflows.size < kills * 200) await sleep(10)
      service.kill('SIGKILL')
      await service
    }
    expect((await box.spawn(RUN, tokens())).code).toBe(0)
    await expectAllOnce()
  }, 120_000)
})

describe('errors fit on one screen', () => {
  beforeEach(async () => {
    await configure(sqlite())
    await box.run(['put', 'a', '{"item":"a","seconds":"60"}'], tokens())
  })

  test('a token that is refused', async () => {
    const ended = await refusal({ ARGO_TOKEN: 'not-the-token' })
    expect(ended).toEqual([5, expect.stringMatching(/token/)])
  })

  test('a missing template', async () => {
    server.templates.delete('WorkflowTemplate', 'test-workflow-template')
    expect(await refusal()).toEqual([2, expect.stringMatching(/test-workflow-template/)])
  })

  test('a permission that is missing is named', async () => {
    server.access.denied.add('create workflows')
    expect(await refusal()).toEqual([5, expect.stringMatching(/create.*workflows/)])
  })

  test('an unknown option', async () => {
    const text = configText(sqlite())
    await writeFile(join(box.dir, 'sluice.config.yaml'), text.replace('template:', 'tempalte:'))
    expect(await refusal()).toEqual([2, expect.stringMatching(/worker.*tempalte/)])
  })
})

describe('a service that keeps running', () => {
  beforeEach(() => configure(sqlite()))

  test('logs the notices of the worker', async () => {
    await box.run(['put', 'a', '{"item":"a","seconds":"60"}'], tokens())
    const service = box.start(RUN, tokens())
    while (server.workflows.size < 1) await sleep(10)
    server.operator.resubmit(server.workflows.all()[0]?.metadata.name ?? '')
    await untilLogged(service, 'made by resubmit')
    service.kill('SIGTERM')
    expect((await service).exitCode).toBe(130)
  })

  test('waits for an Argo Server that has not started yet, then begins', async () => {
    await box.run(['put', 'a', '{"item":"a","seconds":"0.01"}'], tokens())
    const port = Number(new URL(server.url).port)
    await server.close()
    const service = box.start(RUN, tokens())
    await untilLogged(service, `127.0.0.1:${port}`)
    server = await startArgoServer({ port })
    expect((await service).exitCode).toBe(0)
    expect(server.workflows.size).toBe(1)
  })
})
