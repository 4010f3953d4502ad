import { mkdir, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { eachItem, type Queue } from '@sluice/core'
import { readDispatcher } from '@sluice/engine'
import { openQueue } from '@sluice/queue-sql'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { Sandbox } from '../fixtures/sandbox.js'

const ITEMS = 100
const LIMIT = 6
const RATE = { count: 8, perMs: 1_000 }
const LEASE_MS = 1_500

/** Notes its start and how many run with it. */
const JOB = [
  'sh',
  '-c',
  'touch "$DIR/run/$1"; ls "$DIR/run" | wc -l >> "$DIR/counts"; echo "$1 $2" >> "$DIR/starts"; sleep 0.2; rm "$DIR/run/$1"',
  'sh',
  '{id}',
  '{attempt}',
]

let box: Sandbox
let queue: Queue
const services: ReturnType<Sandbox['start']>[] = []

beforeEach(async () => {
  box = await Sandbox.open()
  await mkdir(join(box.dir, 'run'))
  const config = {
    queue: { package: 'sql', name: 'tiles', url: 'sqlite:q.db' },
    worker: { package: 'process', command: JOB, dir: join(box.dir, 'jobs'), env: { DIR: box.dir } },
    processing: { limit: LIMIT, rate: RATE },
    service: { intervalMs: 50, leaseTtlMs: LEASE_MS },
  }
  await writeFile(join(box.dir, 'sluice.config.json'), JSON.stringify(config))
  queue = await openQueue({ name: 'tiles', url: `sqlite:${join(box.dir, 'q.db')}` })
  await queue.putMany(Array.from({ length: ITEMS }, (_, n) => ({ id: `i${n}`, body: {} })))
})

afterEach(async () => {
  for (const service of services.splice(0)) service.kill('SIGKILL')
  await queue.close()
  await box.close()
})

function serve(): void {
  services.push(box.start(['run']))
}

/** The process that dispatches, by its own record, once it is another than the given one. */
async function dispatcher(before?: number): Promise<number> {
  let found = Number.NaN
  const isAnother = async (): Promise<boolean> => {
    const { holder = '' } = (await readDispatcher(queue)) ?? {}
    found = Number(holder.split('/')[1])
    return found !== before && services.some(({ pid }) => pid === found)
  }
  await expect.poll(isAnother, { timeout: 60_000 }).toBe(true)
  return found
}

async function finished(count: number): Promise<void> {
  await expect.poll(() => queue.size('SUCCESS'), { timeout: 60_000 }).toBeGreaterThanOrEqual(count)
}

/** So many more than now. */
async function finishMore(count: number): Promise<void> {
  await finished(Math.min(ITEMS, (await queue.size('SUCCESS')) + count))
}

async function linesOf(name: string): Promise<string[]> {
  return (await readFile(join(box.dir, name), 'utf8')).trim().split('\n')
}

test('a service that is killed, and one that is suspended for three leases: rate and limit hold, and another goes on', async () => {
  serve()
  serve()
  await finishMore(8)
  const killed = await dispatcher()
  process.kill(killed, 'SIGKILL')
  serve()
  const suspended = await dispatcher(killed)
  await finishMore(8)
  process.kill(suspended, 'SIGSTOP')
  const suspendedAt = await queue.now()
  await dispatcher(suspended)
  await expect.poll(() => queue.now(), { timeout: 60_000 }).toBeGreaterThan(suspendedAt + 3 * LEASE_MS)
  await finishMore(8)
  process.kill(suspended, 'SIGCONT')
  await finished(ITEMS)

  const claimedAt: number[] = []
  for await (const { claimedAt: at } of eachItem(queue, 'SUCCESS')) claimedAt.push(at ?? Number.NaN)
  claimedAt.sort((a, b) => a - b)
  const { count, perMs } = RATE
  const spans = claimedAt.slice(count).map((at, index) => at - (claimedAt[index] ?? Number.NaN))
  expect(claimedAt).toHaveLength(ITEMS)
  expect(Math.min(...spans)).toBeGreaterThan(perMs)
  expect(Math.max(...(await linesOf('counts')).map(Number))).toBeLessThanOrEqual(LIMIT)
  // One job for each attempt.
  const starts = await linesOf('starts')
  expect(new Set(starts).size).toBe(starts.length)
}, 180_000)
