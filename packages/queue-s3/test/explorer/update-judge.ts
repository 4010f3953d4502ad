import { isSluiceError } from '@sluice/core'
import { bodyOf, type IndexEntry, type ItemState } from '../../src/format/item-state.js'
import type { Layout } from '../../src/format/layout.js'
import { tagFor, tagOf, type Selection } from '../../src/format/selection.js'
import { findItem, type FoundItem } from '../../src/protocol/find-item.js'
import { isUpdate, trace } from '../../src/protocol/trace.js'
import type { SelectionChange, UpdateVerdict } from '../../src/protocol/updating/update-item.js'
import type { StorageOp } from '../../src/store/storage-op.js'
import { attemptKeyText, parseAttemptKey, type AttemptKey } from '../../src/format/attempt-key.js'
import type { World } from './explore.js'
import { atOnce, type Objects } from './model-store.js'
import type { Gives } from './scenarios.js'

/** What an item is put with: its body and its priority, as one value. */
const PUT_VALUE = '1/0'

/** What the judge remembers of updates. */
export interface UpdateMemory {
  /** What the item is now, by decisions alone. Absent: as it was put. */
  value?: string
  /** Slots whose update was decided. */
  effective?: number[]
  /** What each attempt was when it was claimed. */
  claimed?: Record<string, string>
  /** What the item has been since each slot that reads began. */
  values?: Record<number, string[]>
}

/** What an updater ends with. */
export interface UpdateOutcome {
  readonly slot: number
  readonly updated: UpdateVerdict
}

/** What a reader ends with. */
export interface ValueFound {
  readonly found: string
  readonly value?: string
}

/** What the updater of a slot gives: another body each, and if so another priority or other resources. */
export function givenBy(
  slot: number,
  gives: Gives,
): { readonly bodyText: string; readonly priority?: number; readonly selection?: SelectionChange } {
  const body = gives === 'long body' ? `-${slot}-`.repeat(700) : slot + 100
  return {
    bodyText: JSON.stringify(body),
    ...(gives === 'body and priority' ? { priority: slot + 1 } : {}),
    ...(gives === 'body and resources' ? { selection: { resources: { gpu: slot }, limitKey: null } } : {}),
  }
}

/** Of one try; it says whose it is. */
export function tokenOf(slot: number, step: number): string {
  return `u${slot}.${step}`
}

export function valueOf({
  entry,
  state,
  place,
  selection,
}: {
  entry: IndexEntry
  state: ItemState
  place: { attemptKey: AttemptKey }
  selection: Selection
}): string {
  const value = `${JSON.stringify(bodyOf(entry, state)).slice(0, 6)}/${place.attemptKey.priority}`
  return `${value}${gpuText(selection.resources?.['gpu'])}`
}

function gpuText(gpu: number | undefined): string {
  return gpu === undefined ? '' : `/gpu ${gpu}`
}

/** Follows the decisions of updates, and what was claimed. Says what is wrong. */
export function noteValues(
  memory: UpdateMemory,
  layout: Layout,
  { before, after, op }: { before: World; after: World; op?: StorageOp },
): string | undefined {
  const doubled = noteDecision(memory, layout, { before, after, op })
  for (const [slot, actor] of after.actors.entries()) {
    if (typeof actor !== 'object' || actor.program.role !== 'reader') continue
    const seen = ((memory.values ??= {})[slot] ??= [])
    const value = memory.value ?? PUT_VALUE
    if (!seen.includes(value)) seen.push(value)
    seen.sort()
  }
  return doubled
}

function noteDecision(
  memory: UpdateMemory,
  layout: Layout,
  { before, after, op }: { before: World; after: World; op: StorageOp | undefined },
): string | undefined {
  const folder = layout.folder('PROCESSING')
  if (op?.do !== 'create' || !op.key.startsWith(folder)) return undefined
  const made = before.objects.has(op.key) ? undefined : after.objects.get(op.key)
  const name = op.key.slice(folder.length)
  // One that comes when the attempt is over decides nothing.
  if (made === undefined || before.objects.has(layout.at('SUCCESS', name))) return undefined
  if (made.sizeBytes > 0) (memory.claimed ??= {})[name] = memory.value ?? PUT_VALUE
  if (!isUpdate(made)) return undefined
  const slot = Number(/^u(\d+)\./.exec(op.meta['token'] ?? '')?.[1])
  if (memory.effective?.includes(slot) === true) return `the update of ${slot} was made twice`
  memory.effective = [...(memory.effective ?? []), slot].toSorted((a, b) => a - b)
  memory.value = valueAfter(slot, op)
  return undefined
}

function valueAfter(slot: number, op: StorageOp & { do: 'create' }): string {
  const next = op.meta['next'] ?? ''
  const priority = 2_147_483_647 - Number.parseInt(next.slice(3, 11), 16)
  const { bodyText } = givenBy(slot, op.meta['change'] === undefined ? 'body' : 'long body')
  const nextKey = parseAttemptKey(next)
  const gpu = nextKey && gpuByTag.get(tagOf(nextKey) ?? '')
  return `${bodyText.slice(0, 6)}/${priority}${gpuText(gpu)}`
}

/** A name has the tag of what the updater of a slot gives. */
const gpuByTag = new Map(
  Array.from({ length: 10 }, (_, gpu) => [tagFor({ resources: { gpu }, limitKey: undefined }), gpu]),
)

/** What an actor learned of updates, or claimed. */
export function judgeUpdates(
  memory: UpdateMemory,
  slot: number,
  result: Partial<UpdateOutcome & ValueFound> & {
    readonly claim?: { readonly is: string; readonly running?: { readonly name: string } }
  },
): string | undefined {
  const { updated, found, value, claim } = result
  if (updated !== undefined) {
    const isEffective = memory.effective?.includes(slot) === true
    if (isEffective === (updated === 'done')) return undefined
    return isEffective
      ? `the update of ${slot} was made, and reported as ${updated}`
      : `the update of ${slot} was not made`
  }
  if (claim?.is === 'claimed' && claim.running !== undefined) {
    const expected = memory.claimed?.[claim.running.name]
    return value === expected ? undefined : `a claim gave ${value}; the item was ${expected}`
  }
  if (found === undefined || value === undefined) return undefined
  const values = memory.values?.[slot] ?? []
  return values.includes(value) ? undefined : `a lookup said ${value}; it was ${values.join(', ')}`
}

/**
 * With all processes gone and all finished, the item is what the last update has made of it, and no body of
 * an update is left but of one that may go on.
 */
export function judgeEnd(
  layout: Layout,
  objects: Objects,
  { value = PUT_VALUE }: UpdateMemory,
): string | undefined {
  const found = wholeItem(layout, objects)
  if (typeof found === 'string') return found
  if (found === undefined) return changesLeft(layout, objects, '')
  const is = valueOf(found)
  if (is !== value) return `the item is ${is} in the end, and was made ${value}`
  return changesLeft(layout, objects, currentName(layout, objects, found.entry.first))
}

function wholeItem(layout: Layout, objects: Objects): FoundItem | undefined | string {
  try {
    return atOnce(objects, findItem(layout, 'a')).value
  } catch (error) {
    if (isSluiceError(error)) return `the item cannot be read in the end: ${error.message}`
    throw error
  }
}

function currentName(layout: Layout, objects: Objects, first: string): string {
  const { value: place } = atOnce(objects, trace(layout, first))
  return place?.at === 'WAITING' ? attemptKeyText(place.attemptKey) : ''
}

function changesLeft(layout: Layout, objects: Objects, current: string): string | undefined {
  const left = [...objects].find(
    ([key, { meta }]) => key.startsWith(layout.folder('CHANGES')) && meta['name'] !== current,
  )
  return left && `the body ${left[0]} is left of an update that is over`
}
