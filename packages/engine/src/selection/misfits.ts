import type { ItemSummary, QueueItem } from '@sluice/core'
import type { SendPass } from '../dispatch/send-pass.js'
import type { DecidedSettlement } from '../settling/settle.js'
import type { Tick } from '../tick/tick.js'
import type { Misfit } from './item-selection.js'
import type { SelectedItems } from './selector.js'

/** Items that can never start fail with the pass, as those that the worker rejects; the others are returned. */
export function noteMisfits(
  pass: SendPass,
  { items, misfits }: SelectedItems,
): readonly QueueItem<unknown>[] {
  if (misfits.length === 0) return items
  const uids = new Set(misfits.map(({ item }) => item.uid))
  for (const misfit of misfits) reject(pass, misfit)
  return items.filter(({ uid }) => !uids.has(uid))
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
