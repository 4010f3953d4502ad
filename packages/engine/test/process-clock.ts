import type { Clock } from '@sluice/core'

/** The clock of one process on a machine whose time goes on: while the process is suspended, none of its sleeps ends. */
export class ProcessClock implements Clock {
  readonly #clock: Clock
  #suspended: PromiseWithResolvers<void> | undefined

  constructor(clock: Clock) {
    this.#clock = clock
  }

  now(): number {
    return this.#clock.now()
  }

  monotonicMs(): number {
    return this.#clock.monotonicMs()
  }

  async sleep(ms: number, signal?: AbortSignal): Promise<void> {
    await this.#clock.sleep(ms, signal)
    await this.#suspended?.promise
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
