import { fork, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'

/** What one side asks of the other, and the answer. */
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

/** A program of the bench in a process of its own, which ends with this one however that ends. */
export class Helper {
  readonly #child: ChildProcess
  readonly #open = new Map<number, PromiseWithResolvers<unknown>>()
  #number = 0

  constructor(program: string, setup: unknown) {
    this.#child = fork(program, [JSON.stringify(setup)], { stdio: ['ignore', 'inherit', 'inherit', 'ipc'] })
    this.#child.on('message', (answer: Answer) => this.#settle(answer))
    this.#child.on('exit', (code, signal) => {
      const words = `${program} ended with ${signal ?? code}`
      for (const { reject } of this.#open.values()) reject(new Error(words))
      this.#open.clear()
    })
  }

  get pid(): number {
    return this.#child.pid ?? 0
  }

  get isRunning(): boolean {
    return this.#child.exitCode === null && this.#child.signalCode === null
  }

  /** The caller says what type the program answers with. */
  async call<T>(call: string, value?: unknown): Promise<T> {
    const number = this.#number++
    const answer = Promise.withResolvers<unknown>()
    this.#open.set(number, answer)
    if (this.isRunning) this.#child.send({ number, call, value } satisfies Question, () => undefined)
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
    this.#child.disconnect()
    await ended
  }

  #settle({ number, value, error }: Answer): void {
    const answer = this.#open.get(number)
    this.#open.delete(number)
    if (error === undefined) answer?.resolve(value)
    else answer?.reject(new Error(error))
  }
}

/** The calls that a program answers. */
export type Calls = Readonly<Record<string, (value: never) => unknown>>

/** The side of the program: answers until the other side is gone. */
export function answer(calls: Calls): void {
  process.on('message', async ({ number, call, value }: Question) => {
    try {
      // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- as in `Helper.call`
      reply({ number, value: await calls[call]?.(value as never) })
    } catch (error) {
      reply({ number, error: String(error) })
    }
  })
  process.once('disconnect', () => process.exit())
}

function reply(answer: Answer): void {
  if (process.connected) process.send?.(answer, undefined, {}, () => undefined)
}

/** What the program was started with. */
export function setupOf<T>(): T {
  const setup: T = JSON.parse(process.argv[2] ?? '')
  return setup
}
