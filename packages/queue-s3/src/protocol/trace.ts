import type { Layout } from '../format/layout.js'
import { has } from '../format/item-state.js'
import { isPutDone, parseAttemptKey, stepOf, type AttemptKey } from '../format/attempt-key.js'
import { head, type Protocol, type StoredObject } from '../store/storage-op.js'

/** Where an item is: its current attempt, and the stage of it. */
export interface Place {
  /** `GONE`: its removal is decided and has to be finished. */
  readonly at: 'WAITING' | 'PROCESSING' | 'SUCCESS' | 'FAIL' | 'GONE'
  readonly name: string
  readonly attemptKey: AttemptKey
  /** How the previous attempt ended: by `release` or by `fail` and then `requeue`; absent in the first. */
  readonly after?: 'WAITING' | 'FAIL'
  /** The previous attempt, whose objects may still exist. */
  readonly previous?: string
  /** An update has led here from the previous name. */
  readonly updated?: true
  /** It was put into SUCCESS, and its object there was not seen: the put may have been cut off. */
  readonly unfinished?: true
}

/**
 * Follows an item from its first attempt to the current one. The end of each attempt was decided by the
 * process that created its end object, and that object names the next attempt; so this reads decisions only,
 * and no listing. Two reads give the stage of the last attempt, in this order: PROCESSING, then the end. An
 * object under PROCESSING is deleted only after the end object was created, so
 *
 * - neither found: it had not been claimed at the read of PROCESSING;
 * - PROCESSING found, no end: it was being processed between the two; or it was updated, and waits under the
 *   name that the update names.
 */
export function* trace(layout: Layout, first: string): Protocol<Place | undefined> {
  const walk: Walk = { name: first, step: -1, since: 1, link: {} }
  for (;;) {
    const attemptKey = parseAttemptKey(walk.name)
    // Each attempt's number is higher than the previous one's, so the walk ends whatever is damaged.
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
 * It has been in SUCCESS since its index object was created, and can only be removed. LEFT is read first: it
 * is deleted after the object under SUCCESS was emptied, so one of the two shows a removal that was decided
 * before.
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
  /** The step from which it went on without a gap. */
  since: number
  link: Pick<Place, 'after' | 'previous' | 'updated'>
  /** The last name that should be noted. */
  noted?: string
}

/** Once, and only where there are more names than one request saves. */
function* skipAhead(layout: Layout, walk: Walk, attemptKey: AttemptKey): Protocol<boolean> {
  const name = yield* notedAfter(layout, attemptKey)
  if (name === undefined) return false
  const noted = parseAttemptKey(name)
  Object.assign(walk, { name, since: noted === undefined ? 1 : stepOf(noted), link: {} })
  return true
}

/** The last note was set back by a late request, or is missing: the next search should be shorter. */
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

/** An update does not change how the previous attempts ended. */
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

/** The `to` in the metadata of an update's decision. */
export const UPDATED = 'UPDATED'

/**
 * Whether an object under PROCESSING or SUCCESS is that of an update: empty, and naming the attempt that the
 * item waits in from then on.
 */
export function isUpdate({ sizeBytes, meta }: StoredObject): boolean {
  return sizeBytes === 0 && meta['to'] === UPDATED
}

/**
 * Notes a name of an item that has led to another one, so that a later search of the item begins there: every
 * fourth, before its objects are deleted. So a search costs the same after a thousand attempts and updates as
 * after eight.
 *
 * It is only a hint. The object is overwritten; a late write sets it back, and makes searches longer until
 * the next note.
 */
export function* noteAttempt(layout: Layout, name: string): Protocol<void> {
  const attemptKey = parseAttemptKey(name)
  if (attemptKey === undefined || stepOf(attemptKey) % layout.attemptStep !== 0) return
  yield { do: 'empty', key: layout.latest(attemptKey), meta: { to: 'WAITING', name } }
}

/** The noted name of the same item, if it is a later one. */
export function* notedAfter(layout: Layout, attemptKey: AttemptKey): Protocol<string | undefined> {
  const { name } = (yield* head(layout.latest(attemptKey)))?.meta ?? {}
  const noted = name === undefined ? undefined : parseAttemptKey(name)
  if (noted === undefined || noted.uid !== attemptKey.uid || noted.key !== attemptKey.key) return undefined
  return stepOf(noted) > stepOf(attemptKey) ? name : undefined
}
