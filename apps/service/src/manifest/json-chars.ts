import type { JsonValue } from '@sluice/core'

/** `-1.7976931348623157e+308`, and a comma. */
const NUMBER_CHARS = 25
const WORD_CHARS = 6
/** Two quotes, a comma or colon. */
const QUOTE_CHARS = 3
/** Deeper values are rare, and may be too deep. */
const MAX_DEPTH = 100

/**
 * An upper bound for the length of a value's JSON text without escapes; infinity for a value that may not be
 * JSON. For values parsed from JSON or made of strings: class instances are not detected.
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
