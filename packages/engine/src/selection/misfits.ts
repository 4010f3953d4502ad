import type { ItemSummary, QueueItem } from '@sluice/core'
import { giveBack } from '../dispatch/give-back.js'
import type { SendPass } from '../dispatch/send-pass.js'
import type { DecidedSettlement } from '../settling/settle.js'
import type { Tick } from '../tick/tick.js'
import type { Misfit } from './item-selection.js'
import type { SelectedItems } from './selector.js'

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
  for (const misfit of misfits) reject(pass, misfit)
  for (const item of changed) pass.noteBegun(item)
  if (changed.length > 0)
    await giveBack(tick, {
      items: changed,
      reason: 'not sent: what it uses was changed while it was claimed',
    })
  const others = new Set([...misfits.map(({ item }) => item.uid), ...changed.map(({ uid }) => uid)])
  return items.filter(({ uid }) => !others.has(uid))
}

/** The same for items that were claimed by a process that died before it failed them. */
export function withoutMisfits(
  { selector }: Tick,
  pass: SendPass,
  items: readonly ItemSummary[],
): readonly ItemSummary[] {
  const misfits = selector?.misfitsOf(items, pass.control.limits) ?? []
  if (misfits.length === 0) return items
  const unfit = new Set(misfits.map(({ item }) => item))
  for (const misfit of misfits) reject(pass, misfit)
  return items.filter((item) => !unfit.has(item))
}

function reject(pass: SendPass, { item, reason }: Misfit): void {
  pass.noteBegun(item)
  pass.noteRejected(decidedOf(item, reason))
}

function decidedOf({ id, uid, attempt }: ItemSummary, reason: string): DecidedSettlement {
  const why = `the item does not fit the configured limits: ${reason}`
  const settlement = { id, uid, attempt, stage: 'FAIL', reason: why, failureClass: 'rejected' } as const
  return { settlement, why: 'rejected' }
}
