import type { ItemHead } from '@sluice/core'
import type { Engine } from '../engine.js'
import { forEachParallel } from '../parallel.js'
import type { Tally } from '../tick-result.js'
import { isKnownUnsent, settleUnsent } from './known-unsent.js'
import { givenBack } from './send-settlements.js'

/**
 * Gives claims back, uncounted and in the place in the order that they had: those that were never tried, and those of which the worker is sure that it
 * has no job. The others keep their claims, since a job of theirs may run.
 *
 * @param reason for people, kept with the item
 */
export async function giveBack(
  engine: Engine,
  tally: Tally,
  { items, reason }: { items: readonly ItemHead[]; reason: string },
): Promise<void> {
  const unsent: ItemHead[] = []
  await forEachParallel(items, engine.sendConcurrency, async (item) => {
    if (await isKnownUnsent(engine, item)) unsent.push(item)
  })
  const decided = unsent.map(
    (item) => ({ settlement: givenBack(engine, item, reason), why: 'unsent' }) as const,
  )
  await settleUnsent(engine, tally, decided)
}
