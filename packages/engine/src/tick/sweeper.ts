import { isSluiceError, type Runtime, type Logger, type Queue, type SweepReport } from '@sluice/core'
import type { SweepRule } from '../work-queue-options.js'
import type { WorkEvent } from '../work-event.js'

/** Not right after the start; soon enough for a service that is restarted often. */
const FIRST_AFTER_MS = 300_000

/** What a {@link Sweeper} sweeps and reports to. */
export interface SweeperOptions {
  readonly queue: Pick<Queue, 'name' | 'supports' | 'sweep'>
  readonly rule: SweepRule
  readonly runtime: Pick<Runtime, 'monotonicMs'>
  readonly logger: Logger
  readonly emit: (event: WorkEvent) => void
}

/**
 * Sweeps the queue in parallel with the ticks: one sweep at a time, at most one in `everyMs`. Nothing waits
 * for it, and nothing is lost where one never ends: the next one finds what it left.
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

  /**
   * Starts a sweep if one is due. Called by the holder of the lease, at the end of a tick without more to do.
   */
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
      // Closed during the sweep: a service ends like this.
      if (!isSluiceError(error, 'SLUICE_QUEUE_CLOSED'))
        logger.warn({ err: error, queue: queue.name }, 'a sweep failed; the next one goes on')
    }
    this.#dueAtMonotonic = runtime.monotonicMs() + rule.everyMs
    this.#isSweeping = false
  }
}

function hasDone({ repaired, leftovers, removed }: SweepReport): boolean {
  return repaired + leftovers + removed > 0
}
