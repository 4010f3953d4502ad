import type { Claim } from './claim.js'
import type { JobPlace } from './layout.js'
import { isSystemError } from './process-errors.js'
import type { ProcessTable } from './process-table.js'
import { jobMarker } from './supervisor.js'

/**
 * Signals a whole job: the supervisor, the command, and all that it started and that stayed in its process group. Only the
 * job's: a pid that has become another process is left alone, and of a group that lost its leader some member must bear
 * the job's mark. (While a group has members, its number isn't given to a new process.)
 */
export async function signalJob(
  table: ProcessTable,
  job: { readonly place: JobPlace; readonly claim: Claim },
  signal: NodeJS.Signals,
): Promise<void> {
  const { pid, start } = job.claim
  if (pid <= 1) return
  const startNow = (await table.starts([pid])).get(pid)
  const ours =
    startNow === undefined ? await table.hasMarkedMember(pid, jobMarker(job.place)) : startNow === start
  if (ours) signalGroup(pid, signal)
}

function signalGroup(group: number, signal: NodeJS.Signals): void {
  try {
    process.kill(-group, signal)
  } catch (error) {
    // It ended meanwhile; or what is left of it has become another user's, and is beyond us.
    if (!isSystemError(error, 'ESRCH', 'EPERM')) throw error
  }
}
