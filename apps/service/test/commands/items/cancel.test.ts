import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { openQueue } from '@sluice/queue-sql'
import { openWorker } from '@sluice/worker-process'
import { startArgoServer, type ArgoServer } from '@sluice/fake-argo'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { Sandbox } from '../../fixtures/sandbox.js'

let box: Sandbox

beforeEach(async () => {
  box = await Sandbox.open()
})

afterEach(() => box.close())

function url(): string {
  return `sqlite:${join(box.dir, 'queue.db')}`
}

async function configure(worker: object): Promise<void> {
  const config = { queue: { package: 'sql', name: 'tiles', url: url() }, worker }
  await writeFile(join(box.dir, 'sluice.config.json'), JSON.stringify(config))
}

const RUN = ['run', '--log-format', 'json', '--interval-ms', '50']

describe('with Argo Workflows', () => {
  let server: ArgoServer
  let service: ReturnType<Sandbox['start']>

  beforeEach(async () => {
    server = await startArgoServer({ controller: { reconcileDelayMs: 5 } })
    const place = { baseUrl: server.url, namespace: 'argo', template: 'test-workflow-template' }
    await configure({ package: 'argo', ...place, token: server.token })
    for (const id of ['a', 'b', 'c']) await box.run(['put', id, '{"item":"x","seconds":"60"}'])
    service = box.start(RUN)
    while (server.workflows.size < 3) await sleep(10)
  })

  afterEach(async () => {
    service.kill('SIGTERM')
    await service
    await server.close()
  })

  async function untilUnfinished(count: number): Promise<void> {
    while (server.workflows.unfinished !== count) await sleep(10)
  }

  test('fails the item with the reason, ends its workflow and no other', async () => {
    expect(await box.json(['cancel', 'a', '--reason', 'not wanted'])).toEqual({
      cancelled: 1,
      again: 0,
      told: [],
      waiting: [],
      finished: [],
      unknown: [],
      running: [],
      unreached: [],
      jobs: [
        expect.objectContaining({ id: 'a', attempt: 1, told: true, end: 'FAIL', failureClass: 'killed' }),
      ],
      unfinished: [],
      mayStart: [],
    })
    expect(await box.json(['show', 'a'])).toMatchObject({
      stage: 'FAIL',
      attempt: 1,
      reason: 'not wanted',
      details: { cancelled: true },
      job: { stage: 'FAIL', failureClass: 'killed' },
    })
    await untilUnfinished(2)
    expect(await box.json(['show', 'b'])).toMatchObject({ stage: 'PROCESSING' })
    // The service sees a workflow end that it no longer waits for: the reason stays.
    await sleep(300)
    expect(await box.json(['show', 'a'])).toMatchObject({ stage: 'FAIL', reason: 'not wanted' })
    expect(server.workflows.size).toBe(3)
  })

  test('--all ends all, and needs a confirmation', async () => {
    expect(await box.run(['cancel', '--all'])).toMatchObject({
      code: 6,
      err: expect.stringMatching(/3 items/),
    })
    expect(server.workflows.unfinished).toBe(3)
    const { out } = await box.run(['cancel', '--all', '--yes'])
    expect(out.split('\n')[0]).toBe('Cancelled 3 items')
    expect(out.match(/^[abc]\s+ended /gm)).toHaveLength(3)
    await untilUnfinished(0)
    expect(await box.json(['status'])).toMatchObject({ sizes: { PROCESSING: 0, FAIL: 3 } })
  })

  test('an unreachable worker: the item has failed, the service ends its job, and the same command again reports it', async () => {
    const away = ['--set', 'worker.baseUrl=http://127.0.0.1:9']
    const { code, err } = await box.run(['cancel', 'a', ...away])
    expect([code, err]).toEqual([
      4,
      expect.stringMatching(/The jobs of 1 item may still run.*cancel the same ids again.*: a$/s),
    ])
    expect(await box.json(['show', 'a'])).toMatchObject({ stage: 'FAIL' })
    await untilUnfinished(2)
    expect(await box.run(['cancel', 'a'])).toMatchObject({
      code: 0,
      out: expect.stringMatching(/^Cancelled 0 items; 1 item already cancelled\nid .*\na +had ended +at /),
    })
  })

  test('--all with an unreachable worker: every id is listed, and ended by name', async () => {
    const away = ['--set', 'worker.baseUrl=http://127.0.0.1:9', '--json']
    const { code, out } = await box.run(['cancel', '--all', '--yes', ...away])
    const { unreached, ...rest } = JSON.parse(out)
    expect([code, rest]).toEqual([
      4,
      expect.objectContaining({ cancelled: 3, again: 0, jobs: [], unfinished: [], mayStart: [] }),
    ])
    expect(unreached.toSorted()).toEqual(['a', 'b', 'c'])
    expect(await box.json(['cancel', ...unreached])).toMatchObject({ cancelled: 0, again: 3 })
    await untilUnfinished(0)
  })

  test('waiting, succeeded and unknown ids are unchanged', async () => {
    await box.run(['put', 'later', '1', '--delay', '1h'])
    const { code, err } = await box.run(['cancel', 'later', 'gone'])
    expect([code, err]).toEqual([
      3,
      'Unchanged (in WAITING, without a running job; `sluice rm` removes it): later\n' +
        'Unknown, no item and no job: gone',
    ])
    expect(await box.json(['show', 'later'])).toMatchObject({ stage: 'WAITING' })
  })

  test('ids or --all, one of them', async () => {
    expect((await box.run(['cancel'])).code).toBe(2)
    expect((await box.run(['cancel', 'a', '--all', '--yes'])).code).toBe(2)
  })
})

test('with local processes, from another process than the service', async () => {
  const worker = { command: ['sleep', '60'], dir: join(box.dir, 'jobs') }
  await configure({ package: 'process', ...worker })
  const queue = await openQueue({ name: 'tiles', url: url() })
  const jobs = await openWorker({ ...worker, name: 'tiles' })
  await box.run(['put', 'a', '1'])
  const service = box.start(RUN)
  while ((await jobs.pollAllStatus()).size === 0) await sleep(20)
  const item = await queue.lookup('a')
  const job = { id: 'a', uid: item?.uid ?? '', attempt: 1 }
  const cancel = await box.run(['cancel', 'a'])
  expect(cancel).toMatchObject({ code: 0, out: expect.stringMatching(/^Cancelled 1 item\n.*\na +ended /) })
  // It was waited for: the end is there.
  expect((await jobs.lookupJob(job))?.stage).toBe('FAIL')
  expect(await queue.lookup('a')).toMatchObject({ stage: 'FAIL', reason: 'cancelled manually' })
  service.kill('SIGTERM')
  await service
  await jobs.close()
  await queue.close()
}, 20_000)

test('a worker that can’t cancel jobs is reported, and nothing moves', async () => {
  await writeFile(
    join(box.dir, 'worker.mjs'),
    `export const openWorker = async ({ name }) => ({
      name, supports: { durable: false, lookupJob: false, cancelJob: false, watch: false },
      sendJob: async () => {}, pollAllStatus: async () => new Map(), close: async () => {},
    })`,
  )
  await configure({ package: './worker.mjs' })
  await box.run(['put', 'a', '1'])
  const { code, err } = await box.run(['cancel', 'a'])
  expect([code, err]).toEqual([2, expect.stringMatching(/can’t cancel jobs/)])
})

test('a worker that refuses in the middle: the error has the number of items in FAIL', async () => {
  await writeFile(
    join(box.dir, 'worker.mjs'),
    `import { SluiceError } from ${JSON.stringify(import.meta.resolve('@sluice/core'))}
    export const openWorker = async ({ name }) => ({
      name, supports: { durable: false, lookupJob: false, cancelJob: true, watch: false },
      sendJob: async () => {}, pollAllStatus: async () => new Map(), close: async () => {},
      cancelJob: async () => { throw new SluiceError('SLUICE_WORKER_DENIED', 'the token is refused') },
    })`,
  )
  await configure({ package: './worker.mjs' })
  const queue = await openQueue({ name: 'tiles', url: url() })
  await queue.putMany([
    { id: 'a', body: 1 },
    { id: 'b', body: 2 },
  ])
  await queue.get(2)
  const { code, err } = await box.run(['cancel', '--all', '--yes'])
  expect(code).toBe(5)
  expect(err).toMatch(
    /^error: the token is refused\n2 items moved to FAIL before that; jobs may still run\..*: a, b$/,
  )
  expect(await queue.sizes()).toMatchObject({ FAIL: 2 })
  await queue.close()
})
