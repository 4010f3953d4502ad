import type { AttemptKey } from '../format/attempt-key.js'
import type { Layout } from '../format/layout.js'
import { again, type Protocol } from '../store/storage-op.js'
import { claimAttempt, type ClaimResult, type ClaimWanted } from './claim-attempt.js'
import { findPlace } from './find-item.js'

/** One item, and where it may be found without a search. */
export interface NamedItem {
  readonly key: string
  readonly uid: string
  /** The name that it was last seen to wait under, due then. */
  readonly seen?: { readonly name: string; readonly attemptKey: AttemptKey }
}

/**
 * WAITING → PROCESSING for one item, whatever its place in the order: a claim of the name that it waits
 * under. That where it was last seen is tried first; if it is over, a search follows, which finishes what is
 * unfinished, as a lookup does. Crash points are those of `claimAttempt`.
 *
 * @returns `lost`: it cannot be given out now, or another process has it
 */
export function* claimNamed(
  layout: Layout,
  { key, uid, seen }: NamedItem,
  wanted: ClaimWanted,
): Protocol<ClaimResult> {
  if (seen !== undefined) {
    const claim = yield* claimAttempt(layout, seen, wanted)
    if (claim.is !== 'lost') return claim
  }
  for (;;) {
    const place = yield* findPlace(layout, key)
    if (place?.at !== 'WAITING' || place.attemptKey.uid !== uid) return { is: 'lost' }
    const { delayed, availableAt } = place.attemptKey
    if (delayed && availableAt > wanted.at) return { is: 'lost' }
    const claim = yield* claimAttempt(layout, place, wanted)
    if (claim.is !== 'lost') return claim
    // It moved on since it was found.
    yield* again(layout.at('WAITING', place.name))
  }
}
