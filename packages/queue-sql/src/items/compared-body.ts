import { isSameJson, type JsonValue } from '@sluice/core'

/** What a statement says of a body that is stored, beside the one given. */
export interface ComparedBody {
  /** Whether the two texts are equal. */
  readonly same: boolean | number
  /** The stored text, where it differs and is as long: only then can the two differ in the order of keys alone. */
  readonly body: string | null
}

/**
 * Whether a stored body is deep-equal to the one given [Q-PUT-4]. Each value has one text, but for the order of its keys, which leaves the length as it is: so the
 * database settles nearly all by comparing texts and lengths, and of bodies that it sends back there are no more bytes than it was given.
 */
export function comparedReason(
  { same, body }: ComparedBody,
  given: string,
): 'exists-same' | 'exists-changed' {
  if (same === true || same === 1) return 'exists-same'
  return body !== null && isSameJson(parsed(body), parsed(given)) ? 'exists-same' : 'exists-changed'
}

function parsed(text: string): JsonValue {
  const value: JsonValue = JSON.parse(text)
  return value
}
