import type { ItemSummary } from '@sluice/core'
import type { Tick } from '../tick/tick.js'
import type { MissingJob } from '../records/missing-jobs.js'
import type { Holdup } from './holdup.js'
import type { Decisions } from '../reconcile/decisions.js'

/** Notes what keeps items in PROCESSING from going on. */
export function noteReconcileHoldups(
  { seen, rules, tally }: Tick,
  {
    earlierWaits,
    held,
    missing,
  }: Pick<Decisions, 'earlierWaits' | 'held'> & { readonly missing: readonly MissingJob[] },
): void {
  const [waiting, lost] = [earlierWaits[0], held[0]]
  if (waiting !== undefined) {
    const message = `items wait for the job of an earlier attempt to end, such as ${nameOf(waiting)}`
    tally.holdups.push({ code: 'earlier-attempt', message, items: earlierWaits.length })
  }
  if (lost !== undefined) {
    const message = `jobs are lost, such as that of ${nameOf(lost)}; their items stay until an operator releases or settles them`
    tally.holdups.push({ code: 'lost', message, items: held.length })
  }
  const longest = missing.toSorted((a, b) => b.absentMs - a.absentMs)[0]
  if (longest !== undefined) tally.holdups.push(missingHoldup(longest, missing.length, rules.lost.graceMs))
  if (seen.trouble !== undefined) tally.holdups.push({ code: 'storage-unavailable', message: seen.trouble })
}

function missingHoldup({ item, absentMs }: MissingJob, items: number, graceMs: number): Holdup {
  const message =
    `the worker no longer knows jobs that had started, such as that of ${nameOf(item)}; ` +
    `they are lost after ${Math.round(graceMs / 1_000)} s, unless it knows them again`
  return { code: 'missing', message, items, forMs: graceMs - absentMs }
}

function nameOf({ id, attempt }: Pick<ItemSummary, 'id' | 'attempt'>): string {
  return `item ${JSON.stringify(id)} at attempt ${attempt}`
}
