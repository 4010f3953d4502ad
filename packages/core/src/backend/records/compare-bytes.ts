/**
 * Compares two texts by their UTF-8 bytes, which is the order of code points: that of a LIST of S3, of
 * `collate "C"`, and of `documents` [Q-DOC-4].
 *
 * @returns a negative number if `a` comes first, 0 if they are equal
 */
export function compareBytes(a: string, b: string): number {
  const length = Math.min(a.length, b.length)
  for (let index = 0; index < length; index++) {
    const difference = place(a.charCodeAt(index)) - place(b.charCodeAt(index))
    if (difference !== 0) return difference
  }
  return a.length - b.length
}

/** Code units of surrogate pairs come after all others. */
function place(unit: number): number {
  return unit >= 0xd800 && unit < 0xe000 ? unit + 0x2800 : unit
}
