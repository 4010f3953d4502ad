import type { ItemSummary, QueueItem } from '@sluice/core'
import { giveBack } from '../dispatch/give-back.js'
import type { SendPass } from '../dispatch/send-pass.js'
import type { DecidedSettlement } from '../settling/settle.js'
import type { Tick } from '../tick/tick.js'
import type { Misfit } from './item-selection.js'
import type { SelectedItems } from './selector.js'

const CHANGED = 'not sent: what it uses was changed while it was claimed'
const PAUSED = 'not sent: items before it do not fit the configured limits, and the queue is paused'

/**
 * Those of the claimed items that may start. What can never start fails with the pass, as what the worker
 * rejects; what was changed between the choice and the claim goes back.
 */
export async function startableOf(
  tick: Tick,
  pass: SendPass,
  { items, misfits, changed }: SelectedItems,
): Promise<readonly QueueItem<unknown>[]> {
  if (misfits.length === 0 && changed.length === 0) return items
  const others = new Set([...misfits.map(({ item }) => item.uid), ...changed.map(({ uid }) => uid)])
  for (const { uid } of items) if (others.has(uid)) pass.noteBegun({ uid })
  await goBack(tick, changed, CHANGED)
  await goBack(tick, failedUntilPaused(tick, pass, misfits), PAUSED)
  return items.filter(({ uid }) => !others.has(uid))
}

/** The same for items that were claimed by a process that died before it failed them. */
export function withoutMisfits(
  tick: Tick,
  pass: SendPass,
  items: readonly ItemSummary[],
): readonly ItemSummary[] {
  const misfits = tick.selector?.misfitsOf(items, pass.control.limits) ?? []
  if (misfits.length === 0) return items
  const unfit = new Set(misfits.map(({ item }) => item))
  failedUntilPaused(tick, pass, misfits)
  return items.filter((item) => !unfit.has(item))
}

/** @returns those that were left: so many have failed in a row before them that the queue is paused */
function failedUntilPaused({ guards }: Tick, pass: SendPass, misfits: readonly Misfit[]): ItemSummary[] {
  return misfits.flatMap(({ item, reason }) => {
    if (guards.isTripped) return [item]
    pass.noteRejected(decidedOf(item, reason))
    return []
  })
}

async function goBack(tick: Tick, items: readonly ItemSummary[], reason: string): Promise<void> {
  if (items.length > 0) await giveBack(tick, { items, reason })
}

function decidedOf({ id, uid, attempt }: ItemSummary, reason: string): DecidedSettlement {
  const why = `the item does not fit the configured limits: ${reason}`
  const settlement = { id, uid, attempt, stage: 'FAIL', reason: why, failureClass: 'rejected' } as const
  return { settlement, why: 'rejected' }
}
