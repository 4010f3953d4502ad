import { appendFile, readFile, readdir, rm, stat, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { JobRef, Worker } from '@sluice/core'
import type { WorkerHarness } from '@sluice/testkit'
import { testWorker } from '@sluice/testkit/vitest'
import type { JobPlace } from '../src/layout.js'
import { WorkerBench, eventually } from './worker-bench.js'

testWorker('a local process', async () => new ProcessHarness(new WorkerBench()), { timeoutMs: 120_000 })

/** The command counts its start and waits at a pipe until it is told how to end. */
const SCRIPT =
  'echo "$SLUICE_JOB_KEY" >> "$LOG"; mkfifo "$SLUICE_OUTPUT_DIR/gate"; read -r how < "$SLUICE_OUTPUT_DIR/gate"; [ "$how" = SUCCESS ]'

class ProcessHarness implements WorkerHarness {
  readonly #bench: WorkerBench
  readonly #names = new Set<string>()

  constructor(bench: WorkerBench) {
    this.#bench = bench
  }

  open(name = 'contract'): Promise<Worker> {
    return this.#bench.open(this.#options(name))
  }

  body() {
    return { word: 'go' }
  }

  refusedItem() {
    return { id: 'without the word', body: {} }
  }

  async finish(job: JobRef, how: 'SUCCESS' | 'FAIL'): Promise<void> {
    const place = await this.#place(job)
    if (place === undefined) throw new Error(`no such job: ${JSON.stringify(job)}`)
    const gate = join(place.output, 'gate')
    await eventually(
      'the job waits at its gate',
      async () => (await stat(gate).catch(() => undefined)) !== undefined,
    )
    await writeFile(gate, `${how}\n`)
    await eventually('it has ended', async () => (await readdir(join(place.ended, '..'))).includes(place.key))
  }

  /** A job that was accepted starts in its own time. One whose sender was killed may never do so before somebody polls. */
  async starts(job: JobRef): Promise<number> {
    const place = await this.#place(job)
    if (place === undefined) return 0
    const until = Date.now() + 1_000
    await eventually('it starts', async () => (await this.#count(place)) > 0 || Date.now() > until)
    return this.#count(place)
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
    return this.#bench.close()
  }

  #options(name: string) {
    this.#names.add(name)
    const command = ['sh', '-c', SCRIPT, 'sh', '{body.word}']
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
