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
  const text = withoutComments(head.subarray(0, SNIFFED_BYTES).toString('utf8'), options.comment)
  const begin = text.search(/[^\s\uFEFF]/u)
  if (begin === -1) return at.whole || head.length >= SNIFFED_BYTES ? { format: 'lines' } : undefined
  if (text[begin] === '{' || text[begin] === '[') return { format: 'jsonl' }
  if (at.listed) return { format: 'lines' }
  const [line = ''] = /[^\r\n]*/u.exec(text.slice(begin)) ?? []
  const isWhole = begin + line.length < text.length || at.whole || head.length >= SNIFFED_BYTES
  return isWhole ? ofLine(line, options) : undefined
}

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
