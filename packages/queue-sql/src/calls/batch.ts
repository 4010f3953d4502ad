/** The most rows of one statement: enough to spread its cost, few enough to end well within a timeout. */
export const MAX_BATCH_ROWS = 1_000
/** The most text of one statement: bodies may be large, and the parameter is held several times. */
export const MAX_BATCH_CHARS = 8_000_000

/** Cuts rows into batches by number and by size, in order. */
export function* batches<Row>(
  rows: readonly Row[],
  chars: (row: Row) => number,
  maxRows = MAX_BATCH_ROWS,
): Generator<Row[]> {
  let batch: Row[] = []
  let size = 0
  for (const row of rows) {
    const more = chars(row)
    if (batch.length > 0 && (batch.length >= maxRows || size + more > MAX_BATCH_CHARS)) {
      yield batch
      batch = []
      size = 0
    }
    batch.push(row)
    size += more
  }
  if (batch.length > 0) yield batch
}

/**
 * Splits rows into rounds in which each id occurs once: of two moves of one item in a call the first must be
 * done before the second is judged.
 */
export function rounds<Row extends { readonly id: string }>(rows: readonly Row[]): Row[][] {
  const seen = new Map<string, number>()
  const split: Row[][] = []
  for (const row of rows) {
    const round = seen.get(row.id) ?? 0
    seen.set(row.id, round + 1)
    const list = split[round]
    if (list === undefined) split.push([row])
    else list.push(row)
  }
  return split
}

/** Of several rows of one id the first. */
export function firstOfEach<Row extends { readonly id: string }>(rows: readonly Row[]): Row[] {
  const seen = new Set<string>()
  return rows.filter(({ id }) => seen.size < seen.add(id).size)
}

/** Sorted by id: every statement locks rows in this order, which prevents deadlocks. */
export function byId<Row extends { readonly id: string }>(rows: readonly Row[]): Row[] {
  return rows.toSorted((a, b) => (a.id < b.id ? -1 : a.id > b.id ? 1 : 0))
}
