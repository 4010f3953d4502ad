import { createHash } from 'node:crypto'
import type { JobRef, JsonValue } from '@sluice/core'

const HASH_BYTES = 8
/** The document without its packed jobs, at most. */
const FRAME_BYTES = 64
const MAX_DOCUMENT_BYTES = 1_000_000

/**
 * A job's key in the record: 8 bytes of a hash, as a string of 8 characters. Among 10,000 jobs the chance of
 * any collision is below 1 in 10^11.
 */
export function hashOfJob({ uid, attempt }: Pick<JobRef, 'uid' | 'attempt'>): string {
  return createHash('sha256').update(`${attempt} ${uid}`).digest().subarray(0, HASH_BYTES).toString('latin1')
}

export function packJobs(hashes: Iterable<string>): JsonValue {
  return { format: 1, jobs: Buffer.from([...hashes].join(''), 'latin1').toString('base64') }
}

/** @returns `undefined` for another value */
export function unpackJobs(value: JsonValue): Set<string> | undefined {
  if (typeof value !== 'object' || value === null || !('jobs' in value)) return undefined
  const { jobs } = value
  if (typeof jobs !== 'string') return undefined
  const bytes = Buffer.from(jobs, 'base64')
  if (bytes.toString('base64') !== jobs || bytes.length % HASH_BYTES !== 0) return undefined
  const text = bytes.toString('latin1')
  const count = bytes.length / HASH_BYTES
  return new Set(Array.from({ length: count }, (_, at) => text.slice(at * HASH_BYTES, (at + 1) * HASH_BYTES)))
}

/** How many jobs fit into one document. */
export function maxPackedJobs(maxBodyBytes: number): number {
  const base64Chars = Math.min(MAX_DOCUMENT_BYTES, maxBodyBytes) - FRAME_BYTES
  return Math.max(0, Math.floor((Math.floor(base64Chars / 4) * 3) / HASH_BYTES))
}
