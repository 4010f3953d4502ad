import type { ManifestFormat, ReadingOptions } from './manifest-entry.js'
import { MAY_BE_COMMENT } from './text-lines.js'

/** What a first line tells: a format, or why it tells none. */
export type Sniffed = { readonly format: ManifestFormat } | { readonly reason: string }

/** So much of a file is looked at for its first line. */
export const SNIFFED_BYTES = 64 * 1024

/**
 * The format that the beginning of a file tells; `undefined` while that is too little.
 *
 * @param whole nothing follows
 * @param listed the file's name says that it is a plain list, unless its first line is JSON
 */
export function sniff(
  head: Buffer,
  options: ReadingOptions,
  at: { readonly whole: boolean; readonly listed: boolean },
): Sniffed | undefined {
  // Lines of what is no text would be items now and then, by chance.
  const packed = PACKED.find(({ magic }) => head.subarray(0, magic.length).equals(magic))
  if (packed !== undefined) return { reason: `the file is packed: unpack it with ${packed.by} first` }
  if (head.subarray(0, SNIFFED_BYTES).includes(0)) return { reason: NOT_TEXT }
  const text = withoutComments(head.subarray(0, SNIFFED_BYTES).toString('utf8'), options.comment)
  const begin = text.search(/[^\s\uFEFF]/u)
  if (begin === -1) return at.whole || head.length >= SNIFFED_BYTES ? { format: 'lines' } : undefined
  if (text[begin] === '{' || text[begin] === '[') return { format: 'jsonl' }
  if (at.listed) return { format: 'lines' }
  const [line = ''] = /[^\r\n]*/u.exec(text.slice(begin)) ?? []
  const isWhole = begin + line.length < text.length || at.whole || head.length >= SNIFFED_BYTES
  return isWhole ? ofLine(line, options) : undefined
}

const PACKED = [
  { magic: Buffer.from([0x28, 0xb5, 0x2f, 0xfd]), by: 'zstd -dc' },
  { magic: Buffer.from('BZh'), by: 'bzip2 -dc' },
  { magic: Buffer.from([0xfd, 0x37, 0x7a, 0x58, 0x5a]), by: 'xz -dc' },
] as const

const NOT_TEXT =
  'the file is not text: export it as CSV or JSON lines first, or give -0 if NUL ends its lines, or --format'

function withoutComments(text: string, comment: string | undefined): string {
  if (comment === undefined || comment === 'none') return text
  let rest = text.trimStart()
  while (rest.startsWith(comment)) {
    const end = rest.search(/[\r\n]/u)
    if (end === -1) return ''
    rest = rest.slice(end).trimStart()
  }
  return rest
}

function ofLine(line: string, options: ReadingOptions): Sniffed {
  if (line.startsWith('#') && options.comment === undefined) return { reason: MAY_BE_COMMENT }
  const wanted = options.idColumn ?? 'id'
  const names = (delimiter: string) => line.split(delimiter).map((name) => name.replace(/^"(.*)"$/u, '$1'))
  if (names('\t').includes(wanted) && line.includes('\t')) return { format: 'tsv' }
  if (/^sep=.$/u.test(line) || [',', ';'].some((each) => names(each).includes(wanted)))
    return { format: 'csv' }
  if (!/[,;\t]/u.test(line)) return { format: 'lines' }
  return {
    reason:
      'the first line may be a header or an id: give --format csv, tsv or lines (a table needs the column id, or --id-column)',
  }
}
