import {
  isSluiceError,
  withStored,
  type CheckedItem,
  type JsonValue,
  type PutManyOptions,
  type PutReport,
} from '@sluice/core'
import { firstMentions, skippedMentions, type BulkVerdict } from './bulk-mentions.js'
import type { QueueContext } from '../queue-context.js'
import { putCompared, type ComparedPut } from '../protocol/put-compared.js'
import { putItem, type PutResult } from '../protocol/put-item.js'
import type { RunResult } from '../store/protocol-run.js'

/** Puts items. */
export class ItemPuts {
  readonly #context: QueueContext

  constructor(context: QueueContext) {
    this.#context = context
  }

  run(
    items: readonly CheckedItem[],
    { stage }: Pick<PutManyOptions, 'stage'> = {},
  ): Promise<RunResult<PutResult>[]> {
    const { layout, names } = this.#context
    const protocols = items.map((item) => {
      const { key, of } = names.entryOf(item, stage)
      return putItem(layout, key, of)
    })
    return this.#context.runAll(protocols)
  }

  async putMany(items: readonly CheckedItem[], options: Required<PutManyOptions>): Promise<PutReport> {
    const unique = firstMentions(items)
    const results = await (options.compare ? this.#runCompared(unique, options) : this.run(unique, options))
    const failed = results.find((result) => 'error' in result)
    if (failed !== undefined) throw withStored(failed.error, storedOf(results, items.length - unique.length))
    const verdicts = results.map((result) => ('value' in result ? verdictOf(result.value) : 'done'))
    const skipped = skippedMentions(items, verdicts)
    return { added: items.length - skipped.length, skipped }
  }

  #runCompared(
    items: readonly CheckedItem[],
    { stage }: Pick<PutManyOptions, 'stage'>,
  ): Promise<RunResult<ComparedPut>[]> {
    const { layout, names } = this.#context
    const protocols = items.map((item) => {
      const { key, of } = names.entryOf(item, stage)
      const body: JsonValue = JSON.parse(item.bodyText)
      return putCompared(layout, key, { entryOf: of, body })
    })
    return this.#context.runAll(protocols)
  }
}

function verdictOf(put: PutResult | ComparedPut): BulkVerdict<'exists' | 'exists-same' | 'exists-changed'> {
  if (put.added) return 'done'
  if (!('body' in put)) return 'exists'
  return put.body === 'same' ? 'exists-same' : 'exists-changed'
}

/** What a failed call has stored nevertheless. */
function storedOf(results: readonly RunResult<PutResult>[], repeated: number) {
  const known = results.flatMap((result) => ('value' in result ? [result.value] : []))
  const added = known.filter((put) => put.added).length
  const unknown = results.filter(
    (result) => 'error' in result && isSluiceError(result.error, 'SLUICE_QUEUE_UNAVAILABLE'),
  ).length
  return { added, skipped: repeated + known.length - added, unknown }
}
