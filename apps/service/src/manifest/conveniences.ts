import { countText } from '../output/amounts.js'

/** What was read otherwise than it is written, and needed no flag since it can mean nothing else: counted, so that nothing is left out in silence. */
const WORDS = {
  byteOrderMarks: ['byte order mark', 'byte order marks'],
  utf16: ['file in UTF-16', 'files in UTF-16'],
  carriageReturnFiles: ['file whose lines end with CR', 'files whose lines end with CR'],
  separatorLines: ['sep= line', 'sep= lines'],
  skippedLines: ['line left out at the beginning', 'lines left out at the beginning'],
  commentLines: ['comment line', 'comment lines'],
  blankRows: ['blank row', 'blank rows'],
  blankColumns: ['blank column', 'blank columns'],
  namelessColumns: ['column without a name, kept as ""', 'columns without a name, kept as ""'],
  trimmedNames: ['column name without its outer blanks', 'column names without their outer blanks'],
  pathsToNothing: ['place where the path leads to nothing', 'places where the path leads to nothing'],
  rowsOverLines: ['row over several lines', 'rows over several lines'],
  numbersAsText: [
    'number left as text, since it would not be written back so',
    'numbers left as text, since they would not be written back so',
  ],
  quotesAsText: [
    "value that begins and ends with a quote (--quote '\"' if the writer quotes)",
    "values that begin and end with a quote (--quote '\"' if the writer quotes)",
  ],
} as const

export type Convenience = keyof typeof WORDS

/** Counts them for one reading of one or several files. */
export class Conveniences {
  readonly #counts = new Map<Convenience, number>()

  add(kind: Convenience, count = 1): void {
    this.#counts.set(kind, (this.#counts.get(kind) ?? 0) + count)
  }

  /** Those that were met. */
  get counts(): Readonly<Partial<Record<Convenience, number>>> {
    return Object.fromEntries(this.#counts)
  }
}

/** `2 blank rows, 1 blank column`, for people; nothing for nothing. */
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
