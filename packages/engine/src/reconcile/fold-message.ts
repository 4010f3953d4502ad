const FOLDS: readonly RegExp[] = [
  /\b[0-9a-f]{8}-(?:[0-9a-f]{4}-){3}[0-9a-f]{12}\b/giu,
  /\b\d{4}-\d\d-\d\d[T ]\d\d:\d\d(?::\d\d(?:\.\d+)?)?(?:Z|[+-]\d\d:?\d\d)?/gu,
  // Longer hexadecimal numbers; a digit tells them from words.
  /\b(?=[0-9a-f]*\d)[0-9a-f]{8,}\b/giu,
  /\b0x[0-9a-f]+\b/giu,
  /\d+(?:[.,]\d+)*/gu,
]
const MAX_CHARS = 200

/**
 * A message with `…` in place of what is unique to one item or job: the given names, numbers, instants,
 * hashes. Messages that fold to the same text have one cause. Only the first line counts.
 */
export function foldMessage(message: string, names: readonly string[]): string {
  let folded = message.trim().split('\n', 1)[0] ?? ''
  // Longer ones first: one name may be part of another.
  const given = names.filter((name) => name !== '').toSorted((a, b) => b.length - a.length)
  for (const name of given) folded = withoutName(folded, name)
  for (const pattern of FOLDS) folded = folded.replaceAll(pattern, '…')
  return folded.length > MAX_CHARS ? `${folded.slice(0, MAX_CHARS - 1).toWellFormed()}…` : folded
}

/** A short name is replaced only as a whole word. */
function withoutName(line: string, name: string): string {
  if (!line.includes(name)) return line
  if (name.length >= 8) return line.replaceAll(name, '…')
  const literal = name.replaceAll(/[\\^$.*+?()[\]{}|/]/gu, String.raw`\$&`)
  return line.replaceAll(new RegExp(`(?<![\\p{L}\\p{N}])${literal}(?![\\p{L}\\p{N}])`, 'gu'), '…')
}
