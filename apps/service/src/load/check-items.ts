import { SluiceError, type JsonValue, type Runtime } from '@sluice/core'
import { countText } from '../output/amounts.js'
import { IdHashes, openIdHash, type HashId } from './id-hashes.js'
import { duplicateRow, refusedRow, type ListedRow } from './listed-row.js'
import { isAbort, type DoneRows } from './load-items.js'
import { isRefused, type GoodEntry, type ManifestEntry } from '../manifest/manifest-entry.js'

export interface CheckOptions {
  readonly runtime: Pick<Runtime, 'yield'>
  /** Called for each row that is refused or a duplicate. */
  readonly onListed?: (row: ListedRow) => void | Promise<void>
  /** List rows in the order of the list, in the second reading, when duplicates are known. Default false. */
  readonly inOrder?: boolean
  readonly done?: DoneRows
  readonly onProgress?: (counts: CheckCounts) => void
  readonly signal?: AbortSignal
  /** Detects rows that may repeat an id. Default XXH64. */
  readonly hashId?: HashId
}

/** The rows of a manifest, as far as they can be judged without a queue. */
export interface CheckCounts {
  /** Valid rows, without duplicates. */
  good: number
  /** The `good` rows whose items go to SUCCESS. */
  goodDone: number
  /** Left out, since they are done elsewhere. */
  done: number
  refused: number
  /** The id came before. */
  duplicate: number
  /** The `duplicate` rows with another body. */
  duplicateChanged: number
}

export interface CheckResult {
  readonly counts: CheckCounts
  readonly interrupted: boolean
  /** More ids than memory keeps: later duplicates count as good. */
  readonly manyIds: boolean
}

/** The most repeated ids whose bodies are compared: about 150 MB. */
export const MAX_REPEATED_IDS = 1_000_000
const PAUSE_ROWS = 500

/**
 * Reads a whole manifest and stores nothing. Only where hashes show that ids may repeat, it reads the
 * manifest again, to compare these rows: the ids themselves, and 64-bit hashes of the bodies.
 *
 * @param read reads the manifest from its start
 * @throws SluiceError SLUICE_INPUT_INVALID for more than {@link MAX_REPEATED_IDS} repeated ids
 */
export async function checkItems(
  read: () => AsyncIterable<ManifestEntry>,
  options: CheckOptions,
): Promise<CheckResult> {
  const hash = await openIdHash()
  const check = new Check({ hashId: options.hashId ?? hash, hashBody: hash }, options)
  try {
    await check.judge(read())
    if (check.needsComparing && options.signal?.aborted !== true) await check.compare(read())
  } catch (error) {
    if (!isAbort(error, options.signal)) throw error
  }
  return check.result()
}

class Check {
  readonly #counts: CheckCounts = {
    good: 0,
    goodDone: 0,
    done: 0,
    refused: 0,
    duplicate: 0,
    duplicateChanged: 0,
  }
  readonly #hashId: HashId
  readonly #hashBody: (text: string) => bigint
  readonly #options: CheckOptions
  /** Ids that may repeat. */
  readonly #suspects: IdHashes
  #hasSuspects = false
  #manyIds = false
  #rows = 0

  constructor(
    { hashId, hashBody }: { readonly hashId: HashId; readonly hashBody: (text: string) => bigint },
    options: CheckOptions,
  ) {
    this.#hashId = hashId
    this.#hashBody = hashBody
    this.#options = options
    this.#suspects = new IdHashes(hashId)
  }

  get needsComparing(): boolean {
    return this.#hasSuspects || (this.#options.inOrder === true && this.#counts.refused > 0)
  }

  result(): CheckResult {
    const interrupted = this.#options.signal?.aborted === true
    return { counts: this.#counts, interrupted, manyIds: this.#manyIds }
  }

  async judge(entries: AsyncIterable<ManifestEntry>): Promise<void> {
    const seen = new IdHashes(this.#hashId)
    for await (const entry of entries) {
      if (isRefused(entry)) {
        this.#counts.refused += 1
        if (this.#options.inOrder !== true) await this.#options.onListed?.(refusedRow(entry))
      } else if (this.#isLeftOut(entry)) this.#counts.done += 1
      else {
        this.#counts.good += 1
        if (this.#isDone(entry)) this.#counts.goodDone += 1
        if (seen.add(entry.item.id)) {
          this.#suspects.add(entry.item.id)
          this.#hasSuspects = true
        }
      }
      if (this.#isPause() && (await this.#pause())) break
    }
    this.#manyIds = seen.isFull
  }

  async compare(entries: AsyncIterable<ManifestEntry>): Promise<void> {
    const bodies = new Map<string, bigint>()
    for await (const entry of entries) {
      if (isRefused(entry)) {
        if (this.#options.inOrder === true) await this.#options.onListed?.(refusedRow(entry))
      } else if (this.#suspects.has(entry.item.id) && !this.#isLeftOut(entry))
        await this.#compareRow(entry, bodies)
      if (this.#isPause() && (await this.#pause())) break
    }
  }

  async #compareRow(entry: GoodEntry, bodies: Map<string, bigint>): Promise<void> {
    const { id, body } = entry.item
    const first = bodies.get(id)
    const hash = this.#hashBody(canonicalText(body))
    if (first === undefined) {
      if (bodies.size === MAX_REPEATED_IDS) throw tooManyRepeats()
      bodies.set(id, hash)
      return
    }
    this.#counts.good -= 1
    if (this.#isDone(entry)) this.#counts.goodDone -= 1
    this.#counts.duplicate += 1
    if (first !== hash) this.#counts.duplicateChanged += 1
    await this.#options.onListed?.(duplicateRow(entry, first === hash ? 'same' : 'changed'))
  }

  #isDone({ item }: GoodEntry): boolean {
    return this.#options.done?.isDone(item.id) === true
  }

  #isLeftOut(entry: GoodEntry): boolean {
    return this.#options.done?.skip === true && this.#isDone(entry)
  }

  #isPause(): boolean {
    this.#rows += 1
    return this.#rows % PAUSE_ROWS === 0
  }

  /** @returns whether the signal came */
  async #pause(): Promise<boolean> {
    this.#options.onProgress?.(this.#counts)
    await this.#options.runtime.yield()
    return this.#options.signal?.aborted === true
  }
}

/** The same text for equal JSON, in any order of keys. */
function canonicalText(body: JsonValue): string {
  return JSON.stringify(body, (_, value: JsonValue) =>
    typeof value === 'object' && value !== null && !Array.isArray(value)
      ? Object.fromEntries(Object.entries(value).toSorted(([a], [b]) => (a < b ? -1 : 1)))
      : value,
  )
}

function tooManyRepeats(): SluiceError {
  return new SluiceError(
    'SLUICE_INPUT_INVALID',
    `More than ${countText(MAX_REPEATED_IDS)} ids of the list are repeated: too many bodies to compare before the list is stored. ` +
      'Remove the repeated rows, or load it without --strict: each row is then counted by the answer of the storage.',
  )
}
