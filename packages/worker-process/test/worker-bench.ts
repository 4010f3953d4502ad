import { spawn, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync } from 'node:fs'
import { appendFile, readFile, readdir, readlink, rm, symlink } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { pathToFileURL } from 'node:url'
import type { JobReport, JobSpec, JsonValue, WorkerUse } from '@sluice/core'
import { systemRuntime } from '@sluice/core/backend'
import { Layout, type JobPlace } from '../src/disk/layout.js'
import { readGroup } from '../src/processes/job-signals.js'
import { openWorker, type ProcessWorker, type ProcessWorkerOptions } from '../src/index.js'
import { SmallDisk } from './disk/small-disk.js'

/** A job as the tests name it. */
export interface TestJob extends JobSpec {
  readonly id: string
  readonly body: JsonValue
}

let serial = 0

export function newJob(id: string, body: JsonValue = {}, more: Partial<JobSpec> = {}): TestJob {
  return { id, body, uid: `u${serial++}`, attempt: 1, queue: 'tiles', ...more }
}

/**
 * A folder of its own for a test, and what the test opened in it; `close` leaves neither a process nor a
 * file.
 */
export class WorkerBench {
  readonly dir = mkdtempSync(join(tmpdir(), 'sluice-process-'))
  readonly log = join(this.dir, 'starts.log')
  /** It is there once a supervisor of a host was killed by its SUPERVISOR_CRASH_AT. */
  readonly crashedFile = join(this.dir, 'crashed')
  readonly #workers: ProcessWorker[] = []
  readonly #hosts: ChildProcess[] = []
  #disk: SmallDisk | undefined

  options(command: string[], more: Partial<ProcessWorkerOptions> = {}): ProcessWorkerOptions {
    return { name: 'tiles', dir: join(this.dir, 'work'), command, fsync: false, ...more }
  }

  /** Options of a worker whose jobs are shell scripts; each run is counted in the log first. */
  scriptOptions(script: string, more: Partial<ProcessWorkerOptions> = {}): ProcessWorkerOptions {
    const counted = `echo "$SLUICE_ITEM_ID $SLUICE_ATTEMPT" >> "$LOG"\n${script}`
    return this.options(['sh', '-c', counted], { ...more, env: { LOG: this.log, ...more.env } })
  }

  /** Puts the jobs of this bench on a small disk of their own. */
  mountSmallDisk(): SmallDisk {
    this.#disk = new SmallDisk(join(this.dir, 'work'))
    return this.#disk
  }

  async open(options: ProcessWorkerOptions, context: WorkerUse = {}): Promise<ProcessWorker> {
    const worker = await openWorker(options, context)
    this.#workers.push(worker)
    return worker
  }

  layout(name = 'tiles'): Layout {
    return new Layout({ dir: join(this.dir, 'work'), queue: name, runtime: systemRuntime })
  }

  /** How often the command ran, by item. */
  async runs(id?: string): Promise<number> {
    await appendFile(this.log, '')
    const lines = (await readFile(this.log, 'utf8')).split('\n').filter(Boolean)
    return id === undefined ? lines.length : lines.filter((line) => line.startsWith(`${id} `)).length
  }

  /**
   * Another process with a worker in it, that has sent these jobs. Resolves when it has, or was killed by its
   * CRASH_AT.
   */
  async host(
    options: ProcessWorkerOptions,
    jobs: readonly TestJob[],
    more: { readonly crashAt?: number; readonly supervisorCrashAt?: number; readonly calls?: JsonValue } = {},
  ): Promise<{ readonly process: ChildProcess; readonly crashed: boolean }> {
    const hooks = ['ts-hooks.mjs', 'crash-hooks.mjs'].map(
      (file) => `--import ${pathToFileURL(join(import.meta.dirname, file)).href}`,
    )
    const host = spawn(process.execPath, [join(import.meta.dirname, 'host.mjs')], {
      stdio: ['ignore', 'pipe', 'inherit'],
      env: {
        ...process.env,
        NODE_NO_WARNINGS: '1',
        NODE_OPTIONS: hooks.join(' '),
        HOST_OPTIONS: JSON.stringify(options),
        HOST_JOBS: JSON.stringify(jobs),
        HOST_CALLS: JSON.stringify(more.calls ?? []),
        CRASH_AT: String(more.crashAt ?? -1),
        CRASHED_FILE: this.crashedFile,
        SUPERVISOR_CRASH_AT: String(more.supervisorCrashAt ?? -1),
      },
    })
    this.#hosts.push(host)
    const said = await Promise.race([
      once(host.stdout, 'data').then(String),
      once(host, 'exit').then(() => ''),
    ])
    return { process: host, crashed: !said.includes('done') }
  }

  async close(): Promise<void> {
    for (const host of this.#hosts) host.kill('SIGKILL')
    for (const worker of this.#workers) await worker.close()
    await this.#killJobs()
    this.#disk?.unmount()
    await rm(this.dir, { recursive: true, force: true, maxRetries: 20, retryDelay: 25 })
  }

  async #killJobs(): Promise<void> {
    for (const queue of await readdir(join(this.dir, 'work')).catch(() => [])) {
      const root = join(this.dir, 'work', queue)
      for (const key of await readdir(join(root, 'active')).catch(() => [])) {
        const home = join(root, 'jobs', key.slice(0, 2), key)
        // One whose supervisor is only just about to claim it must not begin once the folder is gone.
        await symlink('0', join(home, 'claim')).catch(() => undefined)
        const ended = await readlink(join(root, 'ended', key)).catch(() => undefined)
        const group = (await readGroup({ home, group: join(home, 'group.') })) ?? 0
        if (ended === undefined && group > 1) killGroup(group)
      }
    }
  }
}

/** The process group of a job that runs. */
export async function groupOf(place: JobPlace): Promise<number> {
  let group = 0
  await eventually('it has a process group', async () => {
    group = (await readGroup(place)) ?? 0
    return group > 1
  })
  return group
}

export function killGroup(pid: number): void {
  // 0 would be the group of the tests.
  if (pid <= 1) throw new RangeError(`${pid} is no group of a job`)
  try {
    process.kill(-pid, 'SIGKILL')
  } catch {
    // It has ended.
  }
}

export async function send(worker: ProcessWorker, job: TestJob): Promise<void> {
  await worker.sendJob(job.id, job.body, job)
}

/** The job's report once it has ended. Woken by the worker's own wake signal. */
export async function outcome(worker: ProcessWorker, job: TestJob): Promise<JobReport> {
  const stop = new AbortController()
  const wakes = worker.watch({ signal: stop.signal })[Symbol.asyncIterator]()
  try {
    for (;;) {
      const woken = wakes.next()
      const report = await worker.lookupJob(job)
      if (report !== undefined && report.stage !== 'PROCESSING') return report
      await woken
    }
  } finally {
    stop.abort()
    await wakes.return?.(undefined)
  }
}

/** As the engine does: what a poll doesn't show is asked for, and what isn't there is sent. */
export async function followToEnd(worker: ProcessWorker, job: TestJob): Promise<JobReport> {
  for (;;) {
    const report = (await worker.pollAllStatus()).get(job.id) ?? (await worker.lookupJob(job))
    if (report === undefined) await send(worker, job)
    else if (report.stage !== 'PROCESSING') return report
    await sleep(1)
  }
}

/** To end what hangs, not to time anything: a busy machine takes seconds to start a process. */
const BOUND_MS = 45_000

/** Waits for what another process does and no event reports. */
export async function eventually(what: string, holds: () => Promise<boolean> | boolean): Promise<void> {
  const end = performance.now() + BOUND_MS
  while (!(await holds())) {
    if (performance.now() > end) throw new Error(`not within ${BOUND_MS} ms: ${what}`)
    await sleep(5)
  }
}

/** The end that was recorded with the job, by name. */
export function detail(report: JobReport, name: string): unknown {
  return Object.entries(report.details ?? {}).find(([key]) => key === name)?.[1]
}

/** Whether a process runs; a zombie does not. */
export async function isAlive(pid: number): Promise<boolean> {
  const stat = await readFile(`/proc/${pid}/stat`, 'utf8').catch(() => undefined)
  return stat !== undefined && !/\) [ZX] /u.test(stat)
}
