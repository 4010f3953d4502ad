const ESCAPES: Readonly<Record<string, string>> = {
  '<': '\\u003c',
  '>': '\\u003e',
  '&': '\\u0026',
  '\u2028': '\\u2028',
  '\u2029': '\\u2029',
}

/** JSON as Go writes it, with HTML's characters escaped. */
export function goJson(value: unknown): string {
  // In JSON these characters occur in strings only.
  return JSON.stringify(value).replaceAll(/[<>&\u2028\u2029]/g, (char) => ESCAPES[char] ?? char)
}

/** An object with its keys in order, as Go writes a map. */
export function sorted<T>(map: Readonly<Record<string, T>>): Record<string, T> {
  return Object.fromEntries(Object.entries(map).toSorted(([a], [b]) => (a < b ? -1 : 1)))
}

/**
 * Whether Go's `strconv.Quote` leaves a text that JSON can read. Argo inserts a value into a template's JSON
 * by it: Go writes most control characters, and what its tables don't take for printable beyond U+FFFF (such
 * as the tags within the flag of England), in ways that JSON does not have: `\x01`, `\a`, `\v`, `\U000e0067`.
 * Characters that are newer than Go's tables (Unicode 15) but not than JavaScript's are accepted here, and
 * refused there.
 */
export function isJsonOnceQuoted(value: string): boolean {
  return !UNREADABLE.test(value)
}

// oxlint-disable-next-line no-control-regex -- it tests for these
const UNREADABLE = /[\u0000-\u0007\u000b\u000e-\u001f\u007f]|(?=[\u{10000}-\u{10ffff}])[\p{C}\p{Z}]/u
