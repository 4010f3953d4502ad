import type { Clock } from '@sluice/core'

/** Time that stands still until it is told to go on. */
export class ManualClock implements Clock {
  readonly #sleeps = new Set<{ readonly endMs: number; readonly end: () => void }>()
  #ms = 0

  now(): number {
    return 1_800_000_000_000 + this.#ms
  }

  monotonicMs(): number {
    return this.#ms
  }

  get sleepers(): number {
    return this.#sleeps.size
  }

  sleep(ms: number, signal?: AbortSignal): Promise<void> {
    return new Promise((resolve) => {
      const sleep = {
        endMs: this.#ms + ms,
        end: () => {
          this.#sleeps.delete(sleep)
          signal?.removeEventListener('abort', sleep.end)
          resolve()
        },
      }
      if (signal?.aborted === true) {
        resolve()
        return
      }
      this.#sleeps.add(sleep)
      signal?.addEventListener('abort', sleep.end)
    })
  }

  /** Without letting anybody run: for tests that call tick themselves. */
  skip(ms: number): void {
    this.#ms += ms
  }

  /** Goes on sleep by sleep, so that each sleeper wakes at its own moment and does what it does. */
  async advance(ms: number): Promise<void> {
    const endMs = this.#ms + ms
    await settled()
    for (;;) {
      const next = [...this.#sleeps].sort((a, b) => a.endMs - b.endMs)[0]
      if (next === undefined || next.endMs > endMs) break
      this.#ms = Math.max(this.#ms, next.endMs)
      next.end()
      await settled()
    }
    this.#ms = endMs
  }
}

/** Everything that can go on without time passing has gone on. */
export async function settled(): Promise<void> {
  for (let turn = 0; turn < 5; turn++) await new Promise((resolve) => setImmediate(resolve))
}
