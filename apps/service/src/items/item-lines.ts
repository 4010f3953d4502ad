import type { ItemRecord } from '@sluice/core'
import type { JobAnswer } from '../jobs/ask-jobs.js'
import { jobLine } from '../jobs/job-text.js'
import { oneLine, printable, type Output } from '../output/output.js'
import { spanText } from '../output/amounts.js'
import { stageSince, tookMs } from './item-selection.js'

export interface ItemLinesOptions {
  readonly output: Pick<Output, 'stdout' | 'colors'>
  /** Epoch ms of the storage's clock. */
  readonly now: number
}

const STAGE_CELLS = 11
const ATTEMPT_CELLS = 8
const SPAN_CELLS = 9
/** Bounds that leave room for both the id and the reason. */
const MOST_ID_CELLS = 60
const LEAST_REASON_CELLS = 24
/** Without a terminal. */
const PIPED_REASON_CHARS = 300

/**
 * Items as lines of fixed columns, sized by the ids of the first page and the terminal. A table would have to
 * hold all items to know its widths.
 */
export class ItemLines {
  readonly #options: ItemLinesOptions
  #idCells: number | undefined

  constructor(options: ItemLinesOptions) {
    this.#options = options
  }

  /** The lines of one page; the first page begins with the headings. */
  of(items: readonly ItemRecord[], jobs: ReadonlyMap<string, JobAnswer>): string[] {
    const lines: string[] = []
    if (this.#idCells === undefined) {
      this.#idCells = this.#widthFor(items)
      const head = this.#line(['stage', 'attempt', 'id', 'age', 'took'], 'reason, or state of the job')
      lines.push(this.#options.output.colors.bold(head))
    }
    return [...lines, ...items.map((item) => this.#itemLine(item, jobs.get(item.id)))]
  }

  #itemLine(item: ItemRecord, job: JobAnswer | undefined): string {
    const { now } = this.#options
    const took = tookMs(item, now)
    const cells = [
      item.stage,
      String(item.attempt),
      printable(item.id),
      shortText(now - stageSince(item)),
      took === undefined ? '' : shortText(took),
    ]
    const running = job === undefined ? '' : jobLine(job, PIPED_REASON_CHARS)
    // A line that ends with a link must not be cut.
    return running === ''
      ? this.#line(cells, item.reason ?? '')
      : this.#line(cells, running, { isWhole: true })
  }

  #line(cells: readonly string[], reason: string, { isWhole = false } = {}): string {
    const widths = [STAGE_CELLS, ATTEMPT_CELLS, this.#idCells ?? 0, SPAN_CELLS, SPAN_CELLS]
    const padded = cells.map((cell, at) => {
      const width = widths[at] ?? 0
      // A cell longer than its column is shown whole: a cut id can't be copied.
      return cell.length < width ? cell.padEnd(width) : `${cell} `
    })
    const line = padded.join('')
    return `${line}${isWhole ? reason : oneLine(reason, this.#reasonCells(line.length))}`.trimEnd()
  }

  #reasonCells(taken: number): number {
    const { columns } = this.#options.output.stdout
    return columns === undefined ? PIPED_REASON_CHARS : Math.max(LEAST_REASON_CELLS, columns - taken)
  }

  #widthFor(items: readonly ItemRecord[]): number {
    const { columns = Number.POSITIVE_INFINITY } = this.#options.output.stdout
    const others = STAGE_CELLS + ATTEMPT_CELLS + 2 * SPAN_CELLS + LEAST_REASON_CELLS
    const most = Math.max(4, Math.min(MOST_ID_CELLS, columns - others))
    return Math.min(most, Math.max(4, ...items.map(({ id }) => printable(id).length + 2)))
  }
}

function shortText(ms: number): string {
  return ms < 1_000 ? '<1s' : spanText(ms)
}
