import { SluiceError } from '@sluice/core'
import { readCsv } from './csv-reader.js'
import { readJsonLines } from './jsonl-reader.js'
import { readPlainLines } from './lines-reader.js'
import type { ManifestEntry, ManifestFormat, ManifestOptions } from './manifest-entry.js'

const FORMAT_OF_EXTENSION: Readonly<Record<string, ManifestFormat>> = {
  jsonl: 'jsonl',
  ndjson: 'jsonl',
  json: 'jsonl',
  csv: 'csv',
  tsv: 'csv',
  txt: 'lines',
  list: 'lines',
  lst: 'lines',
}

/**
 * The format that a file's name tells, `.gz` set aside; of standard input, JSONL.
 *
 * @throws SluiceError SLUICE_INPUT_INVALID when the name doesn't tell
 */
export function formatOfPath(path: string): ManifestFormat {
  if (path === '-') return 'jsonl'
  const format = FORMAT_OF_EXTENSION[extension(path)]
  if (format !== undefined) return format
  throw new SluiceError(
    'SLUICE_INPUT_INVALID',
    `The name ${path} doesn't tell the format of the manifest: give --format jsonl, csv or lines`,
  )
}

/** A tab for `.tsv`, a comma for everything else. */
export function delimiterOfPath(path: string): string {
  return extension(path) === 'tsv' ? '\t' : ','
}

function extension(path: string): string {
  return /\.([^./\\]+)(?:\.gz)?$/iu.exec(path)?.[1]?.toLowerCase() ?? ''
}

const READERS = { jsonl: readJsonLines, csv: readCsv, lines: readPlainLines }

/** The items of a manifest in the file's order, each line that is none of them with the reason. Reads as it goes. */
export function readManifest(
  source: AsyncIterable<Buffer>,
  options: ManifestOptions,
): AsyncGenerator<ManifestEntry> {
  return READERS[options.format](source, options)
}
