import type { Tick } from '../tick/tick.js'
import type { Findings } from '../reconcile/reconcile.js'
import type { SendPass } from '../dispatch/send-pass.js'
import type { DecidedSettlement } from '../settling/settle.js'

/**
 * Counts the ends of a tick's jobs before any of them is settled.
 *
 * @returns whether the queue is paused, by an operator or by a guard
 *
 * @throws SluiceError of the queue: then nothing may be settled
 */
export async function obeyGuards(tick: Tick, pass: SendPass, findings: Findings): Promise<boolean> {
  const { guards } = tick
  const { control } = pass
  const { settlements } = findings.decisions
  await guards.obey(control, { items: findings.found.items, ends: settlements })
  noteStarts(tick, findings)
  guards.noteEnds(settlements)
  await guards.record(control)
  const isPaused = control.paused || guards.isTripped
  // Items that were rejected after their pass go back to WAITING with the unsent ones.
  if (isPaused) pass.takeRejected()
  return isPaused
}

/**
 * A job that runs or has succeeded ends the row of jobs that were refused before it. At the same instant, the
 * success is the later one.
 */
function noteStarts({ guards }: Tick, { found, decisions }: Findings): void {
  const { settlements } = decisions
  const wentWellAt = settlements.map(succeededAt).reduce(latest, undefined)
  const refusedSince = guards.startsRefusedSinceAt
  const runsSince = refusedSince === undefined ? undefined : startedLast(found)
  const hasBegun = refusedSince !== undefined && runsSince !== undefined && runsSince > refusedSince
  if (wentWellAt !== undefined || hasBegun) guards.noteSuccess('start')
  for (const { settlement, isRefusedStart = false, endedAt = 0 } of settlements)
    if (isRefusedStart && endedAt > (wentWellAt ?? Number.NEGATIVE_INFINITY))
      guards.noteRefusedStart({ settlement, endedAt })
}

function succeededAt({ settlement, endedAt }: DecidedSettlement): number | undefined {
  return settlement.stage === 'SUCCESS' ? (endedAt ?? Number.POSITIVE_INFINITY) : undefined
}

/** When the latest of the jobs that have begun was started, as far as the worker reports it. */
function startedLast({ reports }: Findings['found']): number | undefined {
  return [...reports.values()]
    .map(({ stage, pending, startedAt }) =>
      stage === 'PROCESSING' && pending === false ? startedAt : undefined,
    )
    .reduce(latest, undefined)
}

function latest(one: number | undefined, other: number | undefined): number | undefined {
  return one === undefined || other === undefined ? (one ?? other) : Math.max(one, other)
}
