import { spawn, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { createInterface } from 'node:readline'

/** What one side asks of the other. */
interface Question {
  readonly number: number
  readonly call: string
  readonly value?: unknown
}

interface Answer {
  readonly number: number
  readonly value?: unknown
  readonly error?: string
}

/**
 * A program of the bench: it reads questions from its input, a line of JSON each, and answers on its output.
 */
export interface Program {
  /** Default that of this process: Node. */
  readonly command?: string
  readonly file: string
  readonly setup: unknown
}

/** A program in a process of its own, which ends with this one however that ends. */
export class Helper {
  readonly #child: ChildProcess
  readonly #open = new Map<number, PromiseWithResolvers<unknown>>()
  #number = 0

  constructor({ command = process.execPath, file, setup }: Program) {
    this.#child = spawn(command, [file, JSON.stringify(setup)], { stdio: ['pipe', 'pipe', 'inherit'] })
    // It may be killed while it is asked.
    this.#child.stdin?.on('error', () => undefined)
    if (this.#child.stdout !== null)
      createInterface({ input: this.#child.stdout }).on('line', (line) => this.#settle(JSON.parse(line)))
    this.#child.on('error', (error) => this.#rejectAll(error))
    this.#child.on('exit', (code, signal) => {
      this.#rejectAll(new Error(`${file} ended with ${signal ?? code}`))
    })
  }

  get isRunning(): boolean {
    return this.#child.exitCode === null && this.#child.signalCode === null
  }

  /** The caller says what type the program answers with. */
  async call<T>(call: string, value?: unknown): Promise<T> {
    const number = this.#number++
    const answer = Promise.withResolvers<unknown>()
    this.#open.set(number, answer)
    if (this.isRunning)
      this.#child.stdin?.write(`${JSON.stringify({ number, call, value } satisfies Question)}\n`)
    else this.#settle({ number, error: 'the process has ended' })
    // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- both sides are programs of this folder
    return (await answer.promise) as T
  }

  async kill(): Promise<void> {
    if (!this.isRunning) return
    const ended = once(this.#child, 'exit')
    this.#child.kill('SIGKILL')
    await ended
  }

  /** Lets it end by itself. */
  async end(): Promise<void> {
    if (!this.isRunning) return
    const ended = once(this.#child, 'exit')
    await this.call('end')
    this.#child.stdin?.end()
    await ended
  }

  #settle({ number, value, error }: Answer): void {
    const answer = this.#open.get(number)
    this.#open.delete(number)
    if (error === undefined) answer?.resolve(value)
    else answer?.reject(new Error(error))
  }

  #rejectAll(error: Error): void {
    for (const { reject } of this.#open.values()) reject(error)
    this.#open.clear()
  }
}

/** The calls that a program answers. */
export type Calls = Readonly<Record<string, (value: never) => unknown>>

/** The side of the program: answers until the other side is gone. */
export function answer(calls: Calls): void {
  const lines = createInterface({ input: process.stdin })
  lines.on('line', (line) => void reply(calls, JSON.parse(line)))
  lines.once('close', () => process.exit())
  process.stdout.on('error', () => process.exit())
}

async function reply(calls: Calls, { number, call, value }: Question): Promise<void> {
  try {
    // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- as in `Helper.call`
    say({ number, value: await calls[call]?.(value as never) })
  } catch (error) {
    say({ number, error: String(error) })
  }
}

function say(answer: Answer): void {
  process.stdout.write(`${JSON.stringify(answer)}\n`)
}
