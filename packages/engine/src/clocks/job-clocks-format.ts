import type { JsonValue } from '@sluice/core'
import type { CancelCause } from '../reconcile/job-cancel.js'

/** What is recorded of the job of an item in PROCESSING; instants are of the storage's clock. */
export interface JobClock {
  /** When its item was first seen in PROCESSING at this attempt. */
  readonly claimedAt: number
  /** When it was first seen to run. */
  runningAt?: number
  /** It was reported as a straggler. */
  isMarked?: boolean
  /** It is to be cancelled. */
  cancelling?: RecordedCause
}

/** Pending jobs are timed by each engine itself. */
export type RecordedCause = Exclude<CancelCause, 'pending'>

const CAUSES: readonly (RecordedCause | undefined)[] = [
  undefined,
  'attempt-deadline',
  'item-deadline',
  'straggler',
]
const MARKED = 4
const HASH_BYTES = 8
const INSTANT_BYTES = 6
const CLOCK_BYTES = HASH_BYTES + 2 * INSTANT_BYTES + 1
/** The document without its packed clocks, at most. */
const FRAME_BYTES = 64
const MAX_DOCUMENT_BYTES = 1_000_000

export function packClocks(clocks: Iterable<readonly [hash: string, clock: JobClock]>): JsonValue {
  const packed = [...clocks].map(([hash, { claimedAt, runningAt = 0, isMarked, cancelling }]) => {
    const bytes = Buffer.alloc(CLOCK_BYTES)
    bytes.write(hash, 'latin1')
    bytes.writeUIntBE(claimedAt, HASH_BYTES, INSTANT_BYTES)
    bytes.writeUIntBE(runningAt, HASH_BYTES + INSTANT_BYTES, INSTANT_BYTES)
    bytes.writeUInt8(CAUSES.indexOf(cancelling) + (isMarked === true ? MARKED : 0), CLOCK_BYTES - 1)
    return bytes
  })
  return { format: 1, jobs: Buffer.concat(packed).toString('base64') }
}

/** @returns `undefined` for another value */
export function unpackClocks(value: JsonValue | undefined): Map<string, JobClock> | undefined {
  if (typeof value !== 'object' || value === null || !('jobs' in value)) return undefined
  const { jobs } = value
  if (typeof jobs !== 'string') return undefined
  const bytes = Buffer.from(jobs, 'base64')
  if (bytes.toString('base64') !== jobs || bytes.length % CLOCK_BYTES !== 0) return undefined
  const clocks = new Map<string, JobClock>()
  for (let at = 0; at < bytes.length; at += CLOCK_BYTES)
    clocks.set(bytes.toString('latin1', at, at + HASH_BYTES), clockAt(bytes, at + HASH_BYTES))
  return clocks
}

function clockAt(bytes: Buffer, at: number): JobClock {
  const runningAt = bytes.readUIntBE(at + INSTANT_BYTES, INSTANT_BYTES)
  const flags = bytes.readUInt8(at + 2 * INSTANT_BYTES)
  const cancelling = CAUSES[flags % MARKED]
  return {
    claimedAt: bytes.readUIntBE(at, INSTANT_BYTES),
    ...(runningAt === 0 ? {} : { runningAt }),
    ...(flags >= MARKED ? { isMarked: true } : {}),
    ...(cancelling === undefined ? {} : { cancelling }),
  }
}

/** How many jobs fit into one document. */
export function maxPackedClocks(maxBodyBytes: number): number {
  const base64Chars = Math.min(MAX_DOCUMENT_BYTES, maxBodyBytes) - FRAME_BYTES
  return Math.max(0, Math.floor((Math.floor(base64Chars / 4) * 3) / CLOCK_BYTES))
}
