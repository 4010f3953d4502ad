import { once } from 'node:events'
import { readdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { JobReport, Logger } from '@sluice/core'
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'
import type { ProcessWorker } from '../../src/index.js'
import type { SmallDisk } from './small-disk.js'
import { lacksSmallDisk } from './small-disk.js'
import {
  WorkerBench,
  eventually,
  groupOf,
  isAlive,
  newJob,
  outcome,
  send,
  type TestJob,
} from '../worker-bench.js'
import { readClaim } from '../../src/jobs/claim.js'

const lacking = lacksSmallDisk()
if (lacking !== undefined) console.log(`skipped: ${lacking}`)

/** Runs until a file named by the item appears, outside the disk. */
const GATED = 'until [ -e "$GATE-$SLUICE_ITEM_ID" ]; do sleep 0.02; done; exit 3'

let bench: WorkerBench
let disk: SmallDisk

function gatedOptions(more: Parameters<WorkerBench['options']>[1] = {}) {
  return bench.scriptOptions(GATED, { ...more, env: { LOG: bench.log, GATE: join(bench.dir, 'gate') } })
}

async function openGate(id: string): Promise<void> {
  await writeFile(join(bench.dir, `gate-${id}`), '')
}

/** The command has ended, and its supervisor waits for room. */
async function commandEnded(job: TestJob): Promise<void> {
  const group = await groupOf(bench.layout().place(job))
  await openGate(job.id)
  await eventually('its process is gone', async () => !(await isAlive(group)))
}

describe.skipIf(lacking !== undefined)('on a full disk', () => {
  beforeEach(() => {
    bench = new WorkerBench()
    disk = bench.mountSmallDisk()
  })

  afterEach(() => bench.close())

  test.each([
    ['inodes', 14, (leave: number) => disk.fillInodes(leave)],
    ['bytes', 10, (leave: number) => disk.fillBytes(leave)],
  ])(
    'with any number of %s left, a job is refused and leaves nothing, or runs once; none fails that did not begin',
    { timeout: 60_000 },
    async (_, most, fill) => {
      const worker = await bench.open(bench.scriptOptions('exit 0'))
      let refused = 0
      for (let left = 0; left <= most; left++) {
        const job = newJob(`left-${left}`, 'x'.repeat(5_000))
        fill(left)
        const error = await send(worker, job).catch((reason: unknown) => reason)
        if (error !== undefined) {
          refused++
          await expectRefused(worker, { job, error })
        }
        // What was accepted may wait for room, and says so; it does not end.
        const early = (await worker.pollAllStatus()).get(job.id)
        expect([undefined, 'PROCESSING', 'SUCCESS']).toContain(early?.stage)
        disk.makeRoom()
        if (error !== undefined) await send(worker, job)
        expect(await ended(worker, job)).toMatchObject({ stage: 'SUCCESS', exitCode: 0 })
        expect(await bench.runs(job.id)).toBe(1)
        await worker.acknowledgeJobs([job])
      }
      expect(refused).toBeGreaterThan(3)
      expect(refused).toBeLessThan(most)
    },
  )

  test('a job that ends meanwhile is recorded once there is room, exactly once, be the service killed in between', async () => {
    const warn = vi.fn<Logger['warn']>()
    const logger = {
      debug: vi.fn<Logger['debug']>(),
      info: vi.fn<Logger['info']>(),
      warn,
      error: vi.fn<Logger['error']>(),
    }
    const options = gatedOptions({ stdin: 'none' })
    const [first, second] = [newJob('first'), newJob('second')]
    const host = await bench.host(options, [first, second])
    await eventually('both run', async () => (await bench.runs()) === 2)
    disk.fillInodes()
    await commandEnded(first)
    host.process.kill('SIGKILL')
    await once(host.process, 'exit')

    const worker = await bench.open(options, { logger })
    for (let poll = 0; poll < 3; poll++) {
      const reports = await worker.pollAllStatus()
      expect(reports.complete).toBe(false)
      expect(reports.incompleteReason).toMatch(
        /is full \(0 inodes and \d+ bytes are free\): jobs may have ended/u,
      )
      expect([...reports.values()].map(({ stage }) => stage)).toEqual(['PROCESSING', 'PROCESSING'])
    }
    expect(warn.mock.calls).toEqual([[{ jobs: 2 }, expect.stringMatching(/is full .* nothing is lost/u)]])
    await expect(worker.check()).rejects.toMatchObject({
      code: 'SLUICE_WORKER_UNAVAILABLE',
      message: /ENOSPC/u,
    })
    await expect(worker.probeSend()).rejects.toMatchObject({ concerns: 'worker', message: /ENOSPC/u })

    disk.makeRoom()
    expect(await outcome(worker, first)).toMatchObject({ stage: 'FAIL', exitCode: 3, failureClass: 'failed' })
    await openGate('second')
    expect(await outcome(worker, second)).toMatchObject({ stage: 'FAIL', exitCode: 3 })
    const reports = await worker.pollAllStatus()
    expect(reports.complete).toBeUndefined()
    expect(reports.size).toBe(2)
    await worker.check()
    await worker.acknowledgeJobs([first, second])
    for (const job of [first, second]) await send(worker, job)
    expect((await worker.pollAllStatus()).size).toBe(0)
    expect(await bench.runs()).toBe(2)
  })

  test('a job that waits for nothing but its record is not called timed out', async () => {
    const options = bench.scriptOptions('exit 0', { stdin: 'none', timeoutMs: 300, killAfterMs: 50 })
    const gate = join(bench.dir, 'gate')
    const command = ['sh', '-c', `touch "$LOG"; until [ -e ${gate} ]; do sleep 0.02; done`]
    const worker = await bench.open({ ...options, command, timeoutMs: 1_500 })
    const job = newJob('a')
    const endsAt = Date.now() + 1_500 + 50
    await send(worker, job)
    await groupOf(bench.layout().place(job))
    disk.fillInodes()
    await writeFile(gate, '')
    await eventually('its timer would have ended it', () => Date.now() > endsAt + 500)
    disk.makeRoom()
    expect(await outcome(worker, job)).toMatchObject({ stage: 'SUCCESS', exitCode: 0 })
  })

  test('what a job no longer reads is room enough for the record of its end', async () => {
    const worker = await bench.open(gatedOptions())
    const job = newJob('a')
    await send(worker, job)
    await eventually('it runs', async () => (await bench.runs()) === 1)
    disk.fillInodes()
    await openGate('a')
    expect(await outcome(worker, job)).toMatchObject({ stage: 'FAIL', exitCode: 3 })
  })

  test('of many sends at once where there is room for one, one starts, and check says when there is none', async () => {
    const worker = await bench.open(gatedOptions())
    await worker.check()
    disk.fillInodes(14)
    await worker.check()
    const jobs = Array.from({ length: 8 }, (_, index) => newJob(`a${index}`))
    const sent = await Promise.allSettled(jobs.map((job) => send(worker, job)))
    expect(sent.filter(({ status }) => status === 'fulfilled')).toHaveLength(1)
    await expect(worker.check()).rejects.toMatchObject({
      code: 'SLUICE_WORKER_UNAVAILABLE',
      message: expect.stringMatching(/no room to start a job: \d inodes and \d+ bytes are free/u),
    })
    await eventually('one of them runs', async () => (await bench.runs()) > 0)
    for (const { id } of jobs) await openGate(id)
    expect(await bench.runs()).toBe(1)
  })

  test('a job can be cancelled, which may be what makes room', async () => {
    const worker = await bench.open(gatedOptions())
    const job = newJob('a')
    await send(worker, job)
    await eventually('it runs', async () => (await bench.runs()) === 1)
    const pid = await groupOf(bench.layout().place(job))
    disk.fillInodes()
    await worker.cancelJob(job, 'no longer wanted')
    await eventually('it is gone', async () => !(await isAlive(pid)))
    expect(await outcome(worker, job)).toMatchObject({ stage: 'FAIL', failureClass: 'killed' })
  })

  test.each(['all', 'failed', 'none'] as const)(
    'what has ended is acknowledged, keeping %s',
    async (keepOutputs) => {
      const worker = await bench.open(bench.scriptOptions('exit 3', { keepOutputs }))
      const job = newJob('a')
      await send(worker, job)
      await outcome(worker, job)
      disk.fillInodes()
      await worker.acknowledgeJobs([job])
      expect((await worker.pollAllStatus()).size).toBe(0)
      expect(await worker.lookupJob(job)).toMatchObject({ stage: 'FAIL' })
      await expect(send(worker, job)).resolves.toBeUndefined()
      expect(await bench.runs()).toBe(1)
    },
  )

  test('one whose supervisor was killed is reported as failed once there is room, and others meanwhile', async () => {
    const worker = await bench.open(gatedOptions({ stdin: 'none' }))
    const [killed, other] = [newJob('killed'), newJob('other')]
    await send(worker, killed)
    await send(await bench.open(gatedOptions({ stdin: 'none' })), other)
    await eventually('both run', async () => (await bench.runs()) === 2)
    disk.fillInodes()
    const { pid = 0 } = (await readClaim(bench.layout().place(killed))) ?? {}
    process.kill(pid, 'SIGKILL')
    await eventually('it is noticed', async () => (await worker.lookupJob(killed))?.message !== undefined)
    const reports = await worker.pollAllStatus()
    expect(reports.get('killed')).toMatchObject({ stage: 'PROCESSING', message: /no room/u })
    expect(reports.get('other')).toMatchObject({ stage: 'PROCESSING' })
    expect(reports.complete).toBe(false)
    disk.makeRoom()
    expect((await worker.pollAllStatus()).get('killed')).toMatchObject({
      stage: 'FAIL',
      failureClass: 'killed',
    })
  })
})

/** For want of room, with nothing left of it. */
async function expectRefused(
  worker: ProcessWorker,
  { job, error }: { readonly job: TestJob; readonly error: unknown },
): Promise<void> {
  expect(error).toMatchObject({ code: 'SLUICE_WORKER_UNAVAILABLE', concerns: 'worker' })
  expect(String(error)).toMatch(/Could not start a job .*ENOSPC.* bytes are free under .*make room/u)
  expect(await worker.lookupJob(job)).toBeUndefined()
  expect(await readdir(bench.layout().preparing)).toEqual([])
}

/** Its report once it has ended: polls start what had no room to begin. */
async function ended(worker: ProcessWorker, job: TestJob): Promise<JobReport | undefined> {
  let report: JobReport | undefined
  await eventually('it ends', async () => {
    report = (await worker.pollAllStatus()).get(job.id)
    return report !== undefined && report.stage !== 'PROCESSING'
  })
  return report
}
