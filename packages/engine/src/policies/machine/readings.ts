import { readFileSync } from 'node:fs'
import { availableParallelism, cpus, freemem, loadavg, platform } from 'node:os'
import { cgroupBytes } from './cgroup-memory.js'

/** What is read of a machine. */
export interface MachineReadings {
  /** The load average of the last minute for each core; `undefined`: the system has none, as Windows. */
  loadPerCore(): number | undefined
  /** The memory that new processes can use without swapping, in bytes. */
  availableBytes(): number
}

/**
 * This machine's own: the load of the whole machine, also in a container; the memory that it has available
 * (`MemAvailable` on Linux, else the free memory), and no more than the cgroups of this process leave.
 */
export function systemReadings(): MachineReadings {
  const hasLoad = platform() !== 'win32'
  // Reading them takes long, and their number does not change; a sandbox may show none.
  const cores = cpus().length || availableParallelism()
  return {
    loadPerCore: () => (hasLoad ? (loadavg()[0] ?? 0) / cores : undefined),
    availableBytes: () => Math.min(freemem(), cgroupBytes(textOf)),
  }
}

function textOf(path: string): string | undefined {
  try {
    return readFileSync(path, 'utf8')
  } catch {
    // Not there: another system, or another version of cgroups.
    return undefined
  }
}
