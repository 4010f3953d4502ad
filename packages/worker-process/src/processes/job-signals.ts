import type { Claim } from '../jobs/claim.js'
import type { JobPlace } from '../disk/layout.js'
import { isSystemError } from '../process-errors.js'
import type { ProcessTable } from './process-table.js'
import { jobMarker } from './supervisor.js'

/**
 * Signals a whole job: the supervisor, the command, and all that it started and that stayed in its process
 * group. A pid that has become another process is left alone, and of a group that lost its leader some member
 * must have the job's marker. (While a group has members, its number isn't given to a new process.)
 */
export async function signalJob(
  table: ProcessTable,
  job: { readonly place: JobPlace; readonly claim: Claim },
  ...signals: readonly NodeJS.Signals[]
): Promise<void> {
  if (!(await isJobAlive(table, job))) return
  for (const signal of signals) signalGroup(job.claim.pid, signal)
}

/** Whether anything of a job lives: its supervisor, or the rest of its process group. */
export async function isJobAlive(
  table: ProcessTable,
  { place, claim }: { readonly place: JobPlace; readonly claim: Claim },
): Promise<boolean> {
  const { pid, start } = claim
  // Cheap, and the answer for nearly all that have ended.
  if (pid <= 1 || !signalGroup(pid, 0)) return false
  const startNow = (await table.starts([pid])).get(pid)
  return startNow === undefined ? table.hasMarkedMember(pid, jobMarker(place)) : startNow === start
}

/** @returns whether the group has a member, zombies and those of other users included */
function signalGroup(group: number, signal: NodeJS.Signals | 0): boolean {
  try {
    process.kill(-group, signal)
    return true
  } catch (error) {
    // It has ended; or what is left of it belongs to another user.
    if (isSystemError(error, 'ESRCH')) return false
    if (isSystemError(error, 'EPERM')) return true
    throw error
  }
}
