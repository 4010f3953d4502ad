import type { Runtime, ItemSummary, JobRef, JobReport } from '@sluice/core'
import { nameOf } from '../reconcile/running-jobs.js'

/** The worker has not answered yet. */
export const LATE = Symbol('late')

interface OpenLookup {
  readonly uid: string
  /** Never rejects. */
  readonly outcome: Promise<Outcome>
  isSettled: boolean
}

type Outcome = { readonly report: JobReport | undefined } | { readonly error: unknown }

/** How long the look-ups of one step are waited for, together. */
export class Patience {
  readonly #runtime: Pick<Runtime, 'sleep'>
  readonly #ms: number
  readonly #done = new AbortController()
  #over: Promise<void> | undefined
  #isOver = false

  constructor(runtime: Pick<Runtime, 'sleep'>, ms: number) {
    this.#runtime = runtime
    this.#ms = ms
  }

  get isOver(): boolean {
    return this.#isOver
  }

  /** It begins with the first wait. */
  async wait(): Promise<typeof LATE> {
    this.#over ??= this.#runtime.sleep(this.#ms, this.#done.signal)
    await this.#over
    this.#isOver = true
    return LATE
  }

  /** No timer goes on after this. */
  end(): void {
    this.#done.abort()
  }
}

/**
 * Look-ups without an answer. A tick waits for them only briefly: the answer counts in a later tick, which
 * makes no second one. So a look-up that hangs costs the others next to nothing.
 */
export class OpenLookups {
  readonly #open = new Map<string, OpenLookup>()

  get size(): number {
    return this.#open.size
  }

  has(job: JobRef): boolean {
    return this.#open.has(nameOf(job))
  }

  /** Another engine has worked in between: pending answers are outdated. */
  clear(): void {
    this.#open.clear()
  }

  /** Drops those of items that are not in PROCESSING any more. */
  keepOnly(items: Iterable<Pick<ItemSummary, 'uid'>>): void {
    if (this.#open.size === 0) return
    const uids = new Set<string>()
    for (const { uid } of items) uids.add(uid)
    for (const [name, { uid }] of this.#open) if (!uids.has(uid)) this.#open.delete(name)
  }

  /** Drops unused answers: they would be outdated in a later tick. */
  dropAnswered(): void {
    for (const [name, { isSettled }] of this.#open) if (isSettled) this.#open.delete(name)
  }

  /**
   * The answer about one job; a look-up that was open before is not waited for.
   *
   * @param call begins the look-up
   * @throws whatever the call rejects with
   */
  async ask(
    job: JobRef,
    call: () => Promise<JobReport | undefined>,
    patience: Patience,
  ): Promise<JobReport | undefined | typeof LATE> {
    const name = nameOf(job)
    const before = this.#open.get(name)
    if (before?.isSettled === false) return LATE
    const open = before ?? this.#begin(job, call)
    const outcome = await Promise.race([open.outcome, patience.wait()])
    if (outcome === LATE) return LATE
    this.#open.delete(name)
    if ('error' in outcome) throw outcome.error
    return outcome.report
  }

  #begin(job: JobRef, call: () => Promise<JobReport | undefined>): OpenLookup {
    const settle = (outcome: Outcome): Outcome => {
      open.isSettled = true
      return outcome
    }
    const outcome = call().then(
      (report) => settle({ report }),
      (error: unknown) => settle({ error }),
    )
    const open: OpenLookup = { uid: job.uid, outcome, isSettled: false }
    this.#open.set(nameOf(job), open)
    return open
  }
}
