/** Exit codes from the first to the last, both included. */
export interface ExitCodeRange {
  readonly first: number
  readonly last: number
}

/**
 * An exit code, such as `75`, or a range, such as `'130-145'`.
 *
 * @throws TypeError that names the field
 */
export function exitCodeRange(value: number | string, what: string): ExitCodeRange {
  const [, low = '', high = low] = /^(\d{1,10})(?:-(\d{1,10}))?$/u.exec(String(value)) ?? []
  const range = { first: Number(low), last: Number(high) }
  if (low !== '' && range.first <= range.last) return range
  throw new TypeError(
    `${what} must be an exit code such as 75, or a range such as '130-145' with the lower code first; got ${JSON.stringify(value)}`,
  )
}
