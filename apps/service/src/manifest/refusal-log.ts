import { createWriteStream, type WriteStream } from 'node:fs'
import { finished } from 'node:stream/promises'
import type { ListedRow } from './listed-row.js'
import { assertReplaceable } from '../replaceable-file.js'
import { rejectsError } from './manifest-errors.js'

/** Rows kept for people to read; the others are only counted, or go to the file of rejects. */
export const SHOWN_ROWS = 20

/** Where a document breaks comes after its elements. */
const LAST = Number.MAX_SAFE_INTEGER

/** Keeps the first rows that are a problem, and writes these and all duplicates to a file of JSON lines if there is one. */
export class RefusalLog {
  readonly #first: ListedRow[] = []
  readonly #path: string | undefined
  #stream: WriteStream | undefined
  #failure: Error | undefined

  readonly #kept: readonly string[]

  /**
   * @param path the file of rejects; it is made anew, empty when nothing is refused
   * @param kept files that it must not be, `-` for standard input
   */
  constructor(path?: string, kept: readonly string[] = []) {
    this.#path = path
    this.#kept = kept
  }

  /** By their lines: a row that the storage was asked about is listed after later ones that were refused as they were read. */
  get first(): readonly ListedRow[] {
    const sources = [...new Set(this.#first.map(({ source }) => source))]
    return this.#first.toSorted(
      (a, b) =>
        sources.indexOf(a.source) - sources.indexOf(b.source) ||
        a.line - b.line ||
        (a.element ?? LAST) - (b.element ?? LAST),
    )
  }

  /** @throws SluiceError SLUICE_INPUT_INVALID when the file can't be written, or is one to keep */
  async open(): Promise<void> {
    if (this.#path === undefined) return
    const path = this.#path
    await assertReplaceable(path, 'the rejects', this.#kept)
    const stream = createWriteStream(path)
    this.#stream = stream
    stream.on('error', (error) => (this.#failure ??= rejectsError(error, path)))
    await new Promise<void>((resolve, reject) => {
      stream.once('open', () => resolve())
      stream.once('error', (error) => reject(rejectsError(error, path)))
    })
  }

  /** Resolves when the file keeps up, so that a manifest of nothing but bad lines takes little memory. */
  async add(row: ListedRow): Promise<void> {
    if (row.harmless !== true && this.#first.length < SHOWN_ROWS) this.#first.push(row)
    if (this.#failure !== undefined) throw this.#failure
    const { source, line, element, byte, id, field, what, reason } = row
    const stream = this.#stream
    if (stream === undefined) return
    if (stream.write(`${JSON.stringify({ source, line, element, byte, id, field, what, reason })}\n`)) return
    await Promise.race([
      new Promise<void>((resolve) => stream.once('drain', () => resolve())),
      new Promise<void>((resolve) => stream.once('close', () => resolve())),
    ])
  }

  async close(): Promise<void> {
    if (this.#stream === undefined) return
    this.#stream.end()
    // Its failure is noted by the listener of `open`, and thrown below.
    await finished(this.#stream).catch(() => undefined)
    if (this.#failure !== undefined) throw this.#failure
  }
}
