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

/** Names that say that each line is an item. */
const LINES_OF_JSON = /\.(?:jsonl|ndjson|ndgeojson|geojsonl|geojsons|geojsonseq|json-?seq)(?:\.gz)?$/iu

/** Names of plain lists; also those of JSON lines whose name says only that they are text. */
const LISTS = ['txt', 'list', 'lst']

/** What is known of a file before it is read. */
export interface ManifestName {
  /** As it was given; absent for standard input. */
  readonly path: string | undefined
  readonly format: ManifestFormat | undefined
  readonly isList: boolean
}

/** The format that the options, or else a file's name (`.gz` set aside), tell. */
export function nameOf(path: string, options: ReadingOptions): ManifestName {
  const isPipe = path === '-'
  const extension = isPipe ? '' : extensionOf(path)
  const named = FORMAT_OF_EXTENSION[extension]
  const format = options.format ?? named ?? impliedFormat(options)
  return { path: isPipe ? undefined : path, format, isList: LISTS.includes(extension) }
}

/** Options that mean something for one form alone. Those of a table are for `--split`, too, where it is not told what stands between values. */
export const OPTIONS_OF_FORM = {
  json: ['idField', 'bodyField', 'priorityField', 'path'],
  table: ['idColumn', 'priorityColumn', 'columns', 'typed', 'keepHeaderRows'],
  csv: ['blank', 'delimiter', 'quote', 'escape', 'escapeIn', 'nullValue', 'headerBlanks', 'maxRowLines'],
  lines: ['split', 'nul'],
} as const satisfies Readonly<Record<string, readonly (keyof ReadingOptions)[]>>

/** The format that an option tells by being given. */
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

/** A reader for a file: of the format that is known unless the file begins as none of it can, else of the one that its first line tells. */
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

/** @throws SluiceError SLUICE_INPUT_INVALID for what is no path */
export function pathOf(path: string) {
  const steps = parsePath(path)
  if (steps !== undefined) return steps
  throw new SluiceError(
    'SLUICE_INPUT_INVALID',
    `--path ${path} is no path of fields and [*], such as $.features[*], $[*] or $['a b'].c[*]`,
  )
}

/** Holds back the beginning of a file until its first line tells the format, or that it is another one. */
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
    // With a path, too, a document need not begin as JSON lines do.
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
