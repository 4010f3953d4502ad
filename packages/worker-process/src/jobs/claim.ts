import type { JobPlace } from '../disk/layout.js'
import type { ProcessIdentity } from '../processes/process-table.js'
import { readRecord, writeOnce, type FileRecord } from '../disk/record.js'

/** The first word of a claim by a process that serves many jobs. */
const SHARED = 'supervisor'

/** Which process runs a job, and since when. */
export interface Claim extends ProcessIdentity {
  /**
   * Whether the process serves many jobs, whose commands have process groups of their own. Otherwise it leads
   * the group of its one job, as those of earlier versions do.
   */
  readonly isShared: boolean
  /** Epoch ms. */
  readonly at: number
}

/** Why a job is claimed for no process, so that none ever runs it. */
export type UnclaimableReason = 'cancelled' | 'unstartable' | 'restarted'

/** Claims a job for no process: there is no process 0. `false`: it is claimed, and may run. */
export function claimForNone(place: JobPlace, why: UnclaimableReason): Promise<boolean> {
  return writeOnce(place.claim, `0 ${why}`)
}

/** The job's claim, or `undefined` while no process has made one. */
export async function readClaim(place: JobPlace): Promise<Claim | undefined> {
  const record = await readRecord(place.claim)
  return record === undefined ? undefined : parseClaim(record)
}

/** Reads a record of the kind `supervisor 4711 98765`, `4711 98765` or `0 cancelled`. */
export function parseClaim({ text, at }: FileRecord): Claim {
  const words = text.trim().split(/\s+/u)
  const isShared = words[0] === SHARED
  const [pid = '0', ...start] = isShared ? words.slice(1) : words
  return { pid: Number(pid), start: start.join(' '), at, isShared }
}

/** What is known of a job at one moment. */
export interface JobFacts {
  readonly ended: boolean
  readonly claim: Claim | undefined
  /** The machine has not restarted since the job was accepted. */
  readonly sameBoot: boolean
  /** The start of the process that has the claim's pid now. */
  readonly startOfPid: string | undefined
}

/** `restarted`, `unstartable` and `vanished`: it did not end, and can't any more. */
export type JobState = 'ended' | 'unstarted' | 'running' | 'restarted' | 'unstartable' | 'vanished'

/**
 * Where a job is. A pid that is in use by a process with another start is another process: the job's has
 * vanished.
 */
export function judgeJob({ ended, claim, sameBoot, startOfPid }: JobFacts): JobState {
  if (ended) return 'ended'
  if (!sameBoot) return 'restarted'
  if (claim === undefined) return 'unstarted'
  // The process that claimed it for none was killed before it recorded how it ended.
  if (claim.pid === 0) return claim.start === 'unstartable' ? 'unstartable' : 'vanished'
  return startOfPid === claim.start ? 'running' : 'vanished'
}
