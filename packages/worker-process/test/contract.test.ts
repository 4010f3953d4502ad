import type childProcess from 'node:child_process'
import type fs from 'node:fs/promises'
import { writeFileSync } from 'node:fs'
import { appendFile, chmod, readFile, readdir, rm, stat, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { JobRef, TroubleConcerns, Worker } from '@sluice/core'
import type { ObstructedWorker, TroubledSends, WorkerHarness } from '@sluice/testkit'
import { testWorker } from '@sluice/testkit/vitest'
import { vi } from 'vitest'
import type { JobPlace } from '../src/disk/layout.js'
import type { ToSupervisor } from '../src/supervisor/messages.js'
import { WorkerBench, eventually, groupOf, isAlive, killGroup } from './worker-bench.js'

/** What the system refuses to this process at the moment, as it does where there is no more of it. */
const lacking = vi.hoisted(() => ({ processes: false, inodes: false }))

function refusal(code: string, syscall: string): Error {
  return Object.assign(new Error(`${code}: ${syscall}`), { code, syscall, errno: -1 })
}

/** A supervisor that the system refuses what it asks for. */
vi.mock('node:child_process', async (original) => {
  const real = await original<typeof childProcess>()
  const spawn = (file: string, args: string[], options: childProcess.SpawnOptions) => {
    const child = real.spawn(file, args, options)
    const send = child.connected ? child.send.bind(child) : undefined
    if (send === undefined) return child
    child.send = (message: ToSupervisor & childProcess.Serializable) => {
      const requests = message.requests ?? []
      if (requests.length === 0 || !(lacking.processes || lacking.inodes)) return send(message)
      const failure = lacking.processes
        ? { code: 'EAGAIN', syscall: 'spawn', message: 'spawn EAGAIN', ofProcess: true }
        : { code: 'ENOSPC', syscall: 'mkdir', message: 'ENOSPC: mkdir', ofProcess: false }
      const replies = requests.map(({ number }) => ({ number, failure }))
      return child.emit('message', { replies, ends: [] })
    }
    return child
  }
  return { ...real, spawn }
})

vi.mock('node:fs/promises', async (original) => {
  const real = await original<typeof fs>()
  return {
    ...real,
    statfs: async (path: string) => {
      const free = await real.statfs(path)
      return lacking.inodes ? Object.assign(free, { ffree: 0 }) : free
    },
    symlink: async (target: string, path: string) => {
      if (lacking.inodes) throw refusal('ENOSPC', 'symlink')
      await real.symlink(target, path)
    },
  }
})

testWorker('a local process', async () => new ProcessHarness(new WorkerBench()), { timeoutMs: 120_000 })

/** The command counts its start and waits at a pipe until it is told how to end. */
const SCRIPT =
  '#!/bin/sh\necho "$SLUICE_JOB_KEY" >> "$LOG"; cd "$SLUICE_OUTPUT_DIR"; printf %s "$SLUICE_OVERRIDE_MEMORY" > memory; mkfifo gate; ' +
  // A writer that is late to close the pipe gives the next read an end of file.
  'while :; do read -r how < gate || continue; [ "$how" = WRITE ] || break; cat write; mv write written; done; ' +
  '[ "$how" = SUCCESS ]'

function without(what: keyof typeof lacking): Pick<ObstructedWorker, 'obstruct' | 'restore'> {
  const set = (value: boolean) => async () => {
    lacking[what] = value
  }
  return { obstruct: set(true), restore: set(false) }
}

class ProcessHarness implements WorkerHarness {
  readonly #bench: WorkerBench
  readonly #names = new Set<string>()
  readonly #program: string

  constructor(bench: WorkerBench) {
    this.#bench = bench
    this.#program = join(bench.dir, 'program')
    writeFileSync(this.#program, SCRIPT, { mode: 0o700 })
  }

  open(name = 'contract'): Promise<Worker> {
    return this.#bench.open(this.#options(name))
  }

  openElsewhere(): Promise<Worker> {
    return this.#bench.open({ ...this.#options('contract'), dir: join(this.#bench.dir, 'elsewhere') })
  }

  body() {
    return { word: 'go' }
  }

  refusedItem() {
    return { id: 'without the word', body: {} }
  }

  async finish(job: JobRef, how: 'SUCCESS' | 'FAIL'): Promise<void> {
    await writeFile(await this.#gate(job), `${how}\n`)
    const place = await this.#place(job)
    if (place === undefined) throw new Error(`no such job: ${JSON.stringify(job)}`)
    await eventually('it has ended', async () => (await readdir(join(place.ended, '..'))).includes(place.key))
    await this.#untilGone(place)
  }

  readonly exactLogs = true

  async writeLog(job: JobRef, bytes: Uint8Array): Promise<void> {
    const gate = await this.#gate(job)
    const { output } = (await this.#place(job)) ?? { output: '' }
    await writeFile(join(output, 'write'), bytes)
    await writeFile(gate, 'WRITE\n')
    await eventually('it has written', async () => !(await readdir(output)).includes('write'))
  }

  async loseLog(job: JobRef): Promise<void> {
    const worker = await this.#bench.open({ ...this.#options('contract'), keepOutputs: 'none' })
    await worker.acknowledgeJobs([job])
  }

  readonly hasJobUids = true
  readonly exitCodes = { SUCCESS: 0, FAIL: 1 }

  /** As if it had never been: what is known of it is on the disk. */
  async loseJob(job: JobRef): Promise<void> {
    const place = await this.#place(job)
    if (place === undefined) throw new Error(`no such job: ${JSON.stringify(job)}`)
    await this.starts(job)
    killGroup(await groupOf(place))
    await this.#untilGone(place)
    await eventually('its end is recorded', async () =>
      (await readdir(join(place.ended, '..'))).includes(place.key),
    )
    for (const path of [place.active, place.ended, place.home]) await rm(path, { recursive: true })
  }

  async openTroubledSends(concerns: TroubleConcerns): Promise<TroubledSends | undefined> {
    if (concerns === 'item') return undefined
    const worker = await this.open()
    if (concerns === 'worker') {
      // The program is no longer one that can be run.
      const set = (mode: number) => () => chmod(this.#program, mode)
      return { worker, obstruct: set(0o600), restore: set(0o700) }
    }
    return { worker, ...without('processes') }
  }

  async openObstructed(): Promise<ObstructedWorker> {
    return { worker: await this.open(), ...without('inodes') }
  }

  /**
   * A job that was accepted starts in its own time. One whose sender was killed may never do so before a
   * poll.
   */
  async starts(job: JobRef): Promise<number> {
    const place = await this.#place(job)
    if (place === undefined) return 0
    const until = Date.now() + 1_000
    await eventually('it starts', async () => (await this.#count(place)) > 0 || Date.now() > until)
    return this.#count(place)
  }

  async startedWith(job: JobRef): Promise<string | undefined> {
    await this.#gate(job)
    const { output } = (await this.#place(job)) ?? { output: '' }
    const value = await readFile(join(output, 'memory'), 'utf8')
    return value === '' ? undefined : value
  }

  async openUnreachable(): Promise<Worker> {
    const worker = await this.open()
    await rm(this.#bench.layout('contract').root, { recursive: true })
    return worker
  }

  async openCrashing(point: number) {
    const worker = await this.#bench.open(this.#options('contract'))
    let crashed = false
    const sendJob: Worker['sendJob'] = async (id, body, job) => {
      const host = await this.#bench.host(this.#options('contract'), [{ ...job, id, body }], {
        crashAt: point,
      })
      crashed = host.crashed
      host.process.kill('SIGKILL')
      if (crashed) throw new Error('its process was killed')
    }
    return { worker: Object.assign(worker, { sendJob }), crashed: () => crashed }
  }

  close(): Promise<void> {
    Object.assign(lacking, { processes: false, inodes: false })
    return this.#bench.close()
  }

  async #gate(job: JobRef): Promise<string> {
    const place = await this.#place(job)
    if (place === undefined) throw new Error(`no such job: ${JSON.stringify(job)}`)
    const gate = join(place.output, 'gate')
    await eventually(
      'the job waits at its gate',
      async () => (await stat(gate).catch(() => undefined)) !== undefined,
    )
    return gate
  }

  async #untilGone(place: JobPlace): Promise<void> {
    const group = await groupOf(place)
    await eventually('its process is gone', async () => !(await isAlive(group)))
  }

  #options(name: string) {
    this.#names.add(name)
    const command = [this.#program, '{body.word}']
    return this.#bench.options(command, { name, killAfterMs: 1_000, env: { LOG: this.#bench.log } })
  }

  async #count(place: JobPlace): Promise<number> {
    await appendFile(this.#bench.log, '')
    const lines = (await readFile(this.#bench.log, 'utf8')).split('\n')
    return lines.filter((line) => line === place.key).length
  }

  async #place(job: JobRef): Promise<JobPlace | undefined> {
    for (const name of this.#names) {
      const place = this.#bench.layout(name).place(job)
      if ((await stat(place.home).catch(() => undefined)) !== undefined) return place
    }
    return undefined
  }
}
