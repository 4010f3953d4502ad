/**
 * Whether Go's `strconv.Quote` leaves a text that JSON can read. Argo puts a value into a template's JSON by it: Go writes most control
 * characters, and what its tables don't take for printable beyond U+FFFF (such as the tags within the flag of England), in ways that
 * JSON doesn't know: `\x01`, `\a`, `\v`, `\U000e0067`. Characters that are newer than Go's tables (Unicode 15) but not than JavaScript's are
 * taken here, and refused there.
 */
export function isJsonOnceQuoted(value: string): boolean {
  return !UNREADABLE.test(value)
}

// oxlint-disable-next-line no-control-regex -- these are what it is about
const UNREADABLE = /[\u0000-\u0007\u000b\u000e-\u001f\u007f]|(?=[\u{10000}-\u{10ffff}])[\p{C}\p{Z}]/u
