import type { JsonValue } from '@sluice/core'

/** `-1.7976931348623157e+308`, and a comma. */
const NUMBER_CHARS = 25
const WORD_CHARS = 6
/** Two quotes, a comma or colon. */
const QUOTE_CHARS = 3
/** Deeper ones are rare, and may be too deep. */
const MAX_DEPTH = 100

/**
 * About how many characters the JSON text of a value has, never fewer if none of them is escaped; infinity for what may be no JSON. For values that were
 * read from JSON, or are made of strings: another class's instances are not told.
 */
export function jsonChars(value: JsonValue, depth = 0): number {
  if (typeof value === 'string') return value.isWellFormed() ? value.length + QUOTE_CHARS : Infinity
  if (typeof value === 'number') return Number.isFinite(value) ? NUMBER_CHARS : Infinity
  if (value === null || typeof value === 'boolean') return WORD_CHARS
  if (typeof value !== 'object' || depth === MAX_DEPTH) return Infinity
  let chars = QUOTE_CHARS
  if (Array.isArray(value)) {
    for (const element of value) chars += jsonChars(element, depth + 1)
    return chars
  }
  for (const [key, field] of Object.entries(value)) {
    chars += key.isWellFormed() ? key.length + QUOTE_CHARS + jsonChars(field, depth + 1) : Infinity
  }
  return chars
}
