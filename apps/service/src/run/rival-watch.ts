import type { LeaseView, Queue } from '@sluice/core'
import { DISPATCHER_LEASE, type TickResult } from '@sluice/engine'
import { CommandError } from '../cli/command-error.js'
import { printable } from '../output/output.js'

/** Where the clock of the storage has whole seconds, the end of a lease is read up to two of them later without any renewal. */
const RENEWED_MS = 2_500

/**
 * Finds out whether another service dispatches this queue. A lease that is held by somebody may be that of a process that was killed a moment ago: only
 * one that is renewed is somebody's at work.
 */
export class RivalWatch {
  readonly #queue: Pick<Queue, 'name' | 'readLease' | 'now'>
  readonly #onRival: (error: CommandError) => void
  #first: (LeaseView & { readonly endsAt: number }) | undefined
  #isLooking = false

  constructor(queue: Pick<Queue, 'name' | 'readLease' | 'now'>, onRival: (error: CommandError) => void) {
    this.#queue = queue
    this.#onRival = onRival
  }

  /** Never rejects: of an outage the tick tells. */
  async afterTick({ role }: Pick<TickResult, 'role'>): Promise<void> {
    if (role !== 'standby' || this.#isLooking) return
    this.#isLooking = true
    // Of an outage the tick tells.
    await this.#look().catch(() => undefined)
    this.#isLooking = false
  }

  async #look(): Promise<void> {
    const [lease, now] = await Promise.all([this.#queue.readLease(DISPATCHER_LEASE), this.#queue.now()])
    if (lease === undefined || lease.leftMs <= 0) return
    const seen = { ...lease, endsAt: now + lease.leftMs }
    this.#first = this.#first?.fencingToken === lease.fencingToken ? this.#first : seen
    if (seen.endsAt - this.#first.endsAt > RENEWED_MS)
      this.#onRival(rivalError(this.#queue.name, lease.holder))
  }
}

function rivalError(queue: string, holder: string): CommandError {
  const name = printable(queue)
  return new CommandError(
    'CONFLICT',
    `${printable(holder, 100)} dispatches ${name} and goes on starting jobs: nothing was drained. Stop it first, or let it drain by \`sluice pause\`: it then starts no more, and \`sluice status --watch\` shows when PROCESSING is 0.`,
  )
}
