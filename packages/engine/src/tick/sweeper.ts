import { isSluiceError, type Runtime, type Logger, type Queue, type SweepReport } from '@sluice/core'
import type { SweepRule } from '../work-queue-options.js'
import type { WorkEvent } from '../work-event.js'

/** A service that was just started has better things to do, and one that is started again and again should get there all the same. */
const FIRST_AFTER_MS = 300_000

/** What a {@link Sweeper} sweeps, and whom it tells. */
export interface SweeperOptions {
  readonly queue: Pick<Queue, 'name' | 'supports' | 'sweep'>
  readonly rule: SweepRule
  readonly runtime: Pick<Runtime, 'monotonicMs'>
  readonly logger: Logger
  readonly emit: (event: WorkEvent) => void
}

/**
 * Sweeps the queue beside the ticks: one sweep at a time, and not more than one in `everyMs`. Nothing waits for it, and nothing is lost
 * where none ever ends: what one sweep leaves the next one finds.
 */
export class Sweeper {
  readonly #options: SweeperOptions
  #dueAtMonotonic: number
  #isSweeping = false

  constructor(options: SweeperOptions) {
    this.#options = options
    const { rule, runtime } = options
    this.#dueAtMonotonic = runtime.monotonicMs() + Math.min(rule.everyMs, FIRST_AFTER_MS)
  }

  /** Starts a sweep if it is time for one. Called by the holder of the lease, at the end of a tick that left nothing to hurry for. */
  start(): void {
    const { queue, rule, runtime } = this.#options
    if (rule.everyMs === 0 || queue.supports.sweep !== true || this.#isSweeping) return
    if (runtime.monotonicMs() < this.#dueAtMonotonic) return
    this.#isSweeping = true
    void this.#sweep()
  }

  /** Never rejects. */
  async #sweep(): Promise<void> {
    const { queue, rule, runtime, logger, emit } = this.#options
    const { retentionMs } = rule
    try {
      const report = await queue.sweep?.(retentionMs === undefined ? {} : { retentionMs })
      if (report !== undefined && hasDone(report)) emit({ kind: 'swept', report })
    } catch (error) {
      // Closed under its hands: that is how a service ends.
      if (!isSluiceError(error, 'SLUICE_QUEUE_CLOSED'))
        logger.warn({ err: error, queue: queue.name }, 'a sweep was cut short; the next one goes on')
    }
    this.#dueAtMonotonic = runtime.monotonicMs() + rule.everyMs
    this.#isSweeping = false
  }
}

function hasDone({ repaired, leftovers, removed }: SweepReport): boolean {
  return repaired + leftovers + removed > 0
}
