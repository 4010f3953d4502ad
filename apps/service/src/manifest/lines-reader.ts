import { readLines } from './line-reader.js'
import { judgeItem, MAX_LINE_BYTES, type ManifestEntry, type ManifestOptions } from './manifest-entry.js'

/** Reads plain lines: each one is an item whose id is the line and whose body is `{ "line": … }`. Blank lines don't count. */
export function readPlainLines(
  source: AsyncIterable<Buffer>,
  options: ManifestOptions,
): AsyncGenerator<ManifestEntry> {
  return readLines(source, options.maxLineBytes ?? MAX_LINE_BYTES, (read) => {
    if ('reason' in read) return read
    if (read.text.trim() === '') return undefined
    const at = { line: read.line, maxBodyBytes: options.maxBodyBytes }
    return judgeItem({ id: read.text, body: { line: read.text } }, at)
  })
}
