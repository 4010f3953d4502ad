import type { ControlState } from '@sluice/core'
import type { ControlBackend } from '@sluice/core/backend'

/** The control state of one queue, kept in its store. */
export class ControlTable implements ControlBackend {
  #pause: Pick<ControlState, 'reason' | 'pausedAt'> | undefined
  readonly #limits = new Map<string, number>()
  #syncs = 0
  readonly #now: () => number

  constructor(now: () => number) {
    this.#now = now
  }

  read(): ControlState {
    const limits = Object.fromEntries(this.#limits)
    const syncs = this.#syncs === 0 ? {} : { syncs: this.#syncs }
    return { paused: this.#pause !== undefined, ...this.#pause, limits, ...syncs }
  }

  /** Paused again, it takes the new reason and keeps the instant of the first. */
  pause(reason: string | undefined): void {
    const pausedAt = this.#pause?.pausedAt ?? this.#now()
    this.#pause = reason === undefined ? { pausedAt } : { reason, pausedAt }
  }

  sync(): number {
    return ++this.#syncs
  }

  resume(): void {
    this.#pause = undefined
  }

  setLimits(limits: readonly (readonly [string, number | null])[]): void {
    for (const [name, limit] of limits) {
      if (limit === null) this.#limits.delete(name)
      else this.#limits.set(name, limit)
    }
  }
}
