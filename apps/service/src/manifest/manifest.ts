import { basename, resolve } from 'node:path'
import { SluiceError } from '@sluice/core'
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
  /** As it was given, for people. */
  readonly path: string
  readonly name: ManifestName
  /** For ids of rows. */
  readonly baseName: string
}

type ReadingLimits = Pick<ManifestOptions, 'maxBodyBytes' | 'maxLineBytes' | 'keepRaw'>

const STANDARD_INPUT = '-'

/** The rows of so many bytes are made at once. Those of a whole chunk would outlive the young generation of the heap, and cost more to collect than to make. */
const PIECE_BYTES = 4 * 1024

/** A list of work in one or several files, which are read one after the other as if they were one. */
export class Manifest {
  /** What was read otherwise than it is written, in the latest reading. */
  conveniences = new Conveniences()
  readonly #files: readonly ManifestFile[]
  readonly #options: ReadingOptions
  /** Which file is being read. */
  #at = 0

  private constructor(files: readonly ManifestFile[], options: ReadingOptions) {
    this.#files = files
    this.#options = options
  }

  /**
   * Opens all files before the first is read.
   *
   * @param paths files, or `-` for standard input
   * @throws SluiceError SLUICE_INPUT_INVALID when one of them can't be read, or ids from rows would not tell their files apart
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

  /** The file that is being read, as it was given; of standard input its name for people. */
  get file(): string {
    const { path = '', source } = this.#files[this.#at] ?? {}
    return path === STANDARD_INPUT ? (source?.name ?? path) : path
  }

  /** Of the files as they lie there, compressed or not; absent where one of them is a pipe. */
  get totalBytes(): number | undefined {
    let total = 0
    for (const { source } of this.#files) {
      if (source.totalBytes === undefined) return undefined
      total += source.totalBytes
    }
    return total
  }

  /** How far the latest reading is, in the same bytes. */
  get readBytes(): number {
    // Of those that come, a source has the number of the reading before.
    return this.#files.slice(0, this.#at + 1).reduce((bytes, { source }) => bytes + source.readBytes, 0)
  }

  /** The items in the files' order, each row that is none of them with the reason. Reads as it goes. */
  async *read(limits: ReadingLimits): AsyncGenerator<ManifestEntry> {
    this.conveniences = new Conveniences()
    for (const [at, file] of this.#files.entries()) {
      this.#at = at
      const reading = this.#begin(file, limits)
      // One generator for all of it: a second one around it would cost more than the lines themselves.
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
      // Read for each row: it may be learned while the list is read.
      get maxBodyBytes() {
        return limits.maxBodyBytes
      },
    }
    const reading = { options, baseName, conveniences: this.conveniences }
    const { nul = false, skipLines = 0 } = this.#options
    return new FileReading(openReader(reading, name), {
      text: new PlainText(this.conveniences, { nul, skipLines }),
      source: this.#files.length > 1 ? path : undefined,
    })
  }

  /** Throws away what was spooled. */
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

  /** @param from.source what the entries say of where they are from */
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

  /** In the file: readers count from where the text begins. */
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

const ALL_SKIPPED = 'the file has no more lines than --skip-lines leaves out'

async function openFile(
  path: string,
  options: ReadingOptions,
  sources: SourceOptions,
): Promise<ManifestFile> {
  const { cwd = '.' } = sources
  const source = await openSource(path === STANDARD_INPUT ? path : resolve(cwd, path), sources)
  const isPipe = path === STANDARD_INPUT || source.isPipe
  // Packing a list must not make other items of its rows.
  const baseName = isPipe ? (options.sourceName ?? '') : basename(path).replace(/(?<=.)\.gz$/iu, '')
  return { source, path, name: nameOf(path, options), baseName }
}

/** Rows of two files must not get the same ids, and those of a pipe not another one's whenever it is read. */
function assertBaseNames(files: readonly ManifestFile[]): void {
  for (const [index, { baseName, source }] of files.entries()) {
    if (baseName === '') {
      throw new SluiceError(
        'SLUICE_INPUT_INVALID',
        `--id-from row makes ids of a file's name, and ${source.name} has none: give --source-name NAME`,
      )
    }
    const other = files.findIndex((file) => file.baseName === baseName)
    if (other === index) continue
    throw new SluiceError(
      'SLUICE_INPUT_INVALID',
      `--id-from row would give rows of two files the same ids, since both are named ${baseName} (.gz set aside): ${files[other]?.source.name ?? ''} and ${source.name}; load them under other names`,
    )
  }
}
