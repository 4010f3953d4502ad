import { spawn, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import type { Books } from './kill-books.ts'

const PROCESS = join(import.meta.dirname, 'kill-load-process.ts')
const PROCESSES = 4

/** What a process of the load is started with. */
export interface Work {
  /** The built package of the queue. */
  readonly module: string
  readonly options: object
  /** How many items it claims at once. */
  readonly batch: number
}

/** The processes that work. */
export class Crew {
  readonly #work: Work
  readonly #books: Books
  readonly #running: ChildProcess[] = []

  constructor(work: Work, books: Books) {
    this.#work = work
    this.#books = books
  }

  async fill(): Promise<void> {
    while (this.#running.length < PROCESSES) this.#running.push(await this.#start())
  }

  /** Somewhere in its work, and another takes its place. */
  async killOne(number: number): Promise<void> {
    const [child] = this.#running.splice(number % PROCESSES, 1)
    child?.kill('SIGKILL')
    await this.fill()
  }

  async end(): Promise<void> {
    await Promise.all(
      this.#running.map(async (child) => {
        const closed = once(child, 'close')
        child.kill('SIGTERM')
        await closed
        if (child.exitCode !== 0) throw new Error(`a process of the load ended with ${child.exitCode}`)
      }),
    )
  }

  async #start(): Promise<ChildProcess> {
    const { module, options, batch } = this.#work
    const child = spawn(process.execPath, [PROCESS, JSON.stringify({ module, options, batch })], {
      stdio: ['ignore', 'pipe', 'inherit'],
    })
    const reader = createInterface({ input: child.stdout })
    reader.on('line', (line) => this.#books.read(line))
    await once(reader, 'line')
    return child
  }
}
