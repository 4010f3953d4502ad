import type { Layout } from '../layout.js'
import { parseStint, stepOf, type Stint } from '../stint-name.js'
import { look, type Protocol } from '../storage-op.js'

/**
 * Notes a name of an item that has led to another one, so that a later search of the item begins there: each fourth, before its objects are retired. So the
 * search of an item costs the same after a thousand attempts and updates as after eight.
 *
 * It is a hint and no more. The object is written over; a write that comes late sets it back, and makes the searches longer until the next one.
 */
export function* noteAttempt(layout: Layout, name: string): Protocol<void> {
  const stint = parseStint(name)
  if (stint === undefined || stepOf(stint) % layout.attemptStep !== 0) return
  yield { do: 'empty', key: layout.latest(stint), meta: { to: 'WAITING', name } }
}

/** The name that was noted of the same item, if it is a later one. */
export function* notedAfter(layout: Layout, stint: Stint): Protocol<string | undefined> {
  const { name } = (yield* look(layout.latest(stint)))?.meta ?? {}
  const noted = name === undefined ? undefined : parseStint(name)
  if (noted === undefined || noted.uid !== stint.uid || noted.key !== stint.key) return undefined
  return stepOf(noted) > stepOf(stint) ? name : undefined
}
