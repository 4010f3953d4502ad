import type { ItemHead } from '@sluice/core'
import type { Engine } from '../engine.js'
import type { Tally } from '../tick-result.js'
import type { Decisions } from './decisions.js'

/** Tells `status` what keeps items in PROCESSING from going on. */
export function tellHoldups({ seen }: Engine, tally: Tally, { earlierWaits, held }: Decisions): void {
  const [waiting, lost] = [earlierWaits[0], held[0]]
  if (waiting !== undefined) {
    const message = `Items wait for the job of an earlier attempt to end, such as ${nameOf(waiting)}`
    tally.holdups.push({ code: 'earlier-attempt', message, items: earlierWaits.length })
  }
  if (lost !== undefined) {
    const message = `Jobs are lost, such as that of ${nameOf(lost)}; their items stay until they are released or settled by hand`
    tally.holdups.push({ code: 'lost', message, items: held.length })
  }
  if (seen.trouble !== undefined) tally.holdups.push({ code: 'storage-unavailable', message: seen.trouble })
}

function nameOf({ id, attempt }: ItemHead): string {
  return `item ${JSON.stringify(id)} at attempt ${attempt}`
}
