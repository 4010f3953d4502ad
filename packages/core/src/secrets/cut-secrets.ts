/** A part of a secret that is shorter is left: it would match by chance. */
const MIN_PART_CHARS = 8
/** Where a text may have been cut: what a program said is often quoted behind a colon, its beginning left out. */
const CUTS = /(…|\.{3}|: |\n)/u

/** Leaves secrets out of texts. */
export interface SecretText {
  redact(text: string, mark: string): string
}

/** Finds secrets that were cut in two, at the beginning or end of a text or at an ellipsis: servers and programs shorten what they say. */
export function cutSecretsOf(values: readonly string[]): SecretText {
  const long = values.map((value) => value.trim()).filter((value) => value.length > MIN_PART_CHARS)
  if (long.length === 0) return { redact: (text) => text }
  return {
    redact: (text, mark) =>
      text
        .split(CUTS)
        .map((part) => (CUTS.test(part) ? part : withoutEdges(part, long, mark)))
        .join(''),
  }
}

function withoutEdges(text: string, values: readonly string[], mark: string): string {
  let rest = text
  for (const value of values) {
    const head = longest(value, (length) => rest.endsWith(value.slice(0, length)))
    if (head > 0) rest = `${rest.slice(0, -head)}${mark}`
    const tail = longest(value, (length) => rest.startsWith(value.slice(-length)))
    if (tail > 0) rest = `${mark}${rest.slice(tail)}`
  }
  return rest
}

/** The length of the longest part for which the condition holds, 0 if there is none. */
function longest(value: string, holds: (length: number) => boolean): number {
  for (let length = value.length - 1; length >= MIN_PART_CHARS; length--) if (holds(length)) return length
  return 0
}
