import { isSluiceError, type JsonValue } from '@sluice/core'
import { withStored, type CheckedItem, type PutOrder, type PutRefusal } from '@sluice/core/backend'
import { putCompared, type ComparedPut } from '../protocol/put-compared.js'
import { putItem, type PutResult } from '../protocol/put-item.js'
import { contextOf, type QueueContext } from '../queue-context.js'
import type { RunResult } from '../store/protocol-run.js'
import type { Protocol } from '../store/storage-op.js'

/** Puts items. */
export class ItemPuts {
  readonly #context: QueueContext

  constructor(context: QueueContext) {
    this.#context = context
  }

  async put(items: readonly CheckedItem[], order: PutOrder): Promise<ReadonlyMap<string, PutRefusal>> {
    const context = contextOf(this.#context, order)
    const results = await context.runAll(items.map((item) => putting(context, item, order)))
    const refusals = new Map<string, PutRefusal>()
    for (const [index, result] of results.entries()) {
      if ('error' in result) throw withStored(result.error, storedOf(results))
      const item = items[index]
      if (item !== undefined && !result.value.added) refusals.set(item.id, refusalOf(result.value))
    }
    return refusals
  }
}

function putting(
  { layout, names }: QueueContext,
  item: CheckedItem,
  { compare, stage }: PutOrder,
): Protocol<PutResult | ComparedPut> {
  const { key, of } = names.entryOf(item, stage)
  if (!compare) return putItem(layout, key, of)
  const body: JsonValue = JSON.parse(item.bodyText)
  return putCompared(layout, key, { entryOf: of, body })
}

function refusalOf(put: (PutResult | ComparedPut) & { readonly added: false }): PutRefusal {
  const stage = put.place?.at
  const where = stage === undefined || stage === 'GONE' ? {} : { stage }
  if (!('body' in put)) return { reason: 'exists', ...where }
  return { reason: put.body === 'same' ? 'exists-same' : 'exists-changed', ...where }
}

/** What a failed call has stored nevertheless. */
function storedOf(results: readonly RunResult<PutResult>[]) {
  const known = results.flatMap((result) => ('value' in result ? [result.value] : []))
  const added = known.filter((put) => put.added).length
  const unknown = results.filter(
    (result) => 'error' in result && isSluiceError(result.error, 'SLUICE_QUEUE_UNAVAILABLE'),
  ).length
  return { added, skipped: known.length - added, unknown }
}
