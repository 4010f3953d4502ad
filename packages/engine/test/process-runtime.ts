import type { Runtime } from '@sluice/core'

/**
 * The clock of one process on a machine whose time goes on: while the process is suspended, none of its
 * sleeps ends.
 */
export class ProcessRuntime implements Runtime {
  readonly #runtime: Runtime
  #suspended: PromiseWithResolvers<void> | undefined

  constructor(runtime: Runtime) {
    this.#runtime = runtime
  }

  now(): number {
    return this.#runtime.now()
  }

  monotonicMs(): number {
    return this.#runtime.monotonicMs()
  }

  async sleep(ms: number, signal?: AbortSignal): Promise<void> {
    await this.#runtime.sleep(ms, signal)
    await this.#suspended?.promise
  }

  yield(): Promise<void> {
    return this.#runtime.yield()
  }

  random(): number {
    return this.#runtime.random()
  }

  newId(): string {
    return this.#runtime.newId()
  }

  /** As by SIGSTOP. */
  suspend(): void {
    this.#suspended ??= Promise.withResolvers()
  }

  resume(): void {
    this.#suspended?.resolve()
    this.#suspended = undefined
  }
}
