import type { ItemRecord, JobRef } from '@sluice/core'

/** A broken promise. */
export interface Violation {
  readonly promise: 'one start' | 'cap' | 'claims' | 'terminal' | 'outcome' | 'time'
  readonly what: string
}

/** What the checker reads. It knows neither the script nor the faults. */
export interface CheckedPlace {
  running(): readonly JobRef[]
  endOf(job: Pick<JobRef, 'uid' | 'attempt'>): 'SUCCESS' | 'FAIL' | 'runs' | 'none'
}

/** A call with a documented longest time. */
export interface TimedCall {
  ended(nowMonotonic: number): void
  /** Its process was killed or suspended meanwhile: its time does not count. */
  excused(): void
}

/**
 * Checks a play against the promises of Sluice: one start for each (uid, attempt), the cap, an end for every
 * item, which is the end of its job, and calls that end in time. Actions of operators and lost jobs are
 * reported to it.
 */
export class Checker {
  readonly violations: Violation[] = []
  readonly #starts = new Map<string, number>()
  readonly #startedAt = new Map<string, number>()
  /**
   * Attempts whose items were moved by operators, and those whose jobs the cluster lost: their outcomes need
   * not match their jobs.
   */
  readonly #excused = new Set<string>()
  readonly #calls = new Set<{
    readonly what: string
    readonly maxMs: number
    readonly dueAtMonotonic: number
  }>()
  #maxLimit: number
  #allowance = 0

  /** @param cap as configured for the services */
  constructor(cap: number) {
    this.#maxLimit = cap
  }

  jobStarted({ id, uid, attempt }: JobRef, nowMonotonic: number): void {
    const name = nameOf({ uid, attempt })
    const starts = (this.#starts.get(name) ?? 0) + 1
    this.#starts.set(name, starts)
    this.#startedAt.set(name, nowMonotonic)
    if (starts > 1 && !this.#excused.has(`lost early ${name}`))
      this.#break('one start', `${id} (${name}) started ${starts} times`)
  }

  /**
   * A process was killed with this many sends under way: they may start jobs beyond the cap.
   */
  sendsCutOff(count: number): void {
    this.#allowance += count
  }

  /** An operator moved the item: its stage need not match the end of its job. */
  excuse(job: Pick<JobRef, 'uid' | 'attempt'>): void {
    this.#excused.add(nameOf(job))
  }

  /**
   * The cluster lost the job. One that ran only for a moment may not have been seen, and is then sent again.
   */
  jobVanished(job: Pick<JobRef, 'uid' | 'attempt'>, nowMonotonic: number): void {
    const name = nameOf(job)
    this.#excused.add(name)
    if (nowMonotonic - (this.#startedAt.get(name) ?? nowMonotonic) < 60_000)
      this.#excused.add(`lost early ${name}`)
  }

  /** Checks what must hold at every instant. */
  now(place: CheckedPlace, { nowMonotonic, processing }: { nowMonotonic: number; processing: number }): void {
    this.#overdue(nowMonotonic)
    const running = place.running().length
    if (running > this.#maxLimit + this.#allowance)
      this.#break(
        'cap',
        `${running} jobs run at a cap of ${this.#maxLimit}, with ${this.#allowance} sends cut off`,
      )
    if (running <= this.#maxLimit) this.#allowance = Math.min(this.#allowance, this.#maxLimit)
    if (processing > this.#maxLimit)
      this.#break('claims', `${processing} items are in PROCESSING at a cap of ${this.#maxLimit}`)
  }

  /** Checks the end of a play: faults have been over for long enough, and every item must have ended. */
  atEnd(
    place: CheckedPlace,
    items: { readonly open: readonly ItemRecord[]; readonly finished: readonly ItemRecord[] },
  ): void {
    for (const { id, stage, attempt } of items.open)
      this.#break('terminal', `${id} is in ${stage} at attempt ${attempt}`)
    for (const item of items.finished) this.#checkOutcome(place, item)
  }

  /**
   * A call with a documented longest time begins. After that time it has broken its promise, whether it ever
   * ends or not.
   */
  callBegan(
    what: string,
    { nowMonotonic, maxMs }: { readonly nowMonotonic: number; readonly maxMs: number },
  ): TimedCall {
    const call = { what, maxMs, dueAtMonotonic: nowMonotonic + maxMs }
    this.#calls.add(call)
    return {
      ended: (endedAtMonotonic) => {
        this.#overdue(endedAtMonotonic)
        this.#calls.delete(call)
      },
      excused: () => void this.#calls.delete(call),
    }
  }

  #overdue(nowMonotonic: number): void {
    for (const call of this.#calls) {
      if (nowMonotonic <= call.dueAtMonotonic) continue
      this.#calls.delete(call)
      this.#break('time', `${call.what} had not ended after the ${call.maxMs} ms that are documented`)
    }
  }

  #checkOutcome(place: CheckedPlace, item: ItemRecord): void {
    if (this.#excused.has(nameOf(item))) return
    const end = place.endOf(item)
    const isUnsent = item.failureClass === 'unsendable' || item.failureClass === 'rejected'
    if (item.stage === end || (item.stage === 'FAIL' && isUnsent && end === 'none')) return
    this.#break(
      'outcome',
      `${item.id} is in ${item.stage} (${item.reason ?? 'no reason'}), and its job ${nameOf(item)}: ${end}`,
    )
  }

  #break(promise: Violation['promise'], what: string): void {
    this.violations.push({ promise, what })
  }
}

function nameOf({ uid, attempt }: Pick<JobRef, 'uid' | 'attempt'>): string {
  return `${uid} attempt ${attempt}`
}
