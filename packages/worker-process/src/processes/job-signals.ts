import { readdir } from 'node:fs/promises'
import { basename } from 'node:path'
import type { Claim } from '../jobs/claim.js'
import type { JobPlace } from '../disk/layout.js'
import { absentAsUndefined } from '../disk/record.js'
import { isSystemError } from '../process-errors.js'
import type { ProcessTable } from './process-table.js'

/** A job that some process has claimed. */
interface ClaimedJob {
  readonly place: JobPlace
  readonly claim: Claim
}

/**
 * Signals a whole job: the command, and all that it started and that stayed in its process group. A pid that
 * has become another process is left alone, and of a group that lost its leader some member must have the
 * job's marker. (While a group has members, its number isn't given to a new process.)
 */
export async function signalJob(
  table: ProcessTable,
  job: ClaimedJob,
  ...signals: readonly NodeJS.Signals[]
): Promise<void> {
  const group = await livingGroup(table, job)
  if (group !== undefined) for (const signal of signals) signalGroup(group, signal)
}

/** Whether anything of a job lives that is in its process group. */
export async function isJobAlive(table: ProcessTable, job: ClaimedJob): Promise<boolean> {
  return (await livingGroup(table, job)) !== undefined
}

/**
 * Tells the supervisor of a job that it is recorded in `stopping` that the job is to end.
 *
 * @returns `false` where no supervisor lives that would end it
 */
export async function tellSupervisor(table: ProcessTable, { claim }: ClaimedJob): Promise<boolean> {
  const { pid, start, isShared } = claim
  if (!isShared || (await table.starts([pid])).get(pid) !== start) return false
  try {
    // One that was suspended must continue, or it could not.
    return process.kill(pid, 'SIGUSR2') && process.kill(pid, 'SIGCONT')
  } catch (error) {
    if (isSystemError(error, 'ESRCH', 'EPERM')) return false
    throw error
  }
}

/** @returns the group of the job, while it has members */
async function livingGroup(table: ProcessTable, { place, claim }: ClaimedJob): Promise<number | undefined> {
  const { pid, start, isShared } = claim
  if (pid <= 1) return undefined
  const marker = jobMarker(place)
  if (isShared) {
    const group = await readGroup(place)
    // Its supervisor was killed before it could record the group, or there was no room for that.
    if (group === undefined) return table.groupOfMarked(marker)
    return signalGroup(group, 0) && (await table.hasMarkedMember(group, marker)) ? group : undefined
  }
  // Cheap, and the answer for nearly all that have ended.
  if (!signalGroup(pid, 0)) return undefined
  const startNow = (await table.starts([pid])).get(pid)
  const isAlive = startNow === undefined ? await table.hasMarkedMember(pid, marker) : startNow === start
  return isAlive ? pid : undefined
}

/** The process group of the job's command, as its supervisor has recorded it. */
export async function readGroup({
  home,
  group,
}: Pick<JobPlace, 'home' | 'group'>): Promise<number | undefined> {
  const names = (await absentAsUndefined(() => readdir(home))) ?? []
  const begin = basename(group)
  const name = names.find((each) => each.startsWith(begin))
  return name === undefined ? undefined : Number(name.slice(begin.length))
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

/** The variable by which a process of a job is recognized. */
export const MARKER = 'SLUICE_JOB_KEY'

/** The same as it stands in an environment. */
function jobMarker(place: JobPlace): string {
  return `${MARKER}=${place.key}`
}
