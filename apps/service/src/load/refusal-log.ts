import { constants } from 'node:fs'
import { open, rm, stat, type FileHandle } from 'node:fs/promises'
import type { Writable } from 'node:stream'
import { finished } from 'node:stream/promises'
import { assertReplaceable } from '../output/replaceable-file.js'
import type { ListedRow } from './listed-row.js'
import { rejectsError } from '../manifest/manifest-errors.js'

/** Rows kept for people to read; the others are only counted, or go to the file of rejects. */
export const SHOWN_ROWS = 20

/** Where a document breaks comes after its elements. */
const LAST = Number.MAX_SAFE_INTEGER

export interface RefusalLogOptions {
  /** The file of rejects, `-` for {@link stdout}; absent: there is none. */
  readonly path?: string
  /** Files that it must not be, `-` for standard input. */
  readonly kept?: readonly string[]
  readonly stdout?: Writable
}

/** Keeps the first rows that are a problem, and writes these and all duplicates as JSON lines to a file if there is one. */
export class RefusalLog {
  readonly #first: ListedRow[] = []
  readonly #path: string | undefined
  readonly #kept: readonly string[]
  readonly #stdout: Writable | undefined
  #file: FileHandle | undefined
  /** It was not there before. */
  #isNew = false
  #stream: Writable | undefined
  #failure: Error | undefined

  constructor({ path, kept = [], stdout }: RefusalLogOptions) {
    this.#path = path
    this.#kept = kept
    if (path === '-') this.#stdout = stdout
  }

  /** By their lines: a load of several files may list them in another order. */
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
   * Makes sure that the file can be written. What is in it stays until the first row is listed.
   *
   * @throws SluiceError SLUICE_INPUT_INVALID when it can't be, or is one to keep
   */
  async open(): Promise<void> {
    const path = this.#path
    if (path === undefined || path === '-') return
    await assertReplaceable(path, 'the rejects', this.#kept)
    // What can't be looked at is not made either: opening it tells.
    this.#isNew = (await stat(path).catch(() => undefined)) === undefined
    this.#file = await open(path, constants.O_WRONLY | constants.O_CREAT).catch((error: unknown) =>
      Promise.reject(rejectsError(error, path)),
    )
  }

  /**
   * Resolves when the file keeps up, so that a manifest of nothing but bad lines takes little memory.
   *
   * @param source the file that the row is from, where it doesn't say
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
    // Standard output that nobody reads any more takes nothing, and never will.
    if (stream.destroyed || stream.write(`${JSON.stringify(text)}\n`) || stream.destroyed) return
    await Promise.race([
      new Promise<void>((resolve) => stream.once('drain', () => resolve())),
      new Promise<void>((resolve) => stream.once('close', () => resolve())),
    ])
  }

  /**
   * @param isWhole the whole list was read: a file of an older load is of no more use, though this one has nothing to list
   * @throws SluiceError SLUICE_INPUT_INVALID when the file could not be written
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
    // Its failure is noted by the listener of `#begin`, and thrown below.
    await finished(this.#stream).catch(() => undefined)
    if (this.#failure !== undefined) throw this.#failure
  }

  async #begin(path: string): Promise<Writable> {
    const file = this.#file
    // That it can't be written is noted by whoever owns it.
    if (file === undefined) return this.#stdout ?? process.stdout
    await emptied(file)
    const stream = file.createWriteStream()
    stream.on('error', (error) => (this.#failure ??= rejectsError(error, path)))
    return stream
  }
}

/** A pipe or a device has nothing to lose. */
async function emptied(file: FileHandle): Promise<void> {
  if ((await file.stat()).isFile()) await file.truncate()
}

function rawFields(raw: ListedRow['raw']): { raw?: string; rawBase64?: string } {
  if (raw === undefined) return {}
  return typeof raw === 'string' ? { raw } : { rawBase64: raw.toString('base64') }
}
