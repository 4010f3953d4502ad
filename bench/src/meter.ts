import { readFileSync, readdirSync } from 'node:fs'
import pg from 'pg'

/** What a piece of work cost. Rates move with the neighbours; CPU and WAL for each item hardly do. */
export interface Cost {
  readonly items: number
  readonly seconds: number
  readonly perSecond: number
  /** CPU of this process, microseconds for each item. */
  readonly clientUs: number
  /** CPU of the server without its autovacuum, microseconds for each item. */
  readonly serverUs?: number
  /**
   * CPU of autovacuum, and of server processes that ended meanwhile; of another database's too, so only worth
   * something where there is none.
   */
  readonly vacuumUs?: number
  /** Write-ahead log, bytes for each item. */
  readonly walBytes?: number
}

/** What a server's processes have used so far. */
export interface Usage {
  readonly processes: ReadonlyMap<number, { readonly us: number; readonly isVacuum: boolean }>
  /** Of all processes that have ended. */
  readonly endedUs: number
  readonly walBytes: number
}

/** Reads what a server has used so far. */
export interface ServerMeter {
  read(): Promise<Usage>
}

/** Runs `work`, which says how many items it did. */
export async function measure(meter: ServerMeter | undefined, work: () => Promise<number>): Promise<Cost> {
  const before = await meter?.read()
  const cpu = process.cpuUsage()
  const startedAt = performance.now()
  const items = await work()
  const seconds = (performance.now() - startedAt) / 1000
  const { user, system } = process.cpuUsage(cpu)
  const after = await meter?.read()
  return {
    items,
    seconds,
    perSecond: items / seconds,
    clientUs: (user + system) / items,
    ...(before && after ? serverCost(before, after, items) : {}),
  }
}

/** What a server used between two readings, for each item. */
export function serverCost(
  before: Usage,
  after: Usage,
  items: number,
): Required<Pick<Cost, 'serverUs' | 'vacuumUs' | 'walBytes'>> {
  let busyUs = 0
  let vacuumUs = after.endedUs - before.endedUs
  for (const [pid, { us, isVacuum }] of after.processes) {
    const usedUs = us - (before.processes.get(pid)?.us ?? 0)
    if (isVacuum) vacuumUs += usedUs
    else busyUs += usedUs
  }
  // What a process had used before belongs to an earlier measurement, although it counts as ended only now.
  for (const [pid, { us }] of before.processes) if (!after.processes.has(pid)) vacuumUs -= us
  return {
    serverUs: busyUs / items,
    vacuumUs: Math.max(0, vacuumUs) / items,
    walBytes: (after.walBytes - before.walBytes) / items,
  }
}

/**
 * CPU of a process and all its children, out of `/proc`, which only Linux has: elsewhere there is nothing.
 */
function processTree(pid: number): Omit<Usage, 'walBytes'> {
  if (process.platform !== 'linux') return { processes: new Map(), endedUs: 0 }
  const processes = [pid, ...childrenOf(pid)].map(
    (each) => [each, { us: runUs(each), isVacuum: titleOf(each).includes('autovacuum') }] as const,
  )
  return { processes: new Map(processes), endedUs: endedChildrenUs(pid) }
}

function childrenOf(pid: number): number[] {
  return readdirSync('/proc')
    .map(Number)
    .filter((each) => Number.isInteger(each) && statOf(each)?.[1] === String(pid))
}

/** The fields of `/proc/PID/stat` after the name: state, parent, … */
function statOf(pid: number): string[] | undefined {
  const text = textOf(`/proc/${pid}/stat`)
  return text === '' ? undefined : text.slice(text.lastIndexOf(')') + 2).split(' ')
}

/** Nanoseconds on a CPU, where `stat` has only hundredths of a second. */
function runUs(pid: number): number {
  return Number(textOf(`/proc/${pid}/schedstat`).split(' ')[0] ?? 0) / 1000
}

function endedChildrenUs(pid: number): number {
  const stat = statOf(pid)
  return stat === undefined ? 0 : (Number(stat[13]) + Number(stat[14])) * 10_000
}

function titleOf(pid: number): string {
  return textOf(`/proc/${pid}/cmdline`)
}

/** Empty for a process that has ended. */
function textOf(path: string): string {
  try {
    return readFileSync(path, 'utf8')
  } catch {
    return ''
  }
}

/** The meter of a PostgreSQL server of this machine. */
export async function postgresMeter(url: string): Promise<ServerMeter & { close(): Promise<void> }> {
  const client = new pg.Client({ connectionString: url })
  await client.connect()
  const { rows } = await client.query<{ pid: number }>('select pg_backend_pid() as pid')
  const server = Number(statOf(rows[0]?.pid ?? 0)?.[1] ?? 0)
  return {
    read: async () => {
      const wal = await client.query<{ at: string }>(`select pg_current_wal_lsn() - '0/0' as at`)
      return { ...processTree(server), walBytes: Number(wal.rows[0]?.at) }
    },
    close: () => client.end(),
  }
}

/** The meter of a server that is one process. */
export function processMeter(pid: number): ServerMeter {
  return { read: async () => ({ ...processTree(pid), walBytes: 0 }) }
}
