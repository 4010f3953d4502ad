import { execFile } from 'node:child_process'
import { existsSync } from 'node:fs'
import { readFile, readdir } from 'node:fs/promises'
import { promisify } from 'node:util'
import { isSystemError } from '../process-errors.js'
import { absentAsUndefined } from '../disk/record.js'

const run = promisify(execFile)

/** A process as a claim names it: a pid alone may by now be another process. */
export interface ProcessIdentity {
  readonly pid: number
  /** When it started, in the system's own words; only ever compared. */
  readonly start: string
}

/** What the worker asks the operating system about processes; a test has its own. */
export interface ProcessTable {
  /** Names the time since the machine's last start. */
  bootId(): Promise<string>
  /** The start of each pid that is a living process; the others are left out. */
  starts(pids: readonly number[]): Promise<ReadonlyMap<number, string>>
  /** Whether a process of that group lives that was started with `marker` in its environment. */
  hasMarkedMember(group: number, marker: string): Promise<boolean>
  /**
   * The group of a living process that was started with `marker` in its environment, where that can be read.
   */
  groupOfMarked(marker: string): Promise<number | undefined>
}

/** By `/proc` where there is one, else by `ps`. */
export function systemProcessTable(): ProcessTable {
  return existsSync('/proc/self/stat') ? procTable : psTable
}

const procTable: ProcessTable = {
  async bootId() {
    return (await readFile('/proc/sys/kernel/random/boot_id', 'utf8')).trim()
  },
  async starts(pids) {
    const found = new Map<number, string>()
    for (const pid of pids) {
      const stat = await readStat(pid)
      if (stat !== undefined) found.set(pid, stat.start)
    }
    return found
  },
  async hasMarkedMember(group, marker) {
    return (await findMarked(marker, (found) => found === group)) !== undefined
  },
  groupOfMarked: (marker) => findMarked(marker, (group) => group > 1),
}

async function findMarked(marker: string, isWanted: (group: number) => boolean): Promise<number | undefined> {
  for (const name of await readdir('/proc')) {
    if (!/^\d+$/u.test(name)) continue
    const stat = await readStat(Number(name))
    if (stat === undefined || !isWanted(stat.group)) continue
    if ((await readEnvironment(name)).includes(marker)) return stat.group
  }
  return undefined
}

/**
 * @see https://man7.org/linux/man-pages/man5/proc_pid_stat.5.html: field 2 is a name that may hold spaces and
 * parentheses
 */
async function readStat(pid: number): Promise<{ group: number; start: string } | undefined> {
  // Any other trouble, such as too many open files, is not to be mistaken for a process that has ended.
  const text = await absentAsUndefined(() => readFile(`/proc/${pid}/stat`, 'latin1'))
  const fields = text?.slice(text.lastIndexOf(') ') + 2).split(' ')
  const [state, , group] = fields ?? []
  const start = fields?.[19]
  // A zombie has ended; where process 1 reaps none it stays one for ever.
  if (start === undefined || state === 'Z' || state === 'X') return undefined
  return { group: Number(group), start }
}

async function readEnvironment(pid: string): Promise<string[]> {
  try {
    return (await readFile(`/proc/${pid}/environ`, 'latin1')).split('\0')
  } catch (error) {
    // Another user's process is not one of ours.
    if (isSystemError(error, 'ENOENT', 'ESRCH', 'EACCES', 'EPERM')) return []
    throw error
  }
}

/** For macOS and the BSDs. */
export const psTable: ProcessTable = {
  async bootId() {
    const { stdout } = await run('sysctl', ['-n', 'kern.boottime'])
    return stdout.trim()
  },
  async starts(pids) {
    if (pids.length === 0) return new Map()
    const rows = await ps(['-o', 'pid=,stat=,lstart=', '-p', pids.join(',')])
    return new Map(
      rows.filter((row) => !row[1]?.startsWith('Z')).map((row) => [Number(row[0]), startOf(row)]),
    )
  },
  async hasMarkedMember(group) {
    // The environment can't be read there; a group id stays taken as long as it has members, so that this is
    // close enough.
    const rows = await ps(['-A', '-o', 'pgid=,stat='])
    return rows.some((row) => Number(row[0]) === group && !row[1]?.startsWith('Z'))
  },
  // The environment can't be read there.
  groupOfMarked: () => Promise.resolve(undefined),
}

function startOf(row: readonly string[]): string {
  return row.slice(2).join(' ')
}

async function ps(options: readonly string[]): Promise<string[][]> {
  const answer = await run('ps', options, { env: { ...process.env, LC_ALL: 'C', TZ: 'UTC0' } }).catch(
    (error: unknown) => {
      // It exits with 1 when none of the pids is a process.
      if (error instanceof Error && 'code' in error && error.code === 1) return { stdout: '' }
      throw error
    },
  )
  return answer.stdout.split('\n').flatMap((line) => (line.trim() === '' ? [] : [line.trim().split(/\s+/u)]))
}
