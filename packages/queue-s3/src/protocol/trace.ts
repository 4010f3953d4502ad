import type { Layout } from '../layout.js'
import { parseStint, type Stint } from '../stint-name.js'
import { look, type Protocol, type StoredObject } from '../storage-op.js'
import { noteAttempt, notedAfter } from './latest-attempt.js'

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
  const walk: Walk = { name: first, attempt: 0, since: 1, link: {} }
  for (;;) {
    const stint = parseStint(walk.name)
    // Each stint's attempt is higher than the last one's: whatever is damaged, the walk ends.
    if (stint === undefined || stint.attempt <= walk.attempt) return undefined
    walk.attempt = stint.attempt
    if (stint.attempt === layout.attemptStep + 1 && (yield* skipAhead(layout, walk, stint))) continue
    const here = { name: walk.name, stint, ...walk.link }
    const claim = yield* look(layout.at('PROCESSING', walk.name))
    const end = yield* look(layout.at('SUCCESS', walk.name))
    const next = end === undefined ? beforeEnd(claim) : yield* afterEnd(layout, walk.name, end)
    if (typeof next === 'string') {
      yield* shorten(layout, walk)
      return { at: next, ...here }
    }
    if (stint.attempt % layout.attemptStep === 0) walk.noted = walk.name
    walk.link = { after: next.after, previous: walk.name }
    walk.name = next.name
  }
}

interface Walk {
  name: string
  attempt: number
  /** The attempt that it went on from without a gap. */
  since: number
  link: Pick<Place, 'after' | 'previous'>
  /** The last attempt that was to be noted. */
  noted?: string
}

/** Once, and only where there are more attempts than are worth a look. */
function* skipAhead(layout: Layout, walk: Walk, stint: Stint): Protocol<boolean> {
  const name = yield* notedAfter(layout, stint)
  if (name === undefined) return false
  Object.assign(walk, { name, since: parseStint(name)?.attempt ?? 1, link: {} })
  return true
}

/** What was noted last was set back by a late request, or is missing: the next search shall not walk as far. */
function* shorten(layout: Layout, { attempt, since, noted }: Walk): Protocol<void> {
  if (noted !== undefined && attempt - since > 2 * layout.attemptStep) yield* noteAttempt(layout, noted)
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
