import { SluiceError } from '@sluice/core'

/** Every call that reaches the worker. */
export type DummyCall = 'sendJob' | 'pollAllStatus' | 'lookupJob' | 'cancelJob' | 'forgetJobs' | 'check'

type Fault = 'denied' | 'unavailable' | 'rejected' | 'answer-lost' | 'incomplete'

interface PlannedFault {
  readonly fault: Fault
  readonly retryAfterMs?: number
  left: number
}

/** Trouble ordered in advance, for tests: the next calls run into it, in the order in which it was ordered. */
export class DummyFaults {
  readonly #planned: PlannedFault[] = []

  plan(fault: Fault, times: number, retryAfterMs?: number): void {
    this.#planned.push({ fault, left: times, ...(retryAfterMs === undefined ? {} : { retryAfterMs }) })
  }

  /** @throws SluiceError what was planned for a call before it has any effect */
  before(call: DummyCall, itemId?: string): void {
    const planned = this.#take((fault) => {
      if (fault === 'answer-lost' || fault === 'incomplete') return false
      return fault !== 'rejected' || call === 'sendJob'
    })
    if (planned !== undefined) throw faultError(planned, call, itemId)
  }

  /** Whether this poll can't ask for everything. */
  isIncomplete(): boolean {
    return this.#take((fault) => fault === 'incomplete') !== undefined
  }

  /** All trouble is over. */
  clear(): void {
    this.#planned.length = 0
  }

  /** @throws SluiceError what was planned for a `sendJob` whose job has started */
  after(call: DummyCall, itemId?: string): void {
    const planned = this.#take((fault) => fault === 'answer-lost' && call === 'sendJob')
    if (planned !== undefined) throw faultError(planned, call, itemId)
  }

  #take(fits: (fault: Fault) => boolean): PlannedFault | undefined {
    const index = this.#planned.findIndex(({ fault, left }) => left > 0 && fits(fault))
    const planned = this.#planned[index]
    if (planned === undefined) return undefined
    planned.left -= 1
    if (planned.left <= 0) this.#planned.splice(index, 1)
    return planned
  }
}

const CODES = {
  denied: 'SLUICE_WORKER_DENIED',
  unavailable: 'SLUICE_WORKER_UNAVAILABLE',
  rejected: 'SLUICE_JOB_REJECTED',
  'answer-lost': 'SLUICE_WORKER_UNAVAILABLE',
  incomplete: 'SLUICE_WORKER_UNAVAILABLE',
} as const

function faultError(planned: PlannedFault, call: DummyCall, itemId?: string): SluiceError {
  return new SluiceError(
    CODES[planned.fault],
    `${call} of the dummy worker: ${planned.fault}, as a test ordered`,
    {
      ...(itemId === undefined ? {} : { itemId }),
      ...(planned.retryAfterMs === undefined ? {} : { retryAfterMs: planned.retryAfterMs }),
    },
  )
}
