/** The key of the last row of a page. */
export function writeCursor(key: readonly number[]): string {
  return key.join('.')
}

/**
 * @param length how many numbers the key of this stage has
 * @throws TypeError for a text that no page gave
 */
export function parseCursor(cursor: unknown, length: number): number[] {
  const parts = typeof cursor === 'string' ? cursor.split('.') : []
  const isKey = parts.length === length && parts.every((part) => /^-?\d{1,16}$/.test(part))
  if (!isKey) throw new TypeError('cursor must be one that an earlier page of this stage and this queue gave')
  return parts.map(Number)
}
