import { readLines } from './line-reader.js'
import { judgeItem, MAX_LINE_BYTES, type ManifestEntry, type ManifestOptions } from './manifest-entry.js'

/** Reads plain lines: each one is an item whose id is the line and whose body is `{ "line": … }`. Blank lines don't count. */
export async function* readPlainLines(
  source: AsyncIterable<Buffer>,
  options: ManifestOptions,
): AsyncGenerator<ManifestEntry> {
  for await (const read of readLines(source, options.maxLineBytes ?? MAX_LINE_BYTES)) {
    if ('reason' in read) {
      yield read
      continue
    }
    if (read.text.trim() === '') continue
    const at = { line: read.line, maxBodyBytes: options.maxBodyBytes }
    yield judgeItem({ id: read.text, body: { line: read.text } }, at)
  }
}
