import { isUtf8 } from 'node:buffer'
import type { ManifestEntry, Reading } from './manifest-entry.js'
import type { TextLine } from './text/text-lines.js'

/** A row as read, without the line ending; bytes where it is not UTF-8. */
export type RawRow = string | Buffer

/** Adds the lines of a row, where requested; none where a line was too long to keep. */
export function withRaw<Entry extends ManifestEntry>(
  entry: Entry,
  { options }: Pick<Reading, 'options'>,
  { lines, lineEnd = '\n' }: { readonly lines: readonly TextLine[]; readonly lineEnd?: string },
): Entry {
  if (options.keepRaw !== true || lines.some(({ fault }) => fault === 'too-long')) return entry
  return { ...entry, raw: rawOf(lines, lineEnd) }
}

/** Adds the text of an element, where requested. */
export function withRawElement(
  entry: ManifestEntry,
  { options }: Pick<Reading, 'options'>,
  bytes: Buffer | undefined,
): ManifestEntry {
  if (options.keepRaw !== true || bytes === undefined) return entry
  // A copy, since the buffers of a file are reused.
  return { ...entry, raw: isUtf8(bytes) ? bytes.toString('utf8') : Buffer.from(bytes) }
}

function rawOf(lines: readonly TextLine[], lineEnd: string): RawRow {
  const last = lines.length - 1
  const texts = lines.map(({ text, carriageReturn }, index) =>
    index === last ? text : `${text}${carriageReturn ? '\r' : ''}${lineEnd}`,
  )
  if (lines.every(({ fault }) => fault === undefined)) return texts.join('')
  return Buffer.concat(
    texts.map((text, index) => Buffer.from(text, lines[index]?.fault === 'not-utf8' ? 'latin1' : 'utf8')),
  )
}
