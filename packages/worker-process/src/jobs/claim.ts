import type { JobPlace } from '../disk/layout.js'
import type { ProcessIdentity } from '../processes/process-table.js'
import { readRecord, writeOnce } from '../disk/record.js'

/** Which process runs a job, and since when. */
export interface Claim extends ProcessIdentity {
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
  if (record === undefined) return undefined
  const [pid = '0', ...start] = record.text.trim().split(/\s+/u)
  return { pid: Number(pid), start: start.join(' '), at: record.at }
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
