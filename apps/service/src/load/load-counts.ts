/** The outcomes of the rows of a load: each row is in exactly one count. */
export interface RowCounts {
  /** New in the queue. */
  added: number
  /** In the queue before this load, with the same body. */
  same: number
  /** In the queue before this load, with another body. */
  changed: number
  /** The id came before in this load. */
  duplicate: number
  /** In the queue before this load; the bodies were not compared. */
  exists: number
  /** The row is invalid. */
  refused: number
  /** Left out, as done by the log of another program. */
  done: number
  /** The storage did not answer: the item may be stored or not. */
  unknown: number
  /** Read, and not stored because the load failed before. */
  unstored: number
}

/** The counts of rows, their sum, and subsets of them. */
export interface LoadCounts extends RowCounts {
  rows: number
  /** The `added` rows that were put into SUCCESS, as done by the log of another program. */
  addedDone: number
  /** The `same`, `changed` and `exists` rows that are done by that log. The item stays in its stage. */
  knownDone: number
  /** The `changed` rows whose item got the list's body. */
  updated: number
  /** The `changed` rows that were not updated because the item had left WAITING. */
  started: number
  /** The `duplicate` rows with another body. */
  duplicateChanged: number
}

export function noRows(): LoadCounts {
  const none: RowCounts = {
    added: 0,
    same: 0,
    changed: 0,
    duplicate: 0,
    exists: 0,
    refused: 0,
    done: 0,
    unknown: 0,
    unstored: 0,
  }
  return { rows: 0, ...none, addedDone: 0, knownDone: 0, updated: 0, started: 0, duplicateChanged: 0 }
}

/** Adds rows to a count and to the sum. */
export function countRows(counts: LoadCounts, kind: keyof RowCounts, rows: number): void {
  counts[kind] += rows
  counts.rows += rows
}

/** Rows that are not in the queue as listed: exit code 2. */
export function problemsOf(counts: LoadCounts): number {
  const { refused, changed, updated, duplicateChanged } = counts
  return refused + changed - updated + duplicateChanged
}

/** A row of a list. */
export interface RowPosition {
  /** The file, where there are several. */
  readonly source?: string
  /** 0: no row yet. */
  readonly line: number
}
