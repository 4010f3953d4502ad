import {
  isSluiceError,
  SluiceError,
  type NewItem,
  type PutReport,
  type Queue,
  type Runtime,
  type Stage,
} from '@sluice/core'
import type { CallRows, PlacedRow } from './batch.js'
import { changedRow, duplicateRow, type ItemRow, type ListedRow } from './listed-row.js'
import { countRows, type LoadCounts, type RowCounts } from './load-counts.js'
import { outcomesOf, type RowFate, type RowOutcome } from './row-outcomes.js'

export interface BatchPutOptions {
  readonly compare: boolean
  /** Replace the bodies of items in WAITING with those of the rows. */
  readonly updateWaiting: boolean
  /** After its abort a batch makes no second call. */
  readonly signal?: AbortSignal
  readonly runtime: Pick<Runtime, 'monotonicMs'>
}

const COUNT_OF_FATE: Readonly<Record<RowFate, keyof RowCounts>> = {
  same: 'same',
  changed: 'changed',
  duplicate: 'duplicate',
  'duplicate-changed': 'duplicate',
  exists: 'exists',
}

/**
 * The most ids of done rows whose items existed before: for more, reading all of WAITING is cheaper than a
 * look-up for each.
 */
const MAX_KNOWN_IDS = 100

/** Puts rows into a queue and counts the outcome of each. */
export class BatchPut {
  /** The duration of the latest `putMany`. */
  tookMs = 0
  /** The first done rows whose items existed before. */
  readonly knownDoneIds: string[] = []
  readonly #queue: Queue
  readonly #counts: LoadCounts
  readonly #options: BatchPutOptions
  #isStageKnown = false

  constructor(queue: Queue, counts: LoadCounts, options: BatchPutOptions) {
    this.#queue = queue
    this.#counts = counts
    this.#options = options
  }

  get queue(): Queue {
    return this.#queue
  }

  /**
   * @param stage the stage of new items
   * @returns the rows to list
   * @throws what the queue rejects with, after counting all rows
   */
  async put(rows: CallRows, stage: 'WAITING' | 'SUCCESS'): Promise<PlacedRow[]> {
    const { compare, runtime } = this.#options
    const { items, suspects } = rows
    const startedAtMonotonic = runtime.monotonicMs()
    const how = stage === 'WAITING' ? { compare } : { compare, stage }
    const report = await this.#queue.putMany(items, how).catch((error: unknown) => {
      this.#countFailed(error, { items: items.length, stage })
      throw error
    })
    this.tookMs = runtime.monotonicMs() - startedAtMonotonic
    const { added, skipped } = report
    countRows(this.#counts, 'added', added)
    if (stage === 'SUCCESS') this.#counts.addedDone += added
    const outcomes = outcomesOf({ items, suspects, compare }, skipped)
    const left = await this.#update(rows, outcomes)
    this.#count(outcomes)
    if (stage === 'SUCCESS') {
      this.#noteKnown(items, outcomes)
      await this.#assertStage(items, report)
    }
    return outcomes.flatMap(({ index, fate }) =>
      fate === 'same' || fate === 'exists'
        ? []
        : this.#listed(rows.row(index), fate, left).map((row) => ({ place: rows.placeOf(index), row })),
    )
  }

  #count(outcomes: readonly RowOutcome[]): void {
    for (const { fate } of outcomes) {
      countRows(this.#counts, COUNT_OF_FATE[fate], 1)
      if (fate === 'duplicate-changed') this.#counts.duplicateChanged += 1
    }
  }

  #noteKnown(items: readonly NewItem[], outcomes: readonly RowOutcome[]): void {
    for (const { index, fate } of outcomes) {
      if (fate === 'duplicate' || fate === 'duplicate-changed') continue
      this.#counts.knownDone += 1
      const id = items[index]?.id
      if (id !== undefined && this.knownDoneIds.length < MAX_KNOWN_IDS) this.knownDoneIds.push(id)
    }
  }

  /**
   * The ids of all done rows whose items existed before; `undefined` where there are too many.
   */
  allKnownDoneIds(): readonly string[] | undefined {
    return this.#counts.knownDone === this.knownDoneIds.length ? this.knownDoneIds : undefined
  }

  /**
   * A package older than the option `stage` ignores it and puts done items into WAITING: the first item shows
   * that.
   */
  async #assertStage(items: readonly NewItem[], { added, skipped }: PutReport): Promise<void> {
    if (this.#isStageKnown || added === 0) return
    const before = skipped.filter(({ reason }) => reason !== 'repeated')
    const isThere = new Set(before.map(({ id }) => id))
    const item = items.find(({ id }) => !isThere.has(id))
    if (item === undefined) return
    const stage = await this.#queue.lookupStatus(item.id).catch((error: unknown): Stage => {
      // It was removed since then.
      if (isSluiceError(error, 'SLUICE_ITEM_NOT_FOUND')) return 'SUCCESS'
      throw error
    })
    if (stage !== 'SUCCESS') throw takesNoStage(this.#counts.addedDone, stage)
    this.#isStageKnown = true
  }

  /** The error says how many items of the failed call are stored; without it, each may be. */
  #countFailed(error: unknown, call: { readonly items: number; readonly stage: Stage }): void {
    // An invalid argument: no item of the call is stored.
    const none = error instanceof TypeError ? { added: 0, skipped: 0, unknown: 0 } : undefined
    const stored = isSluiceError(error) ? error.stored : none
    const { added, skipped, unknown } = stored ?? { added: 0, skipped: 0, unknown: call.items }
    countRows(this.#counts, 'added', added)
    if (call.stage === 'SUCCESS') this.#counts.addedDone += added
    countRows(this.#counts, 'exists', skipped)
    countRows(this.#counts, 'unknown', unknown)
    countRows(this.#counts, 'unstored', call.items - added - skipped - unknown)
  }

  /**
   * Replaces the bodies of items in WAITING, by id without uid: the current item of the id gets the list's
   * body.
   *
   * @returns the ids of items that were not updated, and why
   */
  async #update(
    rows: CallRows,
    outcomes: readonly RowOutcome[],
  ): Promise<ReadonlyMap<string, string> | undefined> {
    const { updateWaiting, signal } = this.#options
    if (!updateWaiting || signal?.aborted === true) return undefined
    const changes = outcomes
      .filter(({ fate }) => fate === 'changed')
      .map(({ index }) => rows.row(index).item)
      .map(({ id, body }) => ({ id, body }))
    if (changes.length === 0) return undefined
    const { updated, skipped } = await this.#queue.update(changes).catch((error: unknown) => {
      this.#count(outcomes.filter(({ fate }) => fate !== 'changed'))
      countRows(this.#counts, 'unknown', changes.length)
      throw error
    })
    this.#counts.updated += updated
    this.#counts.started += skipped.filter(({ reason }) => reason === 'wrong-stage').length
    return new Map(skipped.map(({ id, reason }) => [id, reason]))
  }

  #listed(
    row: ItemRow,
    fate: Exclude<RowFate, 'same' | 'exists'>,
    left: ReadonlyMap<string, string> | undefined,
  ): ListedRow[] {
    if (fate === 'duplicate') return [duplicateRow(row, this.#options.compare ? 'same' : 'not compared')]
    if (fate === 'duplicate-changed') return [duplicateRow(row, 'changed')]
    if (left === undefined) return [changedRow(row, this.#options.updateWaiting ? 'not tried' : 'kept')]
    const why = left.get(row.item.id)
    return why === undefined ? [] : [changedRow(row, why === 'wrong-stage' ? 'started' : 'gone')]
  }
}

function takesNoStage(items: number, stage: Stage): SluiceError {
  return new SluiceError(
    'SLUICE_CONFIG_INVALID',
    `The queue's package can't put succeeded items [Q-PUT-5]: up to ${items} rows that are done elsewhere were put into ${stage}. ` +
      'Update the package, or remove these items (sluice rm) and load the list with --skip-done.',
  )
}
