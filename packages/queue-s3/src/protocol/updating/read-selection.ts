import { parseAttemptKey, type AttemptKey } from '../../format/attempt-key.js'
import { has, type IndexEntry } from '../../format/item-state.js'
import type { Layout } from '../../format/layout.js'
import { parseSelection, selectionText } from '../../format/object-texts.js'
import { tagFor, tagOf, type Selection } from '../../format/selection.js'
import { again, createOnce, read, type Protocol } from '../../store/storage-op.js'

/** What a process knows already: a tag never gets another selection. */
export interface KnownSelections {
  get(tag: string): Selection | undefined
}

const NEITHER: Selection = {}
/** How often an object is read that was created before the name which has its tag, and is never deleted. */
const READS = 3

/**
 * The selection that the name of an attempt announces: that of the index object where the first name has the
 * same tag, else that which an `update` stored. It costs a request only after such an update.
 *
 * @returns `undefined` where it is missing or damaged
 */
export function* readSelection(
  layout: Layout,
  attemptKey: AttemptKey,
  {
    entry,
    known,
  }: { readonly entry: Omit<IndexEntry, 'body'>; readonly known?: KnownSelections | undefined },
): Protocol<Selection | undefined> {
  const tag = tagOf(attemptKey)
  if (tag === undefined) return NEITHER
  const first = parseAttemptKey(entry.first)
  if (first !== undefined && tagOf(first) === tag)
    return has({ resources: entry.resources, limitKey: entry.limitKey })
  const selection = known?.get(tag)
  if (selection !== undefined) return selection
  const key = layout.selection(tag)
  for (let reads = 1; ; reads++) {
    const object = yield* read(key)
    if (object !== undefined || reads === READS) return object && parseSelection(object.content)
    yield* again(key)
  }
}

/**
 * Stores the selection of an `update` for its tag, before any name has it. It is never changed or deleted.
 */
export function* storeSelection(layout: Layout, selection: Selection): Protocol<void> {
  const tag = tagFor(selection)
  if (tag === undefined) return
  const key = layout.selection(tag)
  for (;;) {
    const won = yield* createOnce(key, selectionText(selection), { token: tag })
    if (won === 'created' || won.other !== undefined) return
    yield* again(key)
  }
}
