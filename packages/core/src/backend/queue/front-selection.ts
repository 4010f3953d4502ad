import { assertPeekSummaries, checkRefs } from '../../checks/call-input.js'
import type { ItemChange, ItemRef, ItemSummary, NewItem, QueueItem } from '../../items/item.js'
import type { GetOptions, Page, PeekSummariesOptions, QueueSupports, Settlement } from '../../items/queue.js'
import { assertSignal, until } from '../runtime/call-signal.js'
import type { BodyParser } from './body-parser.js'
import { getParsed } from './get-parsed.js'
import type { SelectionBackend } from './queue-backend.js'
import { leaseLost } from './queue-errors.js'

export interface FrontSelectionParts {
  readonly queue: string
  readonly supports: QueueSupports
  readonly selection: SelectionBackend
  readonly parser: BodyParser | undefined
  readonly settle: (moves: readonly Settlement[]) => Promise<unknown>
  readonly assertUsable: () => void
}

/** The calls of a queue whose caller may choose items. */
export class FrontSelection {
  readonly #parts: FrontSelectionParts

  constructor(parts: FrontSelectionParts) {
    this.#parts = parts
  }

  async peekSummaries(maxItems: number, options: PeekSummariesOptions = {}): Promise<Page<ItemSummary>> {
    const { queue, supports, selection, assertUsable } = this.#parts
    assertUsable()
    assertSignal(options)
    assertPeekSummaries(maxItems, options)
    if (options.limitKey !== undefined && supports.selection?.limitKeys !== 'indexed')
      throw new TypeError(`queue ${JSON.stringify(queue)} finds no items by their limitKey: leave it out`)
    return until(selection.peek(maxItems, options), options)
  }

  async getItems(refs: readonly ItemRef[], options: GetOptions = {}): Promise<QueueItem[]> {
    this.#parts.assertUsable()
    const asked = checkRefs(refs)
    const { parser, settle } = this.#parts
    if (parser === undefined) return this.#claim(asked, options)
    let left = asked
    const claim = async (): Promise<QueueItem[]> => {
      const items = await this.#claim(left, options)
      const given = new Set(items.map(({ id }) => id))
      left = left.filter(({ id }) => !given.has(id))
      return items
    }
    // One that fits is enough: a claim may be cut short, but `[]` says that none can be given out.
    return getParsed({ parser, claim, settle }, 1)
  }

  async #claim(refs: readonly ItemRef[], { lease }: GetOptions): Promise<QueueItem[]> {
    const { queue, selection, assertUsable } = this.#parts
    assertUsable()
    const pending = selection.claim(refs, lease)
    const items = pending instanceof Promise ? await pending : pending
    if (items === undefined && lease !== undefined) throw leaseLost(queue, lease)
    return inOrderOf(refs, items ?? [])
  }
}

function inOrderOf(refs: readonly ItemRef[], items: readonly QueueItem[]): QueueItem[] {
  const byId = new Map(items.map((item) => [item.id, item]))
  return refs.flatMap(({ id, uid }) => {
    const item = byId.get(id)
    return item?.uid === uid ? [item] : []
  })
}

/**
 * A queue keeps a value or refuses it.
 *
 * @param what the words for one of them, such as `items[3]: `
 * @throws TypeError for the first one with resources or a limit key
 */
export function assertNoSelection(
  queue: string,
  items: readonly Pick<NewItem | ItemChange, 'resources' | 'limitKey'>[],
  what: (index: number) => string,
): void {
  const index = items.findIndex(
    ({ resources, limitKey }) => (resources ?? limitKey ?? undefined) !== undefined,
  )
  if (index === -1) return
  throw new TypeError(
    `${what(index)}queue ${JSON.stringify(queue)} keeps no resources and no limitKey: its backend declares no supports.selection`,
  )
}
