import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import type { Queue } from '@sluice/core'
import { openQueue } from '@sluice/queue-sql'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { Sandbox } from '../../fixtures/sandbox.js'

let box: Sandbox
let queue: Queue
let service: ReturnType<Sandbox['start']>

/** A worker whose jobs are lines of a file: `+` a send began, `=` its job started, `!` it was told to end. */
const WORKER = `
  import { appendFileSync, existsSync, readFileSync } from 'node:fs'
  const FILE = new URL('jobs.txt', import.meta.url)
  const { SEND_MS = '0' } = process.env
  const lines = (kind) => (existsSync(FILE) ? readFileSync(FILE, 'utf8').split('\\n') : []).filter((line) => line[0] === kind).map((line) => line.slice(1))
  const keyOf = ({ id, uid, attempt }) => JSON.stringify({ id, uid, attempt })
  const reportOf = ({ uid, attempt }, isEnded) => ({ uid, attempt, stage: isEnded ? 'FAIL' : 'PROCESSING', ...(isEnded ? { message: 'told to end' } : {}) })
  export const openWorker = async ({ name }) => ({
    name,
    supports: { durable: true, lookupJob: true, cancelJob: true, watch: false },
    async sendJob(id, body, { uid, attempt }) {
      const key = keyOf({ id, uid, attempt })
      appendFileSync(FILE, '+' + key + '\\n')
      await new Promise((resolve) => setTimeout(resolve, Number(SEND_MS)))
      if (!lines('=').includes(key)) appendFileSync(FILE, '=' + key + '\\n')
    },
    async pollAllStatus() {
      const ended = new Set(lines('!'))
      return new Map(lines('=').map((key) => [JSON.parse(key).id, reportOf(JSON.parse(key), ended.has(key))]))
    },
    async lookupJob(job) {
      return lines('=').includes(keyOf(job)) ? reportOf(job, lines('!').includes(keyOf(job))) : undefined
    },
    async cancelJob(job) {
      if (lines('=').includes(keyOf(job))) appendFileSync(FILE, '!' + keyOf(job) + '\\n')
    },
    async close() {},
  })
`

beforeEach(async () => {
  box = await Sandbox.open()
  const url = `sqlite:${join(box.dir, 'queue.db')}`
  await writeFile(join(box.dir, 'worker.mjs'), WORKER)
  await writeFile(
    join(box.dir, 'sluice.config.json'),
    JSON.stringify({
      queue: { package: 'sql', name: 'tiles', url },
      worker: { package: './worker.mjs' },
      processing: { limit: 400 },
      canary: 0,
      service: { intervalMs: 200 },
    }),
  )
  queue = await openQueue({ name: 'tiles', url })
})

afterEach(async () => {
  service.kill('SIGTERM')
  await service
  await queue.close()
  await box.close()
})

async function lines(kind: '+' | '=' | '!'): Promise<string[]> {
  const text = await readFile(join(box.dir, 'jobs.txt'), 'utf8').catch(() => '')
  const all = text.split('\n').filter((line) => line.startsWith(kind))
  return all.map((line) => line.slice(1))
}

async function sending(items: number): Promise<void> {
  await queue.putMany(Array.from({ length: items }, (_, n) => ({ id: `item-${n + 1_000}`, body: n })))
  service = box.start(['run'], { env: { SEND_MS: '800' } })
  while ((await lines('+')).length < 20) await sleep(20)
}

test('pause and cancel --all while 400 are sent: when it returns no job runs, and none starts later', async () => {
  await sending(400)
  expect((await box.run(['pause'])).code).toBe(0)
  expect(await box.run(['cancel', '--all', '--yes'])).toMatchObject({ code: 0 })
  const started = await lines('=')
  // The service may have told some of them, too.
  expect([...new Set(await lines('!'))].toSorted()).toEqual(started.toSorted())
  const begun = (await lines('+')).length
  await sleep(2_500)
  expect([(await lines('=')).length, (await lines('+')).length]).toEqual([started.length, begun])
  const { WAITING, PROCESSING, FAIL } = await queue.sizes()
  expect([PROCESSING, WAITING + FAIL]).toEqual([0, 400])
  // Far fewer than were claimed are in FAIL: those whose sends were under way.
  expect(FAIL).toBeLessThan(200)
}, 60_000)

test('cancel without a pause: it waits for the sends that were under way, and ends their jobs', async () => {
  await sending(40)
  const { code, out } = await box.run(['cancel', '--all', '--yes', '--json'])
  const { cancelled, mayStart, unfinished } = JSON.parse(out)
  expect([code, mayStart, unfinished]).toEqual([0, [], []])
  const ended = new Set(await lines('!'))
  const { items } = await queue.listSummaries('FAIL', { limit: 400 })
  expect(items.length).toBe(cancelled)
  // None of them runs, whenever its send began.
  const running = (await lines('=')).filter((key) => !ended.has(key)).map((key) => JSON.parse(key).id)
  expect(running.filter((id) => items.some((item) => item.id === id))).toEqual([])
}, 60_000)

test('status shows the dispatching service and what holds it up', async () => {
  await sending(30)
  await box.run(['pause', '--reason', 'disk full'])
  // It says so at the end of its first tick.
  while ((await queue.document('engine/dispatcher').read()) === undefined) await sleep(50)
  const working = await box.json(['status', '--sample', '0'])
  expect(working).toMatchObject({
    paused: true,
    service: { state: 'dispatching', atMost: expect.any(Number) },
  })
  expect(working).not.toHaveProperty('etaMs')
  await box.run(['resume'])
  await box.run(['limit', '2'])
  let out = ''
  while (!out.includes('held up')) ({ out } = await box.run(['status', '--sample', '0']))
  expect(out).toMatch(
    /held up: at most 2 jobs (?:may )?run at once, set by `sluice limit`.*`sluice limit N` raises it/,
  )
  service.kill('SIGTERM')
  await service
  expect((await box.run(['status', '--sample', '0'])).out).toMatch(
    /no service is running: the last one was stopped: start one with `sluice run`/,
  )
}, 60_000)
