import { countText } from '../output/amounts.js'

/**
 * Normalizations that need no flag because they are unambiguous. They are counted, so that nothing is changed
 * silently.
 */
const WORDS = {
  byteOrderMarks: ['byte order mark', 'byte order marks'],
  utf16: ['file in UTF-16', 'files in UTF-16'],
  carriageReturnFiles: ['file whose lines end with CR', 'files whose lines end with CR'],
  separatorLines: ['sep= line', 'sep= lines'],
  skippedLines: ['line skipped at the beginning', 'lines skipped at the beginning'],
  commentLines: ['comment line', 'comment lines'],
  blankRows: ['blank row', 'blank rows'],
  blankColumns: ['blank column', 'blank columns'],
  namelessColumns: ['column without a name, kept as ""', 'columns without a name, kept as ""'],
  trimmedNames: ['trimmed column name', 'trimmed column names'],
  pathsToNothing: ['place where the path has no match', 'places where the path has no match'],
  rowsOverLines: ['row over several lines', 'rows over several lines'],
  numbersAsText: [
    'number kept as text, because its digits would change',
    'numbers kept as text, because their digits would change',
  ],
  quotesAsText: [
    "value that begins and ends with a quote (--quote '\"' if the writer quotes)",
    "values that begin and end with a quote (--quote '\"' if the writer quotes)",
  ],
} as const

export type Convenience = keyof typeof WORDS

/** Counts normalizations for one reading of one or several files. */
export class Conveniences {
  readonly #counts = new Map<Convenience, number>()

  add(kind: Convenience, count = 1): void {
    this.#counts.set(kind, (this.#counts.get(kind) ?? 0) + count)
  }

  /** Those with a count above 0. */
  get counts(): Readonly<Partial<Record<Convenience, number>>> {
    return Object.fromEntries(this.#counts)
  }
}

/** `2 blank rows, 1 blank column`; empty without any. */
export function describeConveniences(counts: Conveniences['counts']): string {
  const kinds = Object.keys(WORDS).filter(isConvenience)
  return kinds
    .filter((kind) => (counts[kind] ?? 0) > 0)
    .map((kind) => {
      const count = counts[kind] ?? 0
      return `${countText(count)} ${WORDS[kind][count === 1 ? 0 : 1]}`
    })
    .join(', ')
}

function isConvenience(kind: string): kind is Convenience {
  return Object.hasOwn(WORDS, kind)
}
