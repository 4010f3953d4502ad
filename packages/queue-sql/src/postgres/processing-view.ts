import { compareBytes } from '@sluice/core/backend'
import { CompiledQuery, type Kysely } from 'kysely'
import { pageOf, type ProcessingRow, type ProcessingRows, type RowPage } from '../items/processing-rows.js'
import type { Tables } from '../schema/tables.js'
import { plainArray, textArray } from './parameters.js'

/** The statements of {@link ProcessingView}; `$1` is the queue's id. */
export interface ProcessingTexts {
  /** `$2`: rows with a greater id; `$3`: how many. */
  readonly page: string
  /** `$2`: known ids; `$3` and `$4`: a {@link Snapshot}. */
  readonly since: string
}

/** A snapshot of the server: the transactions that a statement sees. */
interface Snapshot {
  /** Transactions with this id or a higher one had not begun. */
  readonly xmax: string
  /** Those with a lower one that were not over. */
  readonly open: readonly string[]
  /** When the server started: another server may number its transactions otherwise. */
  readonly server: string
}

/** The first row of a result. */
interface SeenRow {
  readonly id: null
  readonly seen: string
  readonly server: string
}

interface Known {
  readonly snapshot: Snapshot
  /** By id: all rows of PROCESSING in the snapshot, and some that have left since. */
  readonly rows: Map<string, ProcessingRow>
}

/** A scan of the table that is not at its end. */
interface Scan {
  readonly rows: Map<string, ProcessingRow>
  /** That of its first page. */
  readonly snapshot: Snapshot
  /** Where its next page begins. */
  readonly after: string
}

/** A process that lists more items does not keep them, and scans the table each time. */
const MAX_KNOWN = 100_000

/**
 * The pages of PROCESSING for a process that reads them repeatedly, as a dispatcher does at every tick.
 *
 * Rows of `processing` come and go at the rate of the jobs, and while any transaction of the database stays
 * open no dead row can be removed: a scan of the table would walk over every item claimed since. So the table
 * is scanned once. From then on a page reads the known rows by their keys, which leaves out those that are
 * gone, and by an index the rows whose transactions its last snapshot did not see. It misses none: such a
 * transaction was open in that snapshot, or has a higher id.
 */
export class ProcessingView implements ProcessingRows {
  readonly #db: Pick<Kysely<Tables>, 'executeQuery'>
  readonly #queueId: number
  readonly #texts: ProcessingTexts
  #known: Known | undefined
  #scan: Scan | undefined

  constructor(
    db: Pick<Kysely<Tables>, 'executeQuery'>,
    { queueId, texts }: { readonly queueId: number; readonly texts: ProcessingTexts },
  ) {
    this.#db = db
    this.#queueId = queueId
    this.#texts = texts
  }

  async page(limit: number, after: string): Promise<RowPage> {
    try {
      const page = this.#known && (await this.#changedPage(this.#known, limit, after))
      return page ?? (await this.#scannedPage(limit, after))
    } catch (error) {
      this.#known = undefined
      throw error
    }
  }

  async #scannedPage(limit: number, after: string): Promise<RowPage> {
    const scan = this.#scan?.after === after ? this.#scan : undefined
    const { rows: found, snapshot } = await this.#read(this.#texts.page, [after, limit + 1])
    const page = pageOf(found, limit)
    if (after === '' || scan !== undefined) {
      // Claims since the first page are read with its snapshot.
      const before = {
        rows: scan?.rows ?? new Map<string, ProcessingRow>(),
        snapshot: scan?.snapshot ?? snapshot,
      }
      for (const row of page.rows) before.rows.set(row.id, row)
      const isKept = isLater(snapshot, before.snapshot) && before.rows.size <= MAX_KNOWN
      this.#scan = isKept && page.next !== undefined ? { ...before, after: page.next } : undefined
      this.#known = isKept && page.next === undefined ? before : undefined
    }
    return page
  }

  /** @returns `undefined`: what is known is of another server */
  async #changedPage(known: Known, limit: number, after: string): Promise<RowPage | undefined> {
    const ids = [...known.rows.keys()].filter((id) => compareBytes(id, after) > 0).toSorted(compareBytes)
    const asked = ids.slice(0, limit + 1)
    const { rows: found, snapshot } = await this.#read(this.#texts.since, [
      textArray(asked),
      known.snapshot.xmax,
      plainArray(known.snapshot.open),
    ])
    if (!isLater(snapshot, known.snapshot)) {
      this.#known = undefined
      return undefined
    }
    this.#note(known, { asked, found, snapshot })
    const end = ids.length > asked.length ? asked.at(-1) : undefined
    const rows = found
      .filter(({ id }) => compareBytes(id, after) > 0 && (end === undefined || compareBytes(id, end) <= 0))
      .toSorted((a, b) => compareBytes(a.id, b.id))
    return end === undefined || rows.length > limit ? pageOf(rows, limit) : { rows, next: end }
  }

  /** A page that was read beside another one with the same snapshot adds nothing: the next page reads it. */
  #note(
    known: Known,
    {
      asked,
      found,
      snapshot,
    }: { asked: readonly string[]; found: readonly ProcessingRow[]; snapshot: Snapshot },
  ): void {
    if (this.#known !== known) return
    for (const id of asked) known.rows.delete(id)
    for (const row of found) known.rows.set(row.id, row)
    this.#known = known.rows.size <= MAX_KNOWN ? { snapshot, rows: known.rows } : undefined
  }

  async #read(
    text: string,
    parameters: readonly unknown[],
  ): Promise<{ rows: ProcessingRow[]; snapshot: Snapshot }> {
    const query = CompiledQuery.raw(text, [this.#queueId, ...parameters])
    const { rows } = await this.#db.executeQuery<ProcessingRow | SeenRow>(query)
    const seen = rows.find(isSeen)
    if (seen === undefined) throw new Error('a statement that always returns its snapshot returned none')
    const [, xmax = '0', open = ''] = seen.seen.split(':')
    const snapshot = { xmax, open: open === '' ? [] : open.split(','), server: seen.server }
    return { rows: rows.filter((row) => !isSeen(row)), snapshot }
  }
}

function isSeen(row: ProcessingRow | SeenRow): row is SeenRow {
  return row.id === null
}

/** Whether the first snapshot is of the same server, and not before the second one. */
function isLater(snapshot: Snapshot, other: Snapshot): boolean {
  return snapshot.server === other.server && BigInt(snapshot.xmax) >= BigInt(other.xmax)
}
