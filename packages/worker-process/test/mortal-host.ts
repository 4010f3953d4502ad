import { AsyncLocalStorage } from 'node:async_hooks'
import type childProcess from 'node:child_process'
import type syncFs from 'node:fs'
import type fs from 'node:fs/promises'

const current = new AsyncLocalStorage<MortalHost>()

/**
 * A process that dies, without the process: what runs in it stops for ever at its `diesAt`-th change to the
 * world, which no longer happens, and the pipes to its supervisors close. So a thousand deaths take seconds.
 * That a real SIGKILL is no worse is for the tests with real processes.
 */
export class MortalHost {
  readonly #diesAt: number
  readonly #lastBreath = Promise.withResolvers<undefined>()
  readonly #pipes: (() => void)[] = []
  #changes = Number.NEGATIVE_INFINITY
  #dead = false

  constructor(diesAt = Number.POSITIVE_INFINITY) {
    this.#diesAt = diesAt
  }

  get dead(): boolean {
    return this.#dead
  }

  /** Begins to count its changes. */
  count(): void {
    this.#changes = 0
  }

  /** What the function gives, or `undefined` when the host died in it. */
  run<T>(act: () => Promise<T>): Promise<T | undefined> {
    return Promise.race([current.run(this, act), this.#lastBreath.promise])
  }

  /** @returns whether this change happens */
  change(): boolean {
    if (!this.#dead && this.#changes++ === this.#diesAt) {
      this.#dead = true
      for (const close of this.#pipes) close()
      this.#lastBreath.resolve(undefined)
    }
    return !this.#dead
  }

  closeAtDeath(close: () => void): void {
    this.#pipes.push(close)
  }
}

const CHANGES = ['mkdir', 'open', 'rename', 'rm', 'symlink', 'unlink', 'writeFile'] as const
const LOOKS = ['lstat', 'readFile', 'readdir', 'readlink', 'stat'] as const
const SYNC_CHANGES = ['mkdirSync', 'renameSync', 'rmdirSync', 'rmSync', 'symlinkSync', 'unlinkSync'] as const

/** To be put in place of the real module by `vi.mock`. */
export function mortalFs(real: typeof fs) {
  const mortal = Object.fromEntries([
    ...CHANGES.map((name) => [name, orNever(real[name], (host) => host.change())]),
    ...LOOKS.map((name) => [name, orNever(real[name], (host) => !host.dead)]),
  ])
  return { ...real, ...mortal }
}

function orNever(real: (...args: never[]) => Promise<unknown>, happens: (host: MortalHost) => boolean) {
  return (...args: never[]): Promise<unknown> => {
    const host = current.getStore()
    return host === undefined || happens(host) ? real(...args) : new Promise(() => {})
  }
}

/** The same for calls that can't wait for ever: they throw, and so does all that would clean up. */
export function mortalSyncFs(real: typeof syncFs) {
  const mortal = SYNC_CHANGES.map((name) => [
    name,
    (...args: never[]): unknown => {
      const host = current.getStore()
      if (host?.change() === false) throw new Error('this process is dead')
      return Reflect.apply(real[name], real, args)
    },
  ])
  return { ...real, ...Object.fromEntries(mortal) }
}

/** To be put in place of the real module by `vi.mock`. */
export function mortalChildProcess(real: typeof childProcess) {
  const spawn = (file: string, args: string[], options: childProcess.SpawnOptions) => {
    const host = current.getStore()
    if (host?.change() === false) throw new Error('this process is dead')
    const child = real.spawn(file, args, options)
    if (host === undefined || !child.connected) return child
    host.closeAtDeath(() => child.connected && child.disconnect())
    const send = child.send.bind(child)
    child.send = (message: childProcess.Serializable) => host.change() && send(message)
    return child
  }
  return { ...real, spawn }
}
