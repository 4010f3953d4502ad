import { constants } from 'node:fs'
import { open, rm, stat, type FileHandle } from 'node:fs/promises'
import type { Writable } from 'node:stream'
import { finished } from 'node:stream/promises'
import { assertReplaceable } from '../output/replaceable-file.js'
import type { ListedRow } from './listed-row.js'
import { rejectsError } from '../manifest/manifest-errors.js'

/** The rows that the report lists; the others are only counted, or written to the rejects file. */
export const SHOWN_ROWS = 20

/** A document's own error sorts after its elements. */
const LAST = Number.MAX_SAFE_INTEGER

export interface RefusalLogOptions {
  /** The rejects file, `-` for {@link stdout}; absent: none. */
  readonly path?: string
  /** Files that it must not overwrite, `-` for standard input. */
  readonly kept?: readonly string[]
  readonly stdout?: Writable
}

/**
 * Keeps the first problem rows, and writes all of them and all duplicates as JSON lines to the rejects file.
 */
export class RefusalLog {
  readonly #first: ListedRow[] = []
  readonly #path: string | undefined
  readonly #kept: readonly string[]
  readonly #stdout: Writable | undefined
  #file: FileHandle | undefined
  /** The file did not exist before. */
  #isNew = false
  #stream: Writable | undefined
  #failure: Error | undefined

  constructor({ path, kept = [], stdout }: RefusalLogOptions) {
    this.#path = path
    this.#kept = kept
    if (path === '-') this.#stdout = stdout
  }

  /** Sorted by line: a load of several files may list them in another order. */
  get first(): readonly ListedRow[] {
    const sources = [...new Set(this.#first.map(({ source }) => source))]
    return this.#first.toSorted(
      (a, b) =>
        sources.indexOf(a.source) - sources.indexOf(b.source) ||
        a.line - b.line ||
        (a.element ?? LAST) - (b.element ?? LAST),
    )
  }

  /**
   * Ensures that the file can be written. Its content stays until the first row is listed.
   *
   * @throws SluiceError SLUICE_INPUT_INVALID where it can't be written, or must be kept
   */
  async open(): Promise<void> {
    const path = this.#path
    if (path === undefined || path === '-') return
    await assertReplaceable(path, 'the rejects', this.#kept)
    // A file whose status can't be read counts as existing only if it opens.
    this.#isNew = (await stat(path).catch(() => undefined)) === undefined
    this.#file = await open(path, constants.O_WRONLY | constants.O_CREAT).catch((error: unknown) =>
      Promise.reject(rejectsError(error, path)),
    )
  }

  /**
   * Resolves when the file keeps up, so that a manifest of only bad lines takes little memory.
   *
   * @param source the file of a row without `source`
   */
  async add(row: ListedRow, source: string): Promise<void> {
    const { raw, harmless, ...fields } = row
    if (harmless !== true && this.#first.length < SHOWN_ROWS) this.#first.push(fields)
    if (this.#failure !== undefined) throw this.#failure
    if (this.#path === undefined) return
    const stream = (this.#stream ??= await this.#begin(this.#path))
    const { source: from = source, line, element, byte, id, field, what, reason, ...more } = fields
    const place = { source: from, line, element, byte }
    const text = { ...place, id, field, what, reason, ...more, ...rawFields(raw) }
    // A closed standard output never drains.
    if (stream.destroyed || stream.write(`${JSON.stringify(text)}\n`) || stream.destroyed) return
    await Promise.race([
      new Promise<void>((resolve) => stream.once('drain', () => resolve())),
      new Promise<void>((resolve) => stream.once('close', () => resolve())),
    ])
  }

  /**
   * @param isWhole the whole list was read: the file of an older load is emptied, even without rows to list
   * @throws SluiceError SLUICE_INPUT_INVALID where the file could not be written
   */
  async close(isWhole: boolean): Promise<void> {
    const [file, path] = [this.#file, this.#path]
    if (file === undefined || path === undefined) return
    this.#file = undefined
    if (this.#stream === undefined) {
      if (isWhole) await emptied(file)
      await file.close()
      if (this.#isNew && !isWhole) await rm(path, { force: true })
      return
    }
    this.#stream.end()
    // The listener of `#begin` records a failure, which is thrown below.
    await finished(this.#stream).catch(() => undefined)
    if (this.#failure !== undefined) throw this.#failure
  }

  async #begin(path: string): Promise<Writable> {
    const file = this.#file
    // The owner of standard output handles its errors.
    if (file === undefined) return this.#stdout ?? process.stdout
    await emptied(file)
    const stream = file.createWriteStream()
    stream.on('error', (error) => (this.#failure ??= rejectsError(error, path)))
    return stream
  }
}

/** Truncates a regular file; a pipe or a device has no content to lose. */
async function emptied(file: FileHandle): Promise<void> {
  if ((await file.stat()).isFile()) await file.truncate()
}

function rawFields(raw: ListedRow['raw']): { raw?: string; rawBase64?: string } {
  if (raw === undefined) return {}
  return typeof raw === 'string' ? { raw } : { rawBase64: raw.toString('base64') }
}
