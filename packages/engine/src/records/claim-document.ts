import type { JsonValue } from '@sluice/core'

/** Claims that were made at about the same time: the latest instant of any, by the storage's clock. */
export interface ClaimsAt {
  readonly at: number
  readonly count: number
}

/** The durable state of policies. */
export interface StoredClaims {
  readonly claims: readonly ClaimsAt[]
  /** How many more claims may have been made since. */
  readonly reserved: number
}

export function claimsToJson({ claims, reserved }: StoredClaims): JsonValue {
  return { format: 1, claims: claims.map(({ at, count }) => [at, count]), reserved }
}

/** The state in a document, as far as it can be read: another version may have written it. */
export function parseClaims(value: JsonValue | undefined): StoredClaims {
  if (!isRecord(value)) return { claims: [], reserved: 0 }
  const { claims, reserved } = value
  return {
    claims: Array.isArray(claims) ? claims.flatMap(parseEntry).toSorted((a, b) => a.at - b.at) : [],
    reserved: isCount(reserved) ? reserved : 0,
  }
}

function parseEntry(entry: unknown): ClaimsAt[] {
  if (!Array.isArray(entry)) return []
  const [at, count]: readonly unknown[] = entry
  return typeof at === 'number' && Number.isFinite(at) && isCount(count) ? [{ at, count }] : []
}

function isRecord(value: unknown): value is Readonly<Record<string, JsonValue>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

function isCount(value: unknown): value is number {
  return Number.isSafeInteger(value) && Number(value) >= 0
}
