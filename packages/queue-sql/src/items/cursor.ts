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
  if (!isKey) throw badCursor()
  return parts.map(Number)
}

/** The key of the last row of a page, where it is an id. */
export function writeTextCursor(key: string): string {
  return Buffer.from(key).toString('base64url')
}

/** @throws TypeError for a text that no page gave */
export function parseTextCursor(cursor: unknown): string {
  const key = typeof cursor === 'string' ? Buffer.from(cursor, 'base64url').toString() : ''
  if (key === '' || writeTextCursor(key) !== cursor || key.includes('\0')) throw badCursor()
  return key
}

function badCursor(): TypeError {
  return new TypeError('cursor must be one that an earlier page of this stage and this queue gave')
}
