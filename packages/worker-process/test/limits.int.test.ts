import { spawn, type ChildProcessByStdio } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import type { Readable, Writable } from 'node:stream'
import type { JobReport } from '@sluice/core'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import type { ProcessWorkerOptions } from '../src/index.js'
import { ControlGroup, lacksControlGroup } from './processes/control-group.js'
import { WorkerBench, eventually, newJob, type TestJob } from './worker-bench.js'

const lackingPids = lacksControlGroup('pids')
const lackingMemory = lacksControlGroup('memory')
for (const lacking of [lackingPids, lackingMemory])
  if (lacking !== undefined) console.log(`skipped: ${lacking}`)

interface Answer {
  readonly value?: Readonly<Record<string, JobReport>> & Partial<JobReport>
  readonly code?: string
  readonly concerns?: string
  readonly message?: string
}

/** A worker in a process of its own, in a control group. */
class RemoteWorker {
  readonly #process: ChildProcessByStdio<Writable, Readable, null>
  readonly #lines: AsyncIterator<string>

  constructor(options: ProcessWorkerOptions, group: ControlGroup) {
    const hooks = ['--import', join(import.meta.dirname, 'ts-hooks.mjs')]
    const command = [process.execPath, ...hooks, join(import.meta.dirname, 'remote-host.mjs')]
    this.#process = spawn('/bin/sh', ['-c', 'echo $$ > "$0" && exec "$@"', group.procsFile, ...command], {
      stdio: ['pipe', 'pipe', 'inherit'],
      env: { ...process.env, NODE_NO_WARNINGS: '1', HOST_OPTIONS: JSON.stringify(options) },
    })
    this.#lines = createInterface({ input: this.#process.stdout })[Symbol.asyncIterator]()
  }

  async ready(): Promise<void> {
    await this.#lines.next()
  }

  async call(method: string, ...args: readonly unknown[]): Promise<Answer> {
    this.#process.stdin.write(`${JSON.stringify([method, ...args])}\n`)
    const { value } = await this.#lines.next()
    return JSON.parse(String(value))
  }

  send(job: TestJob): Promise<Answer> {
    return this.call('sendJob', job.id, job.body, job)
  }

  /** The job's report once a poll says that it has ended. */
  async ended(job: TestJob): Promise<JobReport | undefined> {
    let report: JobReport | undefined
    await eventually('it ends', async () => {
      report = (await this.call('pollAllStatus')).value?.[job.id]
      return report !== undefined && report.stage !== 'PROCESSING'
    })
    return report
  }

  async close(): Promise<void> {
    const exit = once(this.#process, 'exit')
    this.#process.kill('SIGKILL')
    await exit
  }
}

let bench: WorkerBench
let group: ControlGroup
let remote: RemoteWorker

async function openIn(controller: 'memory' | 'pids', options: ProcessWorkerOptions): Promise<RemoteWorker> {
  group = new ControlGroup(controller)
  remote = new RemoteWorker(options, group)
  await remote.ready()
  return remote
}

beforeEach(() => {
  bench = new WorkerBench()
})

afterEach(async () => {
  await remote.close()
  await bench.close()
  await eventually('all of the group has ended', () => group.remove())
})

/** For want of processes, with nothing left of it. */
async function expectRefused(
  worker: RemoteWorker,
  { job, code, concerns }: { job: TestJob; code: string; concerns: string | undefined },
): Promise<void> {
  expect({ code, concerns }).toEqual({ code: 'SLUICE_WORKER_UNAVAILABLE', concerns: 'capacity' })
  expect(await worker.call('lookupJob', job)).toEqual({})
  expect(await worker.call('probeSend')).toMatchObject({ concerns: 'capacity' })
}

describe.skipIf(lackingPids !== undefined)('out of processes', () => {
  test.each([undefined, 60_000])(
    'with any number of them left and timeoutMs %s, a job is refused for want of them, or runs once; none fails that did not begin',
    { timeout: 60_000 },
    async (timeoutMs) => {
      const limits = timeoutMs === undefined ? {} : { timeoutMs }
      const worker = await openIn('pids', bench.scriptOptions('exit 0', limits))
      // All threads that the host will ever have are there once it has worked.
      const first = newJob('first')
      await worker.send(first)
      await worker.ended(first)
      const refused: boolean[] = []
      for (let left = 0; left <= 6; left++) {
        const job = newJob(`left-${left}`)
        group.limitPids(left)
        const { code, concerns } = await worker.send(job)
        if (code !== undefined) await expectRefused(worker, { job, code, concerns })
        refused.push(code !== undefined)
        const early = (await worker.call('pollAllStatus')).value?.[job.id]
        expect([undefined, 'PROCESSING', 'SUCCESS']).toContain(early?.stage)
        group.limitPids(Number.POSITIVE_INFINITY)
        if (code !== undefined) await worker.send(job)
        expect(await worker.ended(job)).toMatchObject({ stage: 'SUCCESS', exitCode: 0 })
        expect(await bench.runs(job.id)).toBe(1)
      }
      expect([refused.at(0), refused.at(-1)]).toEqual([true, false])
    },
  )
})

describe.skipIf(lackingMemory !== undefined)('out of memory', () => {
  test(
    'a job that the kernel ends is of class oom, for every worker from then on; one that another sender ends is not',
    { timeout: 60_000 },
    async () => {
      const script =
        'if [ "$SLUICE_ITEM_ID" = greedy ]; then head -c 2000000000 /dev/zero | tail -c 2000000000; else kill -KILL $$; fi'
      const options = bench.options(['sh', '-c', script])
      const worker = await openIn('memory', options)
      group.limitMemory(400 * 1_048_576)
      const [greedy, killed] = [newJob('greedy'), newJob('killed')]
      await worker.send(killed)
      expect(await worker.ended(killed)).toMatchObject({ failureClass: 'killed', exitCode: 137 })
      await worker.send(greedy)
      const oom = {
        stage: 'FAIL',
        failureClass: 'oom',
        exitCode: 137,
        message: /killed by SIGKILL: the kernel/u,
      }
      const report = await worker.ended(greedy)
      expect(report).toMatchObject({ ...oom, message: expect.stringMatching(oom.message) })
      const other = await bench.open(options)
      expect(await other.lookupJob(greedy)).toEqual(report)
      expect((await other.pollAllStatus()).get('killed')).toMatchObject({ failureClass: 'killed' })
    },
  )
})
