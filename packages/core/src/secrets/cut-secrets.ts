/** A part of a secret that is shorter is left: it would match by chance. */
const MIN_PART_CHARS = 8
/**
 * Where a text may have been cut: what a program said is often quoted behind a colon, its beginning left out.
 */
const CUTS = /(…|\.{3}|: |\n)/u

/** Leaves secrets out of texts. */
export interface SecretText {
  redact(text: string, mark: string): string
}

/**
 * Finds secrets that were cut in two, at the beginning or end of a text or at an ellipsis: servers and
 * programs shorten what they say.
 */
export function cutSecretsOf(values: readonly string[]): SecretText {
  const long = values.map((value) => value.trim()).filter((value) => value.length > MIN_PART_CHARS)
  if (long.length === 0) return { redact: (text) => text }
  // Nearly every text has neither the beginning nor the end of a secret.
  const edges = long.flatMap((value) => [value.slice(0, MIN_PART_CHARS), value.slice(-MIN_PART_CHARS)])
  return {
    redact: (text, mark) => {
      if (!edges.some((edge) => text.includes(edge))) return text
      const parts = text.split(CUTS)
      return parts.map((part) => (CUTS.test(part) ? part : withoutEdges(part, long, mark))).join('')
    },
  }
}

function withoutEdges(text: string, values: readonly string[], mark: string): string {
  let rest = text
  for (const value of values) {
    const head = headAtEnd(rest, value)
    if (head > 0) rest = `${rest.slice(0, -head)}${mark}`
    const tail = tailAtStart(rest, value)
    if (tail > 0) rest = `${mark}${rest.slice(tail)}`
  }
  return rest
}

/** How many characters of the value's beginning the text ends with, 0 for too few. */
function headAtEnd(text: string, value: string): number {
  const start = value.slice(0, MIN_PART_CHARS)
  for (let at = text.indexOf(start); at >= 0; at = text.indexOf(start, at + 1))
    if (value.startsWith(text.slice(at))) return text.length - at
  return 0
}

/** How many characters of the value's end the text begins with. */
function tailAtStart(text: string, value: string): number {
  const end = value.slice(-MIN_PART_CHARS)
  for (let at = text.lastIndexOf(end); at >= 0; at = at === 0 ? -1 : text.lastIndexOf(end, at - 1))
    if (value.endsWith(text.slice(0, at + MIN_PART_CHARS))) return at + MIN_PART_CHARS
  return 0
}
