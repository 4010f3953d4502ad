import { existsSync, mkdirSync, readFileSync, rmdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'

const ROOT = '/sys/fs/cgroup'
let serial = 0

/**
 * A control group of the kernel, of either version: what runs in it has so much of something and no more. To
 * make one takes root, on Linux.
 */
export class ControlGroup {
  readonly #dir: string
  readonly #isSecond: boolean

  constructor(controller: 'memory' | 'pids') {
    this.#isSecond = existsSync(join(ROOT, 'cgroup.controllers'))
    const parent = this.#isSecond ? ROOT : join(ROOT, controller)
    this.#dir = join(parent, `sluice-test-${process.pid}-${serial++}`)
    mkdirSync(this.#dir)
    if (existsSync(join(this.#dir, controller === 'pids' ? 'pids.max' : this.#memoryLimit))) return
    rmdirSync(this.#dir)
    throw new Error(`the controller ${controller} is not to be had`)
  }

  /** For a shell that moves itself into the group. */
  get procsFile(): string {
    return join(this.#dir, 'cgroup.procs')
  }

  limitMemory(bytes: number): void {
    writeFileSync(join(this.#dir, this.#memoryLimit), String(bytes))
  }

  /** Processes and threads: those that are there, and so many more. */
  limitPids(more: number): void {
    const current = Number(readFileSync(join(this.#dir, 'pids.current'), 'utf8'))
    writeFileSync(join(this.#dir, 'pids.max'), Number.isFinite(more) ? String(current + more) : 'max')
  }

  /** @returns whether nothing runs in it any more, and it is gone */
  remove(): boolean {
    try {
      rmdirSync(this.#dir)
      return true
    } catch {
      return false
    }
  }

  get #memoryLimit(): string {
    return this.#isSecond ? 'memory.max' : 'memory.limit_in_bytes'
  }
}

/** Why there can be no such group here, or `undefined`. */
export function lacksControlGroup(controller: 'memory' | 'pids'): string | undefined {
  try {
    new ControlGroup(controller).remove()
    return undefined
  } catch {
    return `a control group for ${controller} can be made by root on Linux only`
  }
}
