import type { ItemRecord, Queue, Runtime, Stage } from '@sluice/core'
import { FailureGroups } from '../report/failure-groups.js'
import { summaryOf, type FailureSummary } from '../report/failure-table.js'
import { reportRows } from '../report/report-rows.js'

/** The outcomes of all items of a demo, over all runs. */
export interface DemoOutcome {
  readonly sizes: Readonly<Record<Stage, number>>
  /** The sum over all digested files. */
  readonly bytes: number
  /** From the first claim to the last end, pauses included. */
  readonly spanMs: number
  /** The most attempts of one item: 1 where none ran twice. */
  readonly mostAttempts: number
  readonly failures: FailureSummary
  /** Failed items without a reason. */
  readonly unexplained: number
}

/** Reads the outcomes of a demo's queue. */
export async function readOutcome(
  queue: Queue,
  { runtime }: { readonly runtime: Runtime },
): Promise<DemoOutcome> {
  const tally = new Tally()
  for await (const item of reportRows(queue, { runtime })) tally.add(item)
  return { sizes: await queue.sizes(), ...tally.result() }
}

const SHOWN_GROUPS = 20

class Tally {
  readonly #groups = new FailureGroups()
  #bytes = 0
  #mostAttempts = 0
  #unexplained = 0
  #firstAt = Number.POSITIVE_INFINITY
  #lastAt = Number.NEGATIVE_INFINITY

  add(item: ItemRecord): void {
    this.#mostAttempts = Math.max(this.#mostAttempts, item.attempt)
    this.#firstAt = Math.min(this.#firstAt, item.history[0]?.claimedAt ?? this.#firstAt)
    this.#lastAt = Math.max(this.#lastAt, item.finishedAt ?? this.#lastAt)
    if (item.stage === 'SUCCESS') this.#bytes += sizeOf(item)
    else {
      this.#groups.add(item)
      if ((item.reason ?? '') === '') this.#unexplained += 1
    }
  }

  result(): Omit<DemoOutcome, 'sizes'> {
    return {
      bytes: this.#bytes,
      spanMs: Math.max(0, this.#lastAt - this.#firstAt),
      mostAttempts: this.#mostAttempts,
      failures: summaryOf(this.#groups, SHOWN_GROUPS),
      unexplained: this.#unexplained,
    }
  }
}

function sizeOf({ result }: ItemRecord): number {
  const isObject = typeof result === 'object' && result !== null && 'size' in result
  return isObject && typeof result.size === 'number' ? result.size : 0
}
