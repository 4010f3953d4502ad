/** What became of the rows of a load: each row is in exactly one of the counts. */
export interface RowCounts {
  /** New in the queue. */
  added: number
  /** In the queue before this load, with the same body. */
  same: number
  /** In the queue before this load, with another body. */
  changed: number
  /** The id came before in this load. */
  duplicate: number
  /** In the queue before this load, and the bodies were not compared. */
  exists: number
  /** No queue can take the row. */
  refused: number
  /** Left out, since another program's log says that it is done, and such rows were not wanted. */
  done: number
  /** The storage gave no answer: it may be stored or not. */
  unknown: number
  /** Read, and not stored, since the load failed before. */
  unstored: number
}

/** The counts of rows, their sum, and parts of them. */
export interface LoadCounts extends RowCounts {
  rows: number
  /** Of those that are `added`: put into SUCCESS, since another program's log says that it is done. */
  addedDone: number
  /** Of those that are `same`, `changed` or `exists`: the log says that it is done. The item stays in its stage. */
  knownDone: number
  /** Of those that are `changed`: now the item has the body of the list. */
  updated: number
  /** Of those that are `changed`: it was to be updated, and was not waiting any more. */
  started: number
  /** Of those that are `duplicate`: with another body. */
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

/** Counts rows, and with them the sum. */
export function countRows(counts: LoadCounts, kind: keyof RowCounts, rows: number): void {
  counts[kind] += rows
  counts.rows += rows
}

/** Rows that are not in the queue as the list has them: exit code 2. */
export function problemsOf(counts: LoadCounts): number {
  const { refused, changed, updated, duplicateChanged } = counts
  return refused + changed - updated + duplicateChanged
}

/** A row of a list. */
export interface RowPosition {
  /** The file, where there are several. */
  readonly source?: string
  /** 0: no row at all. */
  readonly line: number
}
