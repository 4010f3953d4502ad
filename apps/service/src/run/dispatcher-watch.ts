import type { LeaseView, Queue } from '@sluice/core'
import { DISPATCHER_LEASE, type TickResult } from '@sluice/engine'
import { CommandError } from '../cli/command-error.js'
import { printable } from '../output/output.js'

/**
 * Where the storage's clock has whole seconds, the end of a lease can differ by up to two of them without a
 * renewal.
 */
const RENEWED_MS = 2_500

/**
 * Detects another service that dispatches this queue, for a drain. A lease alone may be that of a process
 * that was just killed; one that is renewed belongs to a live process.
 */
export class DispatcherWatch {
  readonly #queue: Pick<Queue, 'name' | 'readLease' | 'now'>
  readonly #onOther: (error: CommandError) => void
  #first: (LeaseView & { readonly endsAt: number }) | undefined
  #isReading = false

  constructor(queue: Pick<Queue, 'name' | 'readLease' | 'now'>, onOther: (error: CommandError) => void) {
    this.#queue = queue
    this.#onOther = onOther
  }

  /** Never rejects: the tick reports outages. */
  async afterTick({ role }: Pick<TickResult, 'role'>): Promise<void> {
    if (role !== 'standby' || this.#isReading) return
    this.#isReading = true
    // The tick reports an outage.
    await this.#read().catch(() => undefined)
    this.#isReading = false
  }

  async #read(): Promise<void> {
    const [lease, now] = await Promise.all([this.#queue.readLease(DISPATCHER_LEASE), this.#queue.now()])
    if (lease === undefined || lease.leftMs <= 0) return
    const seen = { ...lease, endsAt: now + lease.leftMs }
    this.#first = this.#first?.fencingToken === lease.fencingToken ? this.#first : seen
    if (seen.endsAt - this.#first.endsAt > RENEWED_MS)
      this.#onOther(otherDispatcherError(this.#queue.name, lease.holder))
  }
}

function otherDispatcherError(queue: string, holder: string): CommandError {
  const name = printable(queue)
  return new CommandError(
    'CONFLICT',
    `${printable(holder, 100)} dispatches ${name} and keeps starting jobs: nothing was drained. Stop it first, or drain it with \`sluice pause\`: it then starts no more jobs, and \`sluice status --watch\` shows when PROCESSING is 0.`,
  )
}
