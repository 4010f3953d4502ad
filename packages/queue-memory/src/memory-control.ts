import { cutReason, type ControlState, type QueueControl } from '@sluice/core'

/** The control state of one queue, kept in its store. */
export class ControlTable {
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

  setLimits(limits: Readonly<Record<string, number | null>>): void {
    for (const [name, limit] of Object.entries(limits)) {
      if (limit === null) this.#limits.delete(name)
      else this.#limits.set(name, limit)
    }
  }
}

/** The control of one queue object. `assertOpen` throws once that object is closed. */
export function memoryControl(table: ControlTable, assertOpen: () => void): QueueControl {
  return {
    read: async () => {
      assertOpen()
      return table.read()
    },
    pause: async (reason) => {
      assertOpen()
      table.pause(cutReason(reason))
    },
    resume: async () => {
      assertOpen()
      table.resume()
    },
    sync: async () => {
      assertOpen()
      return table.sync()
    },
    setLimits: async (limits) => {
      assertOpen()
      assertLimits(limits)
      table.setLimits(limits)
    },
  }
}

function assertLimits(limits: Readonly<Record<string, unknown>>): void {
  for (const [name, limit] of Object.entries(limits)) {
    if (limit === null || (typeof limit === 'number' && Number.isFinite(limit) && limit >= 0)) continue
    throw new TypeError(
      `limit ${JSON.stringify(name)} must be a number of 0 or more, or null to take it away`,
    )
  }
}
