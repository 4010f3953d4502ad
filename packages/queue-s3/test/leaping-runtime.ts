import type { Runtime } from '@sluice/core'
import { systemRuntime } from '@sluice/core/backend'

/**
 * The machine's runtime, whose clocks can be moved ahead and back: requests and their timeouts take real
 * time, long waits none.
 */
export class LeapingRuntime implements Runtime {
  #aheadMs = 0
  readonly #frozenAt: number | undefined
  /** The machine's own wall clock may be adjusted during a test. */
  #wallOffsetMs = systemRuntime.now() - systemRuntime.monotonicMs()

  /**
   * @param isFrozen its clocks stand still between leaps: for counts of requests, some of which depend on the
   * time
   */
  constructor(isFrozen = false) {
    this.#frozenAt = isFrozen ? systemRuntime.monotonicMs() : undefined
  }

  now(): number {
    return Math.floor(this.monotonicMs() + this.#wallOffsetMs)
  }

  monotonicMs(): number {
    return (this.#frozenAt ?? systemRuntime.monotonicMs()) + this.#aheadMs
  }

  sleep(...sleep: Parameters<Runtime['sleep']>): Promise<void> {
    return systemRuntime.sleep(...sleep)
  }

  yield(): Promise<void> {
    return systemRuntime.yield()
  }

  random(): number {
    return systemRuntime.random()
  }

  newId(): string {
    return systemRuntime.newId()
  }

  async advance(ms: number): Promise<void> {
    this.#aheadMs += ms
    await systemRuntime.yield()
  }

  /** As an operator or NTP sets the wall clock back. */
  setBack(ms: number): void {
    this.#wallOffsetMs -= ms
  }
}

/** The same, which also moves ahead in place of a long wait: for a call that waits by itself. */
export class SkippingRuntime extends LeapingRuntime {
  /** Called in each wait that is skipped. */
  onSkip: () => void = () => undefined

  override async sleep(...[ms, signal, options]: Parameters<Runtime['sleep']>): Promise<void> {
    if (ms < LONG_MS || options?.background === true) return super.sleep(ms, signal, options)
    this.onSkip()
    await this.advance(ms)
  }
}

/** Longer than any pause before a retry. */
const LONG_MS = 3_000
