import type { ItemRecord, JobRef } from '@sluice/core'

/** A promise that a play broke. */
export interface Violation {
  readonly promise: 'one start' | 'cap' | 'claims' | 'terminal' | 'outcome' | 'time'
  readonly what: string
}

/** What the checker looks at. It knows neither the script nor the faults. */
export interface CheckedPlace {
  running(): readonly JobRef[]
  endOf(job: Pick<JobRef, 'uid' | 'attempt'>): 'SUCCESS' | 'FAIL' | 'runs' | 'none'
}

/**
 * Holds a play against what Sluice promises: one start for each (uid, attempt), the cap, an end for every item, and that it is the end of its job. What
 * operators did, and what the cluster lost, it is told.
 */
export class Checker {
  readonly violations: Violation[] = []
  readonly #starts = new Map<string, number>()
  readonly #startedAt = new Map<string, number>()
  /** Attempts whose items were moved by operators, and those whose jobs the cluster lost: what came of them is not the job's. */
  readonly #excused = new Set<string>()
  #maxLimit: number
  #allowance = 0

  /** @param cap as the services are configured */
  constructor(cap: number) {
    this.#maxLimit = cap
  }

  jobStarted({ id, uid, attempt }: JobRef, nowMs: number): void {
    const name = nameOf({ uid, attempt })
    const starts = (this.#starts.get(name) ?? 0) + 1
    this.#starts.set(name, starts)
    this.#startedAt.set(name, nowMs)
    if (starts > 1 && !this.#excused.has(`lost early ${name}`))
      this.#break('one start', `${id} (${name}) started ${starts} times`)
  }

  /** A process was stopped dead while so many sends of it were under way: they may start jobs beyond the cap. */
  sendsCutOff(count: number): void {
    this.#allowance += count
  }

  /** An operator moved the item: how its job ends says nothing of it. */
  excuse(job: Pick<JobRef, 'uid' | 'attempt'>): void {
    this.#excused.add(nameOf(job))
  }

  /** The cluster lost the job. Of one that ran for a moment only nobody may have seen it, and then it is sent again. */
  jobVanished(job: Pick<JobRef, 'uid' | 'attempt'>, nowMs: number): void {
    const name = nameOf(job)
    this.#excused.add(name)
    if (nowMs - (this.#startedAt.get(name) ?? nowMs) < 60_000) this.#excused.add(`lost early ${name}`)
  }

  /** At any instant. */
  now(place: CheckedPlace, processing: number): void {
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

  /** All faults are over for long enough: every item must have come to its end. */
  atEnd(
    place: CheckedPlace,
    items: { readonly open: readonly ItemRecord[]; readonly finished: readonly ItemRecord[] },
  ): void {
    for (const { id, stage, attempt } of items.open)
      this.#break('terminal', `${id} is in ${stage} at attempt ${attempt}`)
    for (const item of items.finished) this.#checkOutcome(place, item)
  }

  callEnded(what: string, ms: number, maxMs: number): void {
    if (ms > maxMs) this.#break('time', `${what} took ${ms} ms; ${maxMs} are documented`)
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
