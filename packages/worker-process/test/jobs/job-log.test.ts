import { readdir, readlink, rm, writeFile } from 'node:fs/promises'
import { hostname } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import type { JobRef, ReadLogOptions } from '@sluice/core'
import type { ProcessWorker } from '../../src/index.js'
import {
  WorkerBench,
  detail,
  eventually,
  isAlive,
  killGroup,
  newJob,
  outcome,
  send,
} from '../worker-bench.js'
import { readClaim } from '../../src/jobs/claim.js'

let bench: WorkerBench

beforeEach(() => {
  bench = new WorkerBench()
})

afterEach(() => bench.close())

async function textOf(worker: ProcessWorker, job: JobRef, options?: ReadLogOptions): Promise<string> {
  const chunks: Uint8Array[] = []
  for await (const chunk of worker.readLog(job, options)) chunks.push(chunk)
  return Buffer.concat(chunks).toString('utf8')
}

/** The files of the worker's folder that this process has open. */
async function openFiles(): Promise<string[]> {
  const links = (await readdir('/proc/self/fd')).map((fd) => readlink(`/proc/self/fd/${fd}`).catch(() => ''))
  return (await Promise.all(links)).filter((path) => /\/(?:stdout|stderr)(?: \(deleted\))?$/u.test(path))
}

test('it is stdout and then stderr, and the tail counts from the end of both', async () => {
  const worker = await bench.open(bench.options(['sh', '-c', 'echo err >&2; echo out; exit 3']))
  const job = newJob('a')
  await send(worker, job)
  expect(detail(await outcome(worker, job), 'host')).toBe(hostname())
  expect(await textOf(worker, job)).toBe('out\nerr\n')
  expect(await textOf(worker, job, { tailBytes: 6 })).toBe('t\nerr\n')
  expect(await textOf(worker, job, { tailBytes: 3 })).toBe('rr\n')
  await worker.acknowledgeJobs([job])
  expect(await textOf(worker, job)).toBe('out\nerr\n')
})

test('64 MB are read in small pieces, no faster than they are taken, and nothing stays open', async () => {
  const script = 'head -c 67108864 /dev/zero; echo done >&2'
  const worker = await bench.open(bench.options(['sh', '-c', script], { result: 'none' }))
  const job = newJob('a')
  await send(worker, job)
  await outcome(worker, job)
  let [bytes, largest] = [0, 0]
  for await (const chunk of worker.readLog(job)) {
    bytes += chunk.length
    largest = Math.max(largest, chunk.length)
  }
  expect([bytes, largest]).toEqual([67_108_869, 65_536])
  for await (const chunk of worker.readLog(job)) {
    expect(chunk).toHaveLength(65_536)
    expect(await openFiles()).toHaveLength(2)
    break
  }
  expect(await openFiles()).toEqual([])
  const stop = new AbortController()
  const running = newJob('b')
  await send(worker, running)
  const reading = textOf(worker, running, { follow: true, signal: stop.signal })
  await eventually('it is read', async () => (await openFiles()).length === 2)
  stop.abort('enough')
  await expect(reading).rejects.toBe('enough')
  expect(await openFiles()).toEqual([])
})

test('what is removed while it is read is read to its end; afterwards it says what has become of it', async () => {
  const options = bench.options(['sh', '-c', 'head -c 300000 /dev/zero'], { keepOutputs: 'none' })
  const worker = await bench.open(options)
  const job = newJob('a')
  await send(worker, job)
  await outcome(worker, job)
  let bytes = 0
  for await (const chunk of worker.readLog(job)) {
    if (bytes === 0) await worker.acknowledgeJobs([job])
    bytes += chunk.length
  }
  expect(bytes).toBe(300_000)
  const gone = textOf(worker, job)
  await expect(gone).rejects.toMatchObject({ code: 'SLUICE_ITEM_NOT_FOUND', itemId: 'a' })
  await expect(gone).rejects.toThrow(/outputs were removed.*keepOutputs: none/u)
})

test('a job of another machine is not found, and it says where logs are kept', async () => {
  const here = await bench.open(bench.options(['true']))
  const there = await bench.open(bench.options(['true'], { dir: join(bench.dir, 'elsewhere') }))
  const job = newJob('a')
  await send(there, job)
  await expect(textOf(here, job)).rejects.toThrow(
    new RegExp(`this machine, ${hostname()}, has no such job.*where its job ran`, 'u'),
  )
})

test('a folder that is gone is an outage, and not the absence of a log', async () => {
  const worker = await bench.open(bench.options(['true']))
  await rm(bench.layout().root, { recursive: true })
  await expect(textOf(worker, newJob('a'))).rejects.toMatchObject({ code: 'SLUICE_WORKER_UNAVAILABLE' })
})

test('to follow only reads: it ends with a job whose supervisor was killed, starts nothing and records nothing', async () => {
  const worker = await bench.open(bench.options(['sh', '-c', 'echo begun; sleep 600']))
  const job = newJob('a')
  await send(worker, job)
  const place = bench.layout().place(job)
  let text = ''
  for await (const chunk of worker.readLog(job, { follow: true })) {
    text += Buffer.from(chunk).toString('utf8')
    const { pid = 0 } = (await readClaim(place)) ?? {}
    killGroup(pid)
    await eventually('it is gone', async () => !(await isAlive(pid)))
  }
  expect(text).toBe('begun\n')
  expect(await readdir(bench.layout().ended)).toEqual([])
})

test('a job that ends while it is read is given to its last byte', async () => {
  const worker = await bench.open(
    bench.options(['sh', '-c', 'read -r go < "$GATE"; echo last'], {
      env: { GATE: join(bench.dir, 'gate') },
    }),
  )
  await writeFile(join(bench.dir, 'gate'), 'go\n')
  const job = newJob('a')
  await send(worker, job)
  expect(await textOf(worker, job, { follow: true })).toBe('last\n')
})

test('a closed worker ends what follows', async () => {
  const worker = await bench.open(bench.options(['sleep', '600']))
  const job = newJob('a')
  await send(worker, job)
  const reading = textOf(worker, job, { follow: true })
  await worker.close()
  await expect(reading).rejects.toMatchObject({ code: 'SLUICE_WORKER_CLOSED' })
})
