import { SluiceError } from '@sluice/core'
import { CsvReader } from './csv/csv-reader.js'
import { JsonDocumentReader } from './json/json-document.js'
import { JsonLinesReader } from './json/jsonl-reader.js'
import { parsePath } from './json/json-path.js'
import { PlainLinesReader } from './text/lines-reader.js'
import type {
  ManifestEntry,
  ManifestFormat,
  ManifestReader,
  Reading,
  ReadingOptions,
} from './manifest-entry.js'
import { sniff } from './first-line/sniffed-format.js'

const FORMAT_OF_EXTENSION: Readonly<Partial<Record<string, ManifestFormat>>> = {
  jsonl: 'jsonl',
  ndjson: 'jsonl',
  json: 'jsonl',
  geojson: 'jsonl',
  geojsonl: 'jsonl',
  geojsons: 'jsonl',
  geojsonseq: 'jsonl',
  ndgeojson: 'jsonl',
  'json-seq': 'jsonl',
  jsonseq: 'jsonl',
  csv: 'csv',
  tsv: 'tsv',
  tab: 'tsv',
}

/** File names for one JSON item per line. */
const LINES_OF_JSON = /\.(?:jsonl|ndjson|ndgeojson|geojsonl|geojsons|geojsonseq|json-?seq)(?:\.gz)?$/iu

/** Extensions of plain lists, and of JSON lines with the extension of a text file. */
const LISTS = ['txt', 'list', 'lst']

/** What is known of a file before it is read. */
export interface ManifestName {
  /** As given; absent for standard input. */
  readonly path: string | undefined
  readonly format: ManifestFormat | undefined
  readonly isList: boolean
}

/** The format by the options, else by the file name (without `.gz`). */
export function nameOf(path: string, options: ReadingOptions): ManifestName {
  const isPipe = path === '-'
  const extension = isPipe ? '' : extensionOf(path)
  const named = FORMAT_OF_EXTENSION[extension]
  const format = options.format ?? named ?? impliedFormat(options)
  return { path: isPipe ? undefined : path, format, isList: LISTS.includes(extension) }
}

/** Options of one format only. Those of `table` also apply to `--split`, which has no delimiter. */
export const OPTIONS_OF_FORM = {
  json: ['idField', 'bodyField', 'priorityField', 'path'],
  table: ['idColumn', 'priorityColumn', 'columns', 'typed', 'keepHeaderRows'],
  csv: ['blank', 'delimiter', 'quote', 'escape', 'escapeIn', 'nullValue', 'headerBlanks', 'maxRowLines'],
  lines: ['split', 'nul'],
} as const satisfies Readonly<Record<string, readonly (keyof ReadingOptions)[]>>

/** The format that an option implies. */
function impliedFormat(options: ReadingOptions): ManifestFormat | undefined {
  const isGiven = (name: keyof ReadingOptions) => options[name] !== undefined && options[name] !== false
  const { json, table, csv, lines } = OPTIONS_OF_FORM
  if (lines.some(isGiven)) return 'lines'
  if (json.some(isGiven)) return 'jsonl'
  return [...table, ...csv].some(isGiven) ? 'csv' : undefined
}

function extensionOf(path: string): string {
  return /\.([^./\\]+)(?:\.gz)?$/iu.exec(path)?.[1]?.toLowerCase() ?? ''
}

/**
 * A reader for a file: for the known format, unless the beginning contradicts it, else for the format of the
 * first line.
 */
export function openReader(reading: Reading, name: ManifestName): ManifestReader {
  return new SniffingReader(reading, name)
}

function readerOf(format: ManifestFormat, reading: Reading, name: ManifestName): ManifestReader {
  const { options } = reading
  if (options.split === true || format === 'csv') return new CsvReader(reading, ',')
  if (format === 'tsv') return new CsvReader(reading, '\t')
  if (format === 'lines') return new PlainLinesReader(reading, name.format === undefined)
  if (options.path !== undefined) {
    const path = { text: options.path, steps: pathOf(options.path) }
    return new JsonDocumentReader(reading, path)
  }
  const named = name.path !== undefined && LINES_OF_JSON.test(name.path)
  const asked = options.format !== undefined
  return new JsonLinesReader(reading, { asked, named: asked || named, name: name.path })
}

/** @throws SluiceError SLUICE_INPUT_INVALID for an invalid path */
export function pathOf(path: string) {
  const steps = parsePath(path)
  if (steps !== undefined) return steps
  throw new SluiceError(
    'SLUICE_INPUT_INVALID',
    `--path ${path} is not a path of fields and [*], such as $.features[*], $[*] or $['a b'].c[*]`,
  )
}

/** Buffers the beginning of a file until its first line decides the format. */
class SniffingReader implements ManifestReader {
  readonly #reading: Reading
  readonly #name: ManifestName
  #head = Buffer.alloc(0)
  #reader: ManifestReader | undefined

  constructor(reading: Reading, name: ManifestName) {
    this.#reading = reading
    this.#name = name
  }

  push(bytes: Buffer): readonly ManifestEntry[] {
    if (this.#reader !== undefined) return this.#reader.push(bytes)
    this.#head = Buffer.concat([this.#head, bytes])
    return this.#begin(false)
  }

  end(): readonly ManifestEntry[] {
    const begun = this.#reader === undefined ? this.#begin(true) : []
    return [...begun, ...(this.#reader?.end() ?? [])]
  }

  #begin(whole: boolean): readonly ManifestEntry[] {
    const { options } = this.#reading
    const { format, isList } = this.#name
    // With a path, a document need not begin like JSON lines.
    const asked = options.format !== undefined || options.path !== undefined
    const found = sniff(this.#head, options, { whole, name: { format, asked, isList } })
    if (found === undefined) return []
    if ('reason' in found) return [{ line: 1, reason: found.reason, stops: true }]
    this.#reader = readerOf(found.format, this.#reading, this.#name)
    const head = this.#head
    this.#head = Buffer.alloc(0)
    return this.#reader.push(head)
  }
}
