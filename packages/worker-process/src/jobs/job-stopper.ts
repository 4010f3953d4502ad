import { claimForNobody, readClaim, type Claim } from './claim.js'
import { STOPPED_BY_KILL, type EndingWithoutCode } from './ending.js'
import type { JobPlace } from '../disk/layout.js'
import { wasForgotten } from './job-index.js'
import { signalJob } from '../processes/job-signals.js'
import { isNoRoom } from '../process-errors.js'
import type { ProcessTable } from '../processes/process-table.js'
import { hasRecord, readRecord, writeOnce } from '../disk/record.js'

/** A record's text is a file name in all but name, of at most 4,095 bytes; a character has up to three for each of its units. */
const MAX_REASON_UNITS = 1_000

/** What a stopper is made of. */
export interface StopperParts {
  readonly table: ProcessTable
  readonly killAfterMs: number
}

/** Ends jobs: with SIGTERM, and with SIGKILL after a grace. */
export class JobStopper {
  readonly #parts: StopperParts
  readonly #timers = new Map<string, NodeJS.Timeout>()

  constructor(parts: StopperParts) {
    this.#parts = parts
  }

  /**
   * Ends a job that was accepted and has not ended. That it is wanted is recorded first: with the record and SIGTERM the job's own supervisor sees to
   * the rest, whatever becomes of this process; killed between the two, it is left to the next poll of a service. Its timer here is for a job whose
   * supervisor can't: one of an earlier version, or without the record. A job that nobody has claimed is claimed here, so that it never starts.
   * Where there is no room to record it, a job that runs is ended all the same: that may be what makes some.
   */
  async cancel(place: JobPlace, reason: string): Promise<void> {
    if ((await hasRecord(place.ended)) || (await wasForgotten(place))) return
    await writeOnce(place.stopping, `cancel:${shortened(reason)}`).catch(withoutRoom)
    if (await this.forestall(place)) return
    const claim = await readClaim(place)
    if (claim === undefined) return
    // A job that was suspended must go on to be able to end, its supervisor's guard too.
    await signalJob(this.#parts.table, { place, claim }, 'SIGTERM', 'SIGCONT')
    const stop = await readRecord(place.stopping)
    this.#killLater(place, claim, stop?.at ?? Date.now())
  }

  /** Ends a job that nobody has claimed. `false`: it is claimed, and may run. */
  async forestall(place: JobPlace): Promise<boolean> {
    const forestalled = await claimForNobody(place, 'cancelled')
    if (forestalled) await writeOnce(place.ended, STOPPED_BY_KILL)
    return forestalled
  }

  /** Sees to it that a job which was told to end has ended when the grace is over, though its canceller was killed halfway. */
  finish(place: JobPlace, { claim, sinceAt }: { claim: Claim | undefined; sinceAt: number }): void {
    if (claim !== undefined) this.#killLater(place, claim, sinceAt)
  }

  #killLater(place: JobPlace, claim: Claim, sinceAt: number): void {
    if (this.#timers.has(place.key)) return
    const leftMs = Math.max(0, sinceAt + this.#parts.killAfterMs - Date.now())
    const timer = setTimeout(() => void this.#kill(place, claim), leftMs).unref()
    this.#timers.set(place.key, timer)
  }

  /**
   * Ends what is left of a job that has lost its supervisor, if anything is, and records how it ended. `false`: somebody has claimed it
   * since it was looked at.
   */
  async bury(place: JobPlace, claim: Claim | undefined, how: EndingWithoutCode): Promise<boolean> {
    if (how === 'vanished') {
      if (claim !== undefined) await signalJob(this.#parts.table, { place, claim }, 'SIGKILL')
    } else if (claim === undefined && !(await claimForNobody(place, how))) return false
    const stopped = (await hasRecord(place.stopping)) ? ' stopped' : ''
    await writeOnce(place.ended, `${how}${stopped}`)
    return true
  }

  /** Waits for nothing more. What is still to be ended is ended by its supervisor. */
  close(): void {
    for (const timer of this.#timers.values()) clearTimeout(timer)
    this.#timers.clear()
  }

  async #kill(place: JobPlace, claim: Claim): Promise<void> {
    try {
      if (await hasRecord(place.ended)) return
      await signalJob(this.#parts.table, { place, claim }, 'SIGKILL')
      await writeOnce(place.ended, STOPPED_BY_KILL)
    } catch {
      // The disk or the process table can't be read just now; the next poll finds the job as it is and tries again.
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
