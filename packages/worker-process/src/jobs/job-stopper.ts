import type { Runtime } from '@sluice/core'
import { startTimer, type Timer } from '@sluice/core/backend'
import { claimForNone, readClaim, type Claim } from './claim.js'
import { STOPPED_BY_KILL, type EndingWithoutCode } from './ending.js'
import type { JobPlace } from '../disk/layout.js'
import { isArchived } from './job-index.js'
import { signalJob, tellSupervisor } from '../processes/job-signals.js'
import { isNoRoom } from '../process-errors.js'
import type { ProcessTable } from '../processes/process-table.js'
import { hasRecord, readRecord, writeOnce } from '../disk/record.js'

/**
 * A record's text is the target of a link, of at most 4,095 bytes; a UTF-16 unit is at most three of them.
 */
const MAX_REASON_UNITS = 1_000

/** What a stopper is made of. */
export interface StopperParts {
  readonly table: ProcessTable
  /** The records of what is to end are dated by the file system's clock, which is compared with this one. */
  readonly runtime: Pick<Runtime, 'now' | 'sleep'>
  readonly killAfterMs: number
}

/** Ends jobs: with SIGTERM, and with SIGKILL after a grace. */
export class JobStopper {
  readonly #parts: StopperParts
  readonly #timers = new Map<string, Timer>()

  constructor(parts: StopperParts) {
    this.#parts = parts
  }

  /**
   * Ends a job that was accepted and has not ended. The request is recorded first, and the job's
   * supervisor, once it is told so, does the rest, also without this process; killed between the two, it is
   * left to the next poll of a service. The timer here is for a job whose supervisor can't: one of an earlier
   * version, or without the record. A job that no process has claimed is claimed here, so that it never
   * starts. Where there is no room for the record, a job that runs is ended all the same: that may make some.
   */
  async cancel(place: JobPlace, reason: string): Promise<void> {
    if ((await hasRecord(place.ended)) || (await isArchived(place))) return
    await writeOnce(place.stopping, `cancel:${shortened(reason)}`).catch(withoutRoom)
    if (await this.forestall(place)) return
    const claim = await readClaim(place)
    if (claim === undefined) return
    const { table } = this.#parts
    const isRecorded = await hasRecord(place.stopping)
    const isTold = isRecorded && (await tellSupervisor(table, { place, claim }))
    // A job that was suspended must continue to be able to end.
    if (!isTold) await signalJob(table, { place, claim }, 'SIGTERM', 'SIGCONT')
    const stop = await readRecord(place.stopping)
    this.#killLater(place, claim, stop?.at ?? this.#parts.runtime.now())
  }

  /** Ends a job that no process has claimed. `false`: it is claimed, and may run. */
  async forestall(place: JobPlace): Promise<boolean> {
    const forestalled = await claimForNone(place, 'cancelled')
    if (forestalled) await writeOnce(place.ended, STOPPED_BY_KILL)
    return forestalled
  }

  /** Ends a job that was told to end when the grace is over, also where its canceller was killed halfway. */
  async finish(
    place: JobPlace,
    { claim, sinceAt }: { claim: Claim | undefined; sinceAt: number },
  ): Promise<void> {
    if (claim === undefined || this.#timers.has(place.key)) return
    await tellSupervisor(this.#parts.table, { place, claim })
    this.#killLater(place, claim, sinceAt)
  }

  #killLater(place: JobPlace, claim: Claim, sinceAt: number): void {
    if (this.#timers.has(place.key)) return
    const { runtime, killAfterMs } = this.#parts
    const ms = Math.max(0, sinceAt + killAfterMs - runtime.now())
    const timer = startTimer(runtime, { ms, background: true }, () => void this.#kill(place, claim))
    this.#timers.set(place.key, timer)
  }

  /**
   * Ends what is left of a job that has lost its supervisor, and records how it ended. `false`: another
   * process has claimed it since it was read.
   */
  async bury(place: JobPlace, claim: Claim | undefined, how: EndingWithoutCode): Promise<boolean> {
    if (how === 'vanished') {
      if (claim !== undefined) await signalJob(this.#parts.table, { place, claim }, 'SIGKILL')
    } else if (claim === undefined && !(await claimForNone(place, how))) return false
    const stopped = (await hasRecord(place.stopping)) ? ' stopped' : ''
    await writeOnce(place.ended, `${how}${stopped}`)
    return true
  }

  /** Stops the timers. What is still to be ended is ended by its supervisor. */
  close(): void {
    for (const timer of this.#timers.values()) timer.cancel()
    this.#timers.clear()
  }

  async #kill(place: JobPlace, claim: Claim): Promise<void> {
    try {
      if (await hasRecord(place.ended)) return
      await signalJob(this.#parts.table, { place, claim }, 'SIGKILL')
      await writeOnce(place.ended, STOPPED_BY_KILL)
    } catch {
      // The disk or the process table can't be read just now; the next poll finds the job as it is and tries
      // again.
    } finally {
      this.#timers.delete(place.key)
    }
  }
}

function withoutRoom(error: unknown): false {
  if (!isNoRoom(error)) throw error
  return false
}

function shortened(reason: string): string {
  const plain = reason.replaceAll('\0', '\u{FFFD}').toWellFormed()
  return plain.length <= MAX_REASON_UNITS ? plain : `${plain.slice(0, MAX_REASON_UNITS - 1).toWellFormed()}…`
}
