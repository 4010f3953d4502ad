import { basename, resolve } from 'node:path'
import { SluiceError } from '@sluice/core'
import { ChoosingReader } from './chosen-items.js'
import { Conveniences } from './conveniences.js'
import {
  isRefused,
  type ManifestEntry,
  type ManifestOptions,
  type ManifestReader,
  type ReadingOptions,
} from './manifest-entry.js'
import { nameOf, openReader, pathOf, type ManifestName } from './manifest-format.js'
import { openSource, type ManifestSource, type SourceOptions } from './text/manifest-source.js'
import { PlainText } from './text/plain-text.js'

/** One file of a manifest. */
interface ManifestFile {
  readonly source: ManifestSource
  /** As given, for messages. */
  readonly path: string
  readonly name: ManifestName
  /** For ids from row numbers. */
  readonly baseName: string
}

type ReadingLimits = Pick<ManifestOptions, 'maxBodyBytes' | 'maxLineBytes' | 'keepRaw'>

const STANDARD_INPUT = '-'

/**
 * Rows are made from pieces of this size: those of a whole chunk would outlive the young generation of the
 * heap.
 */
const PIECE_BYTES = 4 * 1024

/** A list of items in one or several files, read one after the other as one list. */
export class Manifest {
  /** The normalizations of the latest reading. */
  conveniences = new Conveniences()
  readonly #files: readonly ManifestFile[]
  readonly #options: ReadingOptions
  /** The index of the current file. */
  #at = 0

  private constructor(files: readonly ManifestFile[], options: ReadingOptions) {
    this.#files = files
    this.#options = options
  }

  /**
   * Opens all files before the first is read.
   *
   * @param paths files, or `-` for standard input
   * @throws SluiceError SLUICE_INPUT_INVALID where one can't be read, or ids from row numbers would collide
   * between files
   */
  static async open(
    paths: readonly string[],
    options: ReadingOptions,
    sources: SourceOptions = {},
  ): Promise<Manifest> {
    if (options.path !== undefined) pathOf(options.path)
    const files: ManifestFile[] = []
    const manifest = new Manifest(files, options)
    try {
      for (const path of paths) files.push(await openFile(path, options, sources))
      if (options.idFrom === 'row') assertBaseNames(files)
    } catch (error) {
      await manifest.close()
      throw error
    }
    return manifest
  }

  /** The current file, as given; for standard input its name in messages. */
  get file(): string {
    const { path = '', source } = this.#files[this.#at] ?? {}
    return path === STANDARD_INPUT ? (source?.name ?? path) : path
  }

  /** The size of the files as stored, compressed or not; absent where one is a pipe. */
  get totalBytes(): number | undefined {
    let total = 0
    for (const { source } of this.#files) {
      if (source.totalBytes === undefined) return undefined
      total += source.totalBytes
    }
    return total
  }

  /** The progress of the latest reading, in the same bytes. */
  get readBytes(): number {
    // Later sources still have the count of the previous reading.
    return this.#files.slice(0, this.#at + 1).reduce((bytes, { source }) => bytes + source.readBytes, 0)
  }

  /** The entries in the order of the files, invalid rows with the reason. Reads lazily. */
  async *read(limits: ReadingLimits): AsyncGenerator<ManifestEntry> {
    this.conveniences = new Conveniences()
    for (const [at, file] of this.#files.entries()) {
      this.#at = at
      const reading = this.#begin(file, limits)
      // A single generator: a nested one would cost more than the lines themselves.
      for await (const chunk of file.source.read()) {
        for (let at = 0; at < chunk.length && !reading.stopped; at += PIECE_BYTES) {
          for (const entry of reading.push(chunk.subarray(at, at + PIECE_BYTES))) yield entry
        }
        if (reading.stopped) break
      }
      for (const entry of reading.end()) yield entry
    }
  }

  #begin({ name, baseName, path }: ManifestFile, limits: ReadingLimits): FileReading {
    const options = {
      ...this.#options,
      ...limits,
      // A getter, since it may become known while the list is read.
      get maxBodyBytes() {
        return limits.maxBodyBytes
      },
    }
    const reading = { options, baseName, conveniences: this.conveniences }
    const { nul = false, skipLines = 0 } = this.#options
    const { resources, limitKey } = this.#options
    const reader = openReader(reading, name)
    const isPlain = resources === undefined && limitKey === undefined
    return new FileReading(isPlain ? reader : new ChoosingReader(reader, { resources, limitKey }), {
      text: new PlainText(this.conveniences, { nul, skipLines }),
      source: this.#files.length > 1 ? path : undefined,
    })
  }

  /** Deletes temporary copies. */
  async close(): Promise<void> {
    for (const { source } of this.#files) await source.close()
  }
}

/** One reading of one file. */
class FileReading {
  stopped = false
  readonly #reader: ManifestReader
  readonly #text: PlainText
  readonly #source: string | undefined

  /** @param from.source the `source` of the entries */
  constructor(reader: ManifestReader, from: { text: PlainText; source: string | undefined }) {
    this.#reader = reader
    this.#text = from.text
    this.#source = from.source
  }

  push(chunk: Buffer): readonly ManifestEntry[] {
    const text = this.#text.push(chunk)
    const { fault } = this.#text
    return this.#named(fault === undefined ? this.#reader.push(text) : [fault])
  }

  end(): readonly ManifestEntry[] {
    if (this.stopped) return []
    const rest = this.#named(this.#reader.push(this.#text.end()))
    if (this.#text.isAllSkipped) return [{ line: 1, reason: ALL_SKIPPED, stops: true }]
    return this.stopped ? rest : [...rest, ...this.#named(this.#reader.end())]
  }

  #named(entries: readonly ManifestEntry[]): readonly ManifestEntry[] {
    const last = entries.at(-1)
    this.stopped = last !== undefined && isRefused(last) && last.stops === true
    const source = this.#source
    const { bytesBefore, linesBefore } = this.#text
    const isPlaced = linesBefore === 0 && (last?.byte === undefined || bytesBefore === 0)
    if (!isPlaced) return entries.map((entry) => this.#placed(entry))
    return source === undefined ? entries : entries.map((entry) => ({ source, ...entry }))
  }

  /** Adjusts positions to the file: readers count from the start of the text. */
  #placed(entry: ManifestEntry): ManifestEntry {
    const { bytesBefore, linesBefore } = this.#text
    const { byte, ...rest } = entry
    const placed = { ...(this.#source === undefined ? {} : { source: this.#source }), ...rest }
    const line = placed.line + linesBefore
    return byte === undefined || bytesBefore === undefined
      ? { ...placed, line }
      : { ...placed, line, byte: byte + bytesBefore }
  }
}

const ALL_SKIPPED = '--skip-lines skips all lines of the file'

async function openFile(
  path: string,
  options: ReadingOptions,
  sources: SourceOptions,
): Promise<ManifestFile> {
  const { cwd = '.' } = sources
  const source = await openSource(path === STANDARD_INPUT ? path : resolve(cwd, path), sources)
  const isPipe = path === STANDARD_INPUT || source.isPipe
  // Compressing a list must not change its ids.
  const baseName = isPipe ? (options.sourceName ?? '') : basename(path).replace(/(?<=.)\.gz$/iu, '')
  return { source, path, name: nameOf(path, options), baseName }
}

/** Base names must be unique, and a pipe needs one, so that ids from row numbers don't collide. */
function assertBaseNames(files: readonly ManifestFile[]): void {
  for (const [index, { baseName, source }] of files.entries()) {
    if (baseName === '') {
      throw new SluiceError(
        'SLUICE_INPUT_INVALID',
        `--id-from row creates ids from the file name, and ${source.name} has none: use --source-name NAME`,
      )
    }
    const other = files.findIndex((file) => file.baseName === baseName)
    if (other === index) continue
    throw new SluiceError(
      'SLUICE_INPUT_INVALID',
      `--id-from row would create the same ids for two files, since both are named ${baseName} (without .gz): ${files[other]?.source.name ?? ''} and ${source.name}; rename one`,
    )
  }
}
