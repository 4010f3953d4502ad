import type { Layout } from '../layout.js'
import { has } from '../item-state.js'
import { isPutDone, parseStint, stepOf, type Stint } from '../stint-name.js'
import { look, type Protocol, type StoredObject } from '../storage-op.js'
import { noteAttempt, notedAfter } from './latest-attempt.js'
import { isUpdate } from './update-decision.js'

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
  /** An update has led to this stint from the one before. */
  readonly updated?: true
  /** It was put into SUCCESS, and its object there was not seen: the put may have been cut off before it. */
  readonly unfinished?: true
}

/**
 * Follows an item from its first stint to the current one. The end of each stint was decided by whoever created its object under
 * SUCCESS, and that object names the next one; so this reads nothing but decisions, and no listing. Two reads tell the stage of the
 * last stint, in this order: PROCESSING, then the end. An object under PROCESSING is deleted only after the end was created, so
 *
 * - neither found: it had not been claimed when PROCESSING was looked at;
 * - PROCESSING found, no end: it was being processed between the two; or it was updated, and waits under the name that the update has given it.
 */
export function* trace(layout: Layout, first: string): Protocol<Place | undefined> {
  const walk: Walk = { name: first, step: -1, since: 1, link: {} }
  for (;;) {
    const stint = parseStint(walk.name)
    // Each stint's number is higher than the last one's: whatever is damaged, the walk ends.
    if (stint === undefined || stepOf(stint) <= walk.step) return undefined
    walk.step = stepOf(stint)
    if (walk.step === layout.attemptStep + 1 && (yield* skipAhead(layout, walk, stint))) continue
    const here = { name: walk.name, stint, ...walk.link }
    if (isPutDone(stint)) return yield* putDonePlace(layout, here)
    const claim = yield* look(layout.at('PROCESSING', walk.name))
    const end = yield* look(layout.at('SUCCESS', walk.name))
    const next = end === undefined ? beforeEnd(claim) : yield* afterEnd(layout, walk.name, end)
    if (typeof next === 'string') {
      yield* shorten(layout, walk)
      return { at: next, ...here }
    }
    if (walk.step % layout.attemptStep === 0) walk.noted = walk.name
    const { name, ...link } = next
    walk.link = { ...link, previous: walk.name }
    walk.name = name
  }
}

/**
 * It has been in SUCCESS since its index object was made, and can only be removed. LEFT is looked at first: it is deleted when the object under SUCCESS is
 * empty, so of the two one tells of a removal that was decided before.
 */
function* putDonePlace(layout: Layout, here: Pick<Place, 'name' | 'stint'>): Protocol<Place> {
  if (yield* look(layout.at('LEFT', here.name))) return { at: 'GONE', ...here }
  const end = yield* look(layout.at('SUCCESS', here.name))
  if (end === undefined) return { at: 'SUCCESS', ...here, unfinished: true }
  return { at: end.sizeBytes === 0 ? 'GONE' : 'SUCCESS', ...here }
}

interface Walk {
  name: string
  step: number
  /** The step that it went on from without a gap. */
  since: number
  link: Pick<Place, 'after' | 'previous' | 'updated'>
  /** The last name that was to be noted. */
  noted?: string
}

/** Once, and only where there are more names than are worth a look. */
function* skipAhead(layout: Layout, walk: Walk, stint: Stint): Protocol<boolean> {
  const name = yield* notedAfter(layout, stint)
  if (name === undefined) return false
  const noted = parseStint(name)
  Object.assign(walk, { name, since: noted === undefined ? 1 : stepOf(noted), link: {} })
  return true
}

/** What was noted last was set back by a late request, or is missing: the next search shall not walk as far. */
function* shorten(layout: Layout, { step, since, noted }: Walk): Protocol<void> {
  if (noted !== undefined && step - since > 2 * layout.attemptStep) yield* noteAttempt(layout, noted)
}

/** An empty claim is that of a `remove` or of an `update`. */
function beforeEnd(claim: StoredObject | undefined): Place['at'] | Next {
  if (claim === undefined) return 'WAITING'
  if (claim.sizeBytes > 0) return 'PROCESSING'
  return isUpdate(claim) ? afterUpdate(claim) : 'GONE'
}

interface Next extends Pick<Place, 'after' | 'updated'> {
  readonly name: string
}

/** What the attempts before have come to is not changed by an update. */
function afterUpdate({ meta }: StoredObject): Next {
  const { next = '', after } = meta
  return {
    name: next,
    updated: true,
    ...has({ after: after === 'WAITING' || after === 'FAIL' ? after : undefined }),
  }
}

type AfterEnd = 'SUCCESS' | 'FAIL' | 'GONE' | Next

function* afterEnd(layout: Layout, name: string, end: StoredObject): Protocol<AfterEnd> {
  if (isUpdate(end)) return afterUpdate(end)
  const to = end.sizeBytes > 0 ? 'SUCCESS' : end.meta['to']
  if (to === 'WAITING') return { name: end.meta['next'] ?? '', after: 'WAITING' }
  if (to !== 'SUCCESS' && to !== 'FAIL') return 'GONE'
  const left = yield* look(layout.at('LEFT', name))
  if (left === undefined) return to
  return left.sizeBytes === 0 ? 'GONE' : { name: left.meta['next'] ?? '', after: 'FAIL' }
}
