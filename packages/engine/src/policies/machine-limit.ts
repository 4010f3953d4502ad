import { withSettings, type DispatchPolicy } from './dispatch-policy.js'
import { bytesText, parseBytes } from './machine/byte-size.js'
import { systemReadings, type MachineReadings } from './machine/readings.js'

export interface MachineLimitOptions {
  /** The highest load average of the last minute for each core, more than 0, such as 0.8. */
  readonly load?: number
  /** The least available memory, such as `2Gi`, or a number of bytes. */
  readonly freeMemory?: string | number
}

/** The readings are taken again after this time. */
const FRESH_MS = 1_000
/** How much better than the bound it must be before jobs start again. */
const MARGIN = 0.1

/**
 * No new job starts while this machine is busy, for jobs that run on it [E-MACHINE-1]: while the load average
 * of the last minute for each core is above `load`, or less memory is available than `freeMemory`, until it
 * is a tenth better than the bound. It sets no number of jobs: combine it with {@link processingLimit} and,
 * since the load follows a start by up to a minute, with {@link rateLimit}.
 *
 * The load is that of the whole machine, also in a container. The memory is `MemAvailable` on Linux, and no
 * more than the memory limits of this process's cgroups leave; the free memory on macOS, which does not count
 * caches, and on Windows. Windows has no load average.
 *
 * @throws TypeError without a bound, for a wrong one, and for `load` on Windows
 */
export function machineLimit(
  { load, freeMemory }: MachineLimitOptions,
  readings: MachineReadings = systemReadings(),
): DispatchPolicy {
  if (load === undefined && freeMemory === undefined)
    throw new TypeError('machineLimit needs a load, a freeMemory, or both')
  const isLoad = load === undefined || (typeof load === 'number' && load > 0 && Number.isFinite(load))
  if (!isLoad) throw new TypeError(`machineLimit: load must be a number of more than 0; got ${String(load)}`)
  if (load !== undefined && readings.loadPerCore() === undefined)
    throw new TypeError('machineLimit: this system has no load average; use freeMemory alone')
  const leastBytes = freeMemory === undefined ? undefined : parseBytes(freeMemory, 'machineLimit: freeMemory')
  const bounds = [
    ...(load === undefined ? [] : [loadBound(load, readings)]),
    ...(leastBytes === undefined ? [] : [memoryBound(leastBytes, readings)]),
  ]
  const reasonAt = sampled(bounds)
  const settings = {
    policy: 'machineLimit',
    ...(load === undefined ? {} : { load }),
    ...(freeMemory === undefined ? {} : { freeMemory }),
  }
  return withSettings(({ nowAt }) => {
    const message = reasonAt(nowAt)
    if (message === undefined) return Number.POSITIVE_INFINITY
    return { room: 0, holdup: { code: 'machine', message } }
  }, settings)
}

/** Why no job starts, given whether none did before. */
type Bound = (wasOver: boolean) => string | undefined

function loadBound(load: number, readings: MachineReadings): Bound {
  return (wasOver) => {
    const now = readings.loadPerCore() ?? 0
    if (now <= (wasOver ? load * (1 - MARGIN) : load)) return undefined
    return `the load of this machine is ${Math.round(now * 10) / 10} for each core, and the bound is ${load}`
  }
}

function memoryBound(least: number, readings: MachineReadings): Bound {
  return (wasOver) => {
    const now = readings.availableBytes()
    if (now >= (wasOver ? least * (1 + MARGIN) : least)) return undefined
    return `this machine has ${bytesText(now)} of memory available, and the bound is ${bytesText(least)}`
  }
}

/** What the bounds say, read at most once in {@link FRESH_MS}, however often it is asked. */
function sampled(bounds: readonly Bound[]): (nowAt: number) => string | undefined {
  let readAt: number | undefined
  let reasons: readonly (string | undefined)[] = bounds.map(() => undefined)
  return (nowAt) => {
    // A clock that was set back must not stop the readings.
    if (readAt === undefined || Math.abs(nowAt - readAt) >= FRESH_MS) {
      reasons = bounds.map((bound, index) => bound(reasons[index] !== undefined))
      readAt = nowAt
    }
    return reasons.find((reason) => reason !== undefined)
  }
}
