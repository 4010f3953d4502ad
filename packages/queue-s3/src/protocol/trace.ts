import type { Layout } from '../format/layout.js'
import { has } from '../format/item-state.js'
import { isPutDone, parseAttemptKey, stepOf, type AttemptKey } from '../format/attempt-key.js'
import { head, type Protocol, type StoredObject } from '../store/storage-op.js'

/** Where an item is: its current attempt, and the stage of it. */
export interface Place {
  /** `GONE`: its removal was decided, and has to be finished. */
  readonly at: 'WAITING' | 'PROCESSING' | 'SUCCESS' | 'FAIL' | 'GONE'
  readonly name: string
  readonly attemptKey: AttemptKey
  /** How the attempt before this attempt ended: by `release` or by `fail` and then `requeue`; absent in the first. */
  readonly after?: 'WAITING' | 'FAIL'
  /** The attempt before, which may have to be retired still. */
  readonly previous?: string
  /** An update has led to this attempt from the one before. */
  readonly updated?: true
  /** It was put into SUCCESS, and its object there was not seen: the put may have been cut off before it. */
  readonly unfinished?: true
}

/**
 * Follows an item from its first attempt to the current one. The end of each attempt was decided by whoever created its object under
 * SUCCESS, and that object names the next one; so this reads nothing but decisions, and no listing. Two reads tell the stage of the
 * last attempt, in this order: PROCESSING, then the end. An object under PROCESSING is deleted only after the end was created, so
 *
 * - neither found: it had not been claimed when PROCESSING was looked at;
 * - PROCESSING found, no end: it was being processed between the two; or it was updated, and waits under the name that the update has given it.
 */
export function* trace(layout: Layout, first: string): Protocol<Place | undefined> {
  const walk: Walk = { name: first, step: -1, since: 1, link: {} }
  for (;;) {
    const attemptKey = parseAttemptKey(walk.name)
    // Each attempt's number is higher than the last one's: whatever is damaged, the walk ends.
    if (attemptKey === undefined || stepOf(attemptKey) <= walk.step) return undefined
    walk.step = stepOf(attemptKey)
    if (walk.step === layout.attemptStep + 1 && (yield* skipAhead(layout, walk, attemptKey))) continue
    const here = { name: walk.name, attemptKey, ...walk.link }
    if (isPutDone(attemptKey)) return yield* putDonePlace(layout, here)
    const claim = yield* head(layout.at('PROCESSING', walk.name))
    const end = yield* head(layout.at('SUCCESS', walk.name))
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
function* putDonePlace(layout: Layout, here: Pick<Place, 'name' | 'attemptKey'>): Protocol<Place> {
  if (yield* head(layout.at('LEFT', here.name))) return { at: 'GONE', ...here }
  const end = yield* head(layout.at('SUCCESS', here.name))
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
function* skipAhead(layout: Layout, walk: Walk, attemptKey: AttemptKey): Protocol<boolean> {
  const name = yield* notedAfter(layout, attemptKey)
  if (name === undefined) return false
  const noted = parseAttemptKey(name)
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
  const left = yield* head(layout.at('LEFT', name))
  if (left === undefined) return to
  return left.sizeBytes === 0 ? 'GONE' : { name: left.meta['next'] ?? '', after: 'FAIL' }
}

/** What the metadata of an update's decision have as `to`. */
export const UPDATED = 'UPDATED'

/** Whether an object under PROCESSING or SUCCESS is that of an update: empty, and it names the attempt that the item waits in from then on. */
export function isUpdate({ sizeBytes, meta }: StoredObject): boolean {
  return sizeBytes === 0 && meta['to'] === UPDATED
}

/**
 * Notes a name of an item that has led to another one, so that a later search of the item begins there: each fourth, before its objects are retired. So the
 * search of an item costs the same after a thousand attempts and updates as after eight.
 *
 * It is a hint and no more. The object is written over; a write that comes late sets it back, and makes the searches longer until the next one.
 */
export function* noteAttempt(layout: Layout, name: string): Protocol<void> {
  const attemptKey = parseAttemptKey(name)
  if (attemptKey === undefined || stepOf(attemptKey) % layout.attemptStep !== 0) return
  yield { do: 'empty', key: layout.latest(attemptKey), meta: { to: 'WAITING', name } }
}

/** The name that was noted of the same item, if it is a later one. */
export function* notedAfter(layout: Layout, attemptKey: AttemptKey): Protocol<string | undefined> {
  const { name } = (yield* head(layout.latest(attemptKey)))?.meta ?? {}
  const noted = name === undefined ? undefined : parseAttemptKey(name)
  if (noted === undefined || noted.uid !== attemptKey.uid || noted.key !== attemptKey.key) return undefined
  return stepOf(noted) > stepOf(attemptKey) ? name : undefined
}
