import type { JsonValue } from '@sluice/core'
import { packJobs, unpackJobs } from './seen-jobs-format.js'

/** The missing jobs by their hashes, since when by the storage's clock, and their grace. */
export interface MissingRecord {
  readonly graceMs: number
  readonly since: ReadonlyMap<string, number>
}

/** Jobs that went missing within one second, as when a server loses its state, are one group. */
export function packMissing({ graceMs, since }: MissingRecord): JsonValue {
  const groups = new Map<number, string[]>()
  for (const [hash, sinceAt] of since) {
    const second = Math.round(sinceAt / 1_000) * 1_000
    groups.set(second, [...(groups.get(second) ?? []), hash])
  }
  return {
    format: 1,
    graceMs,
    groups: [...groups].map(([sinceAt, hashes]) => ({ sinceAt, seen: packJobs(hashes) })),
  }
}

/** The record in a document, as far as it can be read. */
export function unpackMissing(value: JsonValue | undefined): MissingRecord | undefined {
  if (!isRecord(value)) return undefined
  const { graceMs, groups } = value
  if (typeof graceMs !== 'number' || !Array.isArray(groups)) return undefined
  const since = new Map<string, number>()
  for (const group of groups) {
    if (!isRecord(group) || typeof group['sinceAt'] !== 'number') continue
    for (const hash of unpackJobs(group['seen'] ?? null) ?? []) since.set(hash, group['sinceAt'])
  }
  return { graceMs, since }
}

function isRecord(value: JsonValue | undefined): value is { readonly [key: string]: JsonValue } {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}
