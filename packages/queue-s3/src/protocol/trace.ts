import type { Layout } from '../layout.js'
import { parseStint, type Stint } from '../stint-name.js'
import { look, type Protocol, type StoredObject } from '../storage-op.js'

/** Where an item is: its current stint, and the stage of it. */
export interface Place {
  /** `GONE`: its removal was decided, and has to be finished. */
  readonly at: 'WAITING' | 'PROCESSING' | 'SUCCESS' | 'FAIL' | 'GONE'
  readonly name: string
  readonly stint: Stint
  /** How the attempt before this stint ended: by `release` or by `fail` and then `requeue`; absent in the first. */
  readonly after?: 'WAITING' | 'FAIL'
  /** The stint before, which may have to be retired still. */
  readonly previous?: string
}

/**
 * Follows an item from its first stint to the current one. The end of each stint was decided by whoever created its object under
 * SUCCESS, and that object names the next one; so this reads nothing but decisions, and no listing. Two reads tell the stage of the
 * last stint, in this order: PROCESSING, then the end. An object under PROCESSING is deleted only after the end was created, so
 *
 * - neither found: it had not been claimed when PROCESSING was looked at;
 * - PROCESSING found, no end: it was being processed between the two.
 */
export function* trace(layout: Layout, first: string): Protocol<Place | undefined> {
  let name = first
  let attempt = 0
  let link: Pick<Place, 'after' | 'previous'> = {}
  for (;;) {
    const stint = parseStint(name)
    // Each stint's attempt is higher than the last one's: whatever is damaged, the walk ends.
    if (stint === undefined || stint.attempt <= attempt) return undefined
    attempt = stint.attempt
    const here = { name, stint, ...link }
    const claim = yield* look(layout.at('PROCESSING', name))
    const end = yield* look(layout.at('SUCCESS', name))
    if (end === undefined) return { at: beforeEnd(claim), ...here }
    const next = yield* afterEnd(layout, name, end)
    if (next === 'SUCCESS' || next === 'FAIL' || next === 'GONE') return { at: next, ...here }
    link = { after: next.after, previous: name }
    name = next.name
  }
}

/** An empty claim is that of a `remove`. */
function beforeEnd(claim: StoredObject | undefined): Place['at'] {
  if (claim === undefined) return 'WAITING'
  return claim.sizeBytes === 0 ? 'GONE' : 'PROCESSING'
}

type AfterEnd =
  | 'SUCCESS'
  | 'FAIL'
  | 'GONE'
  | { readonly name: string; readonly after: NonNullable<Place['after']> }

function* afterEnd(layout: Layout, name: string, end: StoredObject): Protocol<AfterEnd> {
  const to = end.sizeBytes > 0 ? 'SUCCESS' : end.meta['to']
  if (to === 'WAITING') return { name: end.meta['next'] ?? '', after: 'WAITING' }
  if (to !== 'SUCCESS' && to !== 'FAIL') return 'GONE'
  const left = yield* look(layout.at('LEFT', name))
  if (left === undefined) return to
  return left.sizeBytes === 0 ? 'GONE' : { name: left.meta['next'] ?? '', after: 'FAIL' }
}
