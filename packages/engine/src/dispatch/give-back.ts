import type { ItemSummary } from '@sluice/core'
import type { Tick } from '../tick/tick.js'
import { forEachParallel } from '../parallel.js'
import { isKnownUnsent, settleUnsent } from './known-unsent.js'
import type { SendPass } from './send-pass.js'
import { givenBack } from '../settling/send-settlements.js'

/**
 * Gives claims back, uncounted and to their places in the order: those that were never tried, and those for
 * which a look-up shows that there is no job. The others keep their claims, since they may have jobs.
 *
 * @param reason kept with the item
 */
export async function giveBack(
  tick: Tick,
  { items, reason }: { items: readonly ItemSummary[]; reason: string },
): Promise<void> {
  const unsent: ItemSummary[] = []
  await forEachParallel(items, tick.sendConcurrency, async (item) => {
    if (await isKnownUnsent(tick, item)) unsent.push(item)
  })
  const decided = unsent.map(
    (item) => ({ settlement: givenBack(tick, item, reason), why: 'unsent' }) as const,
  )
  await settleUnsent(tick, decided)
}

/** The same in a pause, by an operator or by Sluice itself. */
export function giveBackPaused(
  tick: Tick,
  { control }: Pick<SendPass, 'control'>,
  items: readonly ItemSummary[],
): Promise<void> {
  const reason = pausedReason(control.paused ? control.reason : tick.guards.pause?.reason)
  return giveBack(tick, { items, reason })
}

/** Why a claim goes back in a pause. */
export function pausedReason(reason: string | undefined): string {
  return reason === undefined ? 'not sent: the queue is paused' : `not sent: the queue is paused: ${reason}`
}
