import type { ItemSummary, JsonValue, Stage } from '@sluice/core'
import type { AttemptKey } from '../format/attempt-key.js'
import { attemptIn, has } from '../format/item-state.js'
import { decodeKey } from '../format/key-encoding.js'
import { parseEntry, parseState } from '../format/object-texts.js'
import { tagOf, type Selection } from '../format/selection.js'
import { readSelection } from '../protocol/updating/read-selection.js'
import { valuesOf, type QueueContext } from '../queue-context.js'
import { read, type Protocol } from '../store/storage-op.js'

/** The summary according to the attempt's name; what it doesn't say comes from the attempt object. */
export function summaryOf(
  id: string,
  stage: Stage,
  { attemptKey, retryState, selection = {} }: NamedAttempt,
): ItemSummary {
  const { uid, uncounted, priority } = attemptKey
  const attempt = attemptIn(stage, attemptKey.attempt)
  return { id, uid, stage, attempt, uncounted, priority, ...has({ retryState }), ...selection }
}

interface NamedAttempt {
  readonly attemptKey: AttemptKey
  readonly retryState?: JsonValue | undefined
  readonly selection?: Selection | undefined
}

/** An attempt by its name. */
interface Named {
  readonly name: string
  readonly attemptKey: AttemptKey
}

/**
 * The summaries of listed attempts, by their names. What a name has no room for is read once: the id of a
 * hashed key, the `retryState` of a `release`, and the selection of a tag, whatever the number of names that
 * have it. An item that was removed since is left out where it has one of these.
 */
export async function summariesOf(
  context: QueueContext,
  stage: Stage,
  attempts: readonly Named[],
): Promise<ItemSummary[]> {
  const { cache } = context
  await learnIds(context, attempts)
  await learnRetryStates(context, stage, attempts)
  const removed = await learnSelections(context, attempts)
  return attempts.flatMap(({ name, attemptKey }) => {
    const id = decodeKey(attemptKey.key) ?? cache.idOf(attemptKey.key)
    if (id === undefined || removed.has(name)) return []
    const retryState = attemptKey.hasRetryState ? cache.retryStateOf(name)?.value : undefined
    const tag = tagOf(attemptKey)
    const selection = tag === undefined ? undefined : cache.selections.get(tag)
    return [summaryOf(id, stage, { attemptKey, retryState, selection })]
  })
}

/**
 * One item of each unknown tag is asked for it; where that one has been removed since, all others are.
 *
 * @returns the names of removed items whose selection stays unknown
 */
async function learnSelections(
  context: QueueContext,
  attempts: readonly Named[],
): Promise<ReadonlySet<string>> {
  const { selections } = context.cache
  const isUnknown = ({ attemptKey }: Named) => {
    const tag = tagOf(attemptKey)
    return tag !== undefined && !selections.has(tag)
  }
  const unknown = attempts.filter(isUnknown)
  if (unknown.length === 0) return new Set()
  const firsts = new Map(unknown.toReversed().map((one) => [tagOf(one.attemptKey), one]))
  const removed = await askForSelections(context, [...firsts.values()])
  const rest = unknown.filter((one) => isUnknown(one) && !removed.has(one.name))
  const others = await askForSelections(context, rest)
  const names = unknown.filter(isUnknown).map(({ name }) => name)
  return new Set(names.filter((name) => removed.has(name) || others.has(name)))
}

/** @returns the names of those that were removed */
async function askForSelections(
  context: QueueContext,
  attempts: readonly Named[],
): Promise<ReadonlySet<string>> {
  const { layout, cache, foreignObjects } = context
  const asked = await context.runAll(attempts.map(({ attemptKey }) => selectionOf(context, attemptKey)))
  const removed = new Set<string>()
  for (const [index, selection] of valuesOf(asked).entries()) {
    const one = attempts[index]
    const tag = one && tagOf(one.attemptKey)
    if (one === undefined || tag === undefined) continue
    if (selection === 'removed') removed.add(one.name)
    else if (selection !== undefined) cache.selections.set(tag, selection)
    else foreignObjects.report(layout.selection(tag), 'it is missing or damaged, or its item is')
  }
  return removed
}

function* selectionOf(
  { layout }: QueueContext,
  attemptKey: AttemptKey,
): Protocol<Selection | 'removed' | undefined> {
  const index = yield* read(layout.index(attemptKey))
  if (index?.sizeBytes === 0) return 'removed'
  const entry = index && parseEntry(index.content)
  return entry && (yield* readSelection(layout, attemptKey, { entry }))
}

async function learnIds(context: QueueContext, attempts: readonly Named[]): Promise<void> {
  const unknown = attempts.filter(
    ({ attemptKey: { key } }) => decodeKey(key) === undefined && context.cache.idOf(key) === undefined,
  )
  const results = await context.runAll(unknown.map(({ attemptKey }) => readId(context, attemptKey)))
  for (const [index, result] of results.entries()) {
    if ('error' in result) throw result.error
    const key = unknown[index]?.attemptKey.key
    if (key !== undefined && result.value !== undefined) context.cache.rememberId(key, result.value)
  }
}

async function learnRetryStates(
  context: QueueContext,
  stage: Stage,
  attempts: readonly Named[],
): Promise<void> {
  const { layout, cache } = context
  const unknown = attempts.filter(
    ({ name, attemptKey }) => attemptKey.hasRetryState && cache.retryStateOf(name) === undefined,
  )
  const results = await context.runAll(unknown.map(({ name }) => readRetryState(layout.at(stage, name))))
  for (const [index, result] of results.entries()) {
    if ('error' in result) throw result.error
    cache.rememberRetryState(unknown[index]?.name ?? '', result.value)
  }
}

/** `undefined` for one that has moved on, or is damaged. */
function* readRetryState(key: string): Protocol<JsonValue | undefined> {
  const object = yield* read(key)
  return object && parseState(object.content)?.state.retryState
}

function* readId({ layout }: QueueContext, attemptKey: AttemptKey): Protocol<string | undefined> {
  const object = yield* read(layout.index(attemptKey))
  return object && parseEntry(object.content)?.id
}
