import { MAX_DOCUMENT_NAME_BYTES } from '../items/document.js'
import {
  MAX_PRIORITY,
  assertArray,
  assertItemId,
  assertPutOptions,
  assertSpan,
  cutReason,
  encodeOptional,
} from './input.js'
import type { ItemChange, ItemRef, Resources } from '../items/item.js'
import { utf8Bytes } from '../json/json.js'
import {
  MAX_PAGE_ITEMS,
  type PeekSummariesOptions,
  type RemoveOptions,
  type RequeueOptions,
  type SweepOptions,
} from '../items/queue.js'
import { assertStage, type Stage } from '../items/stage.js'
import { assertLimitKey, checkResources } from './selection.js'

/** The options of a `requeue` that were checked. */
export interface CheckedRequeue {
  readonly delayMs: number
  readonly priority?: number
  readonly reason?: string
}

/**
 * The options of `requeue`, the reason cut as it will be stored.
 *
 * @throws TypeError that names the field
 */
export function checkRequeue({ delayMs = 0, priority, reason }: RequeueOptions): CheckedRequeue {
  assertSpan(delayMs, 'delayMs')
  if (priority !== undefined && (!Number.isInteger(priority) || Math.abs(priority) > MAX_PRIORITY)) {
    throw new TypeError(`priority must be an integer within ±${MAX_PRIORITY}; got ${String(priority)}`)
  }
  const cut = cutReason(reason)
  return {
    delayMs,
    ...(priority === undefined ? {} : { priority }),
    ...(cut === undefined ? {} : { reason: cut }),
  }
}

/**
 * The stages that `remove` takes items from.
 *
 * @throws TypeError for a stage that isn't one, and for PROCESSING
 */
export function checkRemovable({ stages = ['WAITING', 'SUCCESS', 'FAIL'] }: RemoveOptions): readonly Stage[] {
  for (const stage of stages as readonly Stage[]) {
    assertStage(stage)
    if (stage === 'PROCESSING') throw new TypeError('an item in PROCESSING is never removed: it has a job')
  }
  return stages
}

/**
 * The age from which `sweep` removes finished items, in ms; `undefined` for none.
 *
 * @throws TypeError unless it is a whole number, 0 or more
 */
export function checkRetention({ retentionMs }: SweepOptions): number | undefined {
  if (retentionMs !== undefined) assertSpan(retentionMs, 'retentionMs')
  return retentionMs
}

/** An {@link ItemChange} that was checked, its body as JSON text. */
export interface CheckedChange {
  readonly id: string
  readonly uid: string | undefined
  readonly bodyText: string | undefined
  readonly priority: number | undefined
  readonly notBeforeAt: number | undefined
  /** Frozen, in the order of its names; `null` takes them away. */
  readonly resources: Resources | null | undefined
  /** `null` takes it away. */
  readonly limitKey: string | null | undefined
}

/**
 * Checks all changes of an `update` before any is made.
 *
 * @param maxBodyBytes the queue's `supports.maxBodyBytes`
 * @throws TypeError that names the index of the first bad one and its field
 */
export function checkChanges(changes: readonly ItemChange[], maxBodyBytes: number): CheckedChange[] {
  assertArray(changes, 'changes')
  return changes.map((change, index) => {
    try {
      return checkChange(change, maxBodyBytes)
    } catch (error) {
      const why = error instanceof Error ? error.message : String(error)
      throw new TypeError(`changes[${index}]: ${why}`, { cause: error })
    }
  })
}

function checkChange(change: ItemChange, maxBodyBytes: number): CheckedChange {
  const { id, uid, body, priority, notBeforeAt, limitKey } = change
  assertItemId(id)
  if (uid !== undefined && typeof uid !== 'string') throw new TypeError('uid must be a string')
  assertPutOptions({
    ...(priority === undefined ? {} : { priority }),
    ...(notBeforeAt === undefined ? {} : { notBeforeAt }),
  })
  const resources = changedResources(change.resources)
  if (limitKey !== undefined && limitKey !== null) assertLimitKey(limitKey)
  if ([body, priority, notBeforeAt, resources, limitKey].every((field) => field === undefined))
    throw new TypeError('a change needs a body, a priority, a notBeforeAt, resources or a limitKey')
  // A body of `undefined` that is written out is a slip, and leaving it out would hide that.
  if (body === undefined && 'body' in change) throw new TypeError('body must be JSON, or be left out')
  const bodyText = encodeOptional(body, maxBodyBytes, 'body')
  // As put does: no -0.
  return { id, uid, bodyText, priority: priority === 0 ? 0 : priority, notBeforeAt, resources, limitKey }
}

/** Resources without a name take away what is there, as `null` does. */
function changedResources(resources: ItemChange['resources']): Resources | null | undefined {
  return resources === undefined || resources === null ? resources : (checkResources(resources) ?? null)
}

/** @throws TypeError for the first id that is none, as {@link assertItemId} says */
export function assertIds(ids: readonly string[]): void {
  // A string would be taken for the ids of its characters.
  assertArray(ids, 'ids')
  for (const id of ids) assertItemId(id)
}

/** @throws TypeError unless the limit of a page is a whole number from 1 to {@link MAX_PAGE_ITEMS} */
export function assertPageLimit(limit: unknown): void {
  if (Number.isInteger(limit) && Number(limit) >= 1 && Number(limit) <= MAX_PAGE_ITEMS) return
  throw new TypeError(`limit must be a whole number from 1 to ${MAX_PAGE_ITEMS}; got ${String(limit)}`)
}

/** @throws TypeError that names the argument of `peekSummaries` that is wrong */
export function assertPeekSummaries(maxItems: unknown, { after, limitKey }: PeekSummariesOptions): void {
  if (!Number.isInteger(maxItems) || Number(maxItems) < 1 || Number(maxItems) > MAX_PAGE_ITEMS) {
    throw new TypeError(
      `maxItems must be a whole number from 1 to ${MAX_PAGE_ITEMS}; got ${String(maxItems)}`,
    )
  }
  if (limitKey !== undefined) assertLimitKey(limitKey)
  if (after !== undefined && typeof after !== 'string')
    throw new TypeError('after must be the cursor of an earlier page of this queue')
}

/**
 * The items that a `getItems` names, each once.
 *
 * @throws TypeError that names the index of the first bad one
 */
export function checkRefs(refs: readonly ItemRef[]): readonly ItemRef[] {
  assertArray(refs, 'refs')
  const seen = new Set<string>()
  const firsts: ItemRef[] = []
  for (const [index, ref] of refs.entries()) {
    const { id, uid } = checkRef(ref, index)
    const key = JSON.stringify([id, uid])
    if (seen.has(key)) continue
    seen.add(key)
    firsts.push({ id, uid })
  }
  return firsts
}

function checkRef(ref: ItemRef | undefined, index: number): ItemRef {
  try {
    const { id, uid } = ref ?? {}
    assertItemId(id)
    if (typeof uid !== 'string') throw new TypeError(`uid must be a string, not ${typeof uid}`)
    return { id, uid }
  } catch (error) {
    const why = error instanceof Error ? error.message : String(error)
    throw new TypeError(`refs[${index}]: ${why}`, { cause: error })
  }
}

/**
 * @throws TypeError for a lease without a name or a holder, and for a ttl that isn't a whole number of 100 ms
 * or more
 */
export function assertLease(name: unknown, holder: unknown, ttlMs: number): void {
  assertLeaseText(name, 'name')
  assertLeaseText(holder, 'holder')
  assertSpan(ttlMs, 'ttlMs')
  if (ttlMs < 100) throw new TypeError(`ttlMs must be 100 or more; got ${ttlMs}`)
}

/** @throws TypeError for what can't be the name of a lease */
export function assertLeaseName(name: unknown): asserts name is string {
  assertLeaseText(name, 'name')
}

function assertLeaseText(text: unknown, what: 'name' | 'holder'): asserts text is string {
  if (typeof text !== 'string' || text === '') throw new TypeError(`a lease needs a ${what}`)
  // As a key it would become another name's.
  if (!text.isWellFormed()) throw new TypeError(`the ${what} of a lease must be well-formed Unicode`)
}

/** @throws TypeError for what can't be the name of a document */
export function assertDocumentName(name: unknown): asserts name is string {
  if (typeof name !== 'string' || name === '') throw new TypeError('a document needs a name')
  assertDocumentText(name, 'the name of a document')
}

/** @throws TypeError for what no name of a document can begin with; the empty text is fine */
export function assertDocumentPrefix(prefix: unknown): asserts prefix is string {
  if (typeof prefix !== 'string') throw new TypeError('a prefix of documents must be a string')
  assertDocumentText(prefix, 'a prefix of documents')
}

function assertDocumentText(text: string, what: string): void {
  if (text.includes('\0') || !text.isWellFormed()) {
    throw new TypeError(`${what} must be well-formed Unicode without NUL`)
  }
  const bytes = utf8Bytes(text)
  if (bytes <= MAX_DOCUMENT_NAME_BYTES) return
  throw new TypeError(`${what} is ${bytes} bytes of UTF-8; at most ${MAX_DOCUMENT_NAME_BYTES} are allowed`)
}

/** @throws TypeError unless it is `undefined` or a whole number, 1 or more */
export function assertDocumentVersion(version: unknown): void {
  if (version === undefined || (Number.isSafeInteger(version) && Number(version) >= 1)) return
  throw new TypeError(`ifVersion must be a version that a read gave, or undefined, not a ${typeof version}`)
}
