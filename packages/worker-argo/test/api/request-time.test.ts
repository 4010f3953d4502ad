import { once } from 'node:events'
import { createServer, type Server, type Socket } from 'node:net'
import { IDLE_TIMEOUT_MS } from '@sluice/core'
import type { ArgoFault } from '@sluice/fake-argo'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import type { ArgoWorker } from '../../src/index.js'
import { ArgoBench, jobOf, send } from '../argo-bench.js'

let bench: ArgoBench
beforeEach(async () => {
  bench = await ArgoBench.start({ controller: { reconcileDelayMs: 0 } })
})
afterEach(() => bench.close())

/** What a call ends with, and after how long. */
async function endOf(call: Promise<unknown>): Promise<{ readonly code: unknown; readonly ms: number }> {
  const beganMs = performance.now()
  const error: unknown = await call.then(
    () => undefined,
    (reason: unknown) => reason,
  )
  return { code: Reflect.get(Object(error), 'code'), ms: performance.now() - beganMs }
}

const never = new Promise<never>(() => undefined)

/** None of these ever ends by itself. */
const HANGING: readonly (readonly [string, ArgoFault])[] = [
  ['never answers', { do: 'hold', until: never }],
  ['did it, and never answers', { do: 'hold-reply', until: never }],
  ['answers byte by byte', { do: 'trickle-reply', bytes: 1_000_000, everyMs: 20 }],
  ['stops in the middle of an answer', { do: 'trickle-reply', bytes: 5, everyMs: 1 }],
]

const CALLS: readonly (readonly [string, (worker: ArgoWorker) => Promise<unknown>])[] = [
  ['sendJob', (worker) => send(worker, jobOf('b'))],
  ['lookupJob', (worker) => worker.lookupJob(jobOf('a'))],
  ['pollAllStatus', (worker) => worker.pollAllStatus([jobOf('a')])],
  ['cancelJob', (worker) => worker.cancelJob(jobOf('a'), 'x')],
  ['probeSend', (worker) => worker.probeSend()],
  ['check', (worker) => worker.check()],
]

describe.each(HANGING)('a server that %s', (_, fault) => {
  test.each(CALLS)('does not keep %s from ending within its time', async (_name, call) => {
    const worker = await bench.open({
      requestTimeoutMs: 150,
      listTimeoutMs: 400,
      maxTotalParameterBytes: 20_000,
    })
    await send(worker, jobOf('a'), { mode: 'hang' })
    const longestMs = worker.supports.longestCallMs ?? 0
    expect(longestMs).toBe(400 + 4 * 150 + Math.ceil((20_000 * 1_000) / 65_536) + 1_000)
    bench.server.main.onRequest = () => fault
    const { code, ms } = await endOf(call(worker))
    expect(code).toBe('SLUICE_WORKER_UNAVAILABLE')
    // The machine may be busy: far from the time that nothing would end it in.
    expect(ms).toBeLessThan(longestMs + 10_000)
  })
})

test('an answer that keeps coming is read to its end, though it takes longer than the wait for its first byte', async () => {
  const worker = await bench.open({ requestTimeoutMs: 300 })
  await send(worker, jobOf('a'), { mode: 'hang' })
  const padding = ' '.repeat(131_072)
  const server = createServer((socket) => {
    socket.on('error', () => undefined)
    socket.once('data', () => void trickle(socket, padding))
  })
  const url = await listening(server)
  const slow = await bench.open({ baseUrl: url, requestTimeoutMs: 300 })
  // A kilobyte a step, faster than 64 KiB a second, and longer than 300 ms altogether.
  const { code, ms } = await endOf(slow.lookupJob(jobOf('a')))
  expect(ms).toBeGreaterThan(300)
  // Read whole: it is an answer, and not one of Argo's.
  expect(code).toBe('SLUICE_WORKER_UNAVAILABLE')
  await expect(slow.lookupJob(jobOf('a'))).rejects.toThrow(/is no workflow/u)
  server.close()
})

async function trickle(socket: Socket, padding: string): Promise<void> {
  const body = `{"metadata":{}}${padding}`
  socket.write(
    `HTTP/1.1 200 OK\r\ncontent-type: application/json\r\nconnection: close\r\ncontent-length: ${body.length}\r\n\r\n`,
  )
  for (let at = 0; at < body.length; at += 4_096) {
    socket.write(body.slice(at, at + 4_096))
    await new Promise((resolve) => setTimeout(resolve, 15))
  }
  socket.end()
}

async function listening(server: Server): Promise<string> {
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const address = server.address()
  return `http://127.0.0.1:${typeof address === 'object' ? address?.port : ''}`
}

test(
  'a request whose bytes have stopped ends long before its whole time is over',
  { timeout: 60_000 },
  async () => {
    const worker = await bench.open({ requestTimeoutMs: 60_000 })
    bench.server.main.onRequest = () => ({ do: 'trickle-reply', bytes: 5, everyMs: 1 })
    const { code, ms } = await endOf(worker.lookupJob(jobOf('a')))
    expect(code).toBe('SLUICE_WORKER_UNAVAILABLE')
    expect(ms).toBeGreaterThanOrEqual(IDLE_TIMEOUT_MS - 100)
    expect(ms).toBeLessThan(50_000)
  },
)

test('what is no request ends too: a program that never prints a token, a function that never gives parameters', async () => {
  const brief = { requestTimeoutMs: 100, listTimeoutMs: 100, maxTotalParameterBytes: 20_000 }
  const mute = await bench.open({ ...brief, token: undefined, tokenCommand: ['sleep', '20'] })
  for (const [, call] of CALLS.slice(0, 3))
    expect((await endOf(call(mute))).code).toBe('SLUICE_WORKER_UNAVAILABLE')
  const stuck = await bench.open({ ...brief, parameters: () => never })
  expect((await endOf(send(stuck, jobOf('a')))).code).toBe('SLUICE_WORKER_UNAVAILABLE')
})

test('limits of weeks are no shorter than they say', async () => {
  const worker = await bench.open({ requestTimeoutMs: 2_147_483_647, listTimeoutMs: 2_147_483_647 })
  await send(worker, jobOf('a'), { mode: 'hang' })
  expect((await worker.pollAllStatus([jobOf('a')])).get('a')).toMatchObject({ stage: 'PROCESSING' })
})

test('the longest call is what the README’s formula gives', async () => {
  const worker = await bench.open()
  expect(worker.supports.longestCallMs).toBe(300_000 + 4 * 30_000 + 7_032 + 1_000)
})
