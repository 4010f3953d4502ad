import { SluiceError, type TroubleConcerns } from '@sluice/core'

/** Every call that reaches the worker. */
export type DummyCall =
  | 'sendJob'
  | 'sendMany'
  | 'pollAllStatus'
  | 'lookupJob'
  | 'cancelJob'
  | 'acknowledgeJobs'
  | 'probeSend'
  | 'readLog'
  | 'check'

/** How the dummy refuses calls for one item, until that is ended. */
export interface ItemTrouble {
  /** The calls that it concerns. Default `sendJob`; `sendJob` includes the item's place in a `sendMany`. */
  readonly calls?: readonly DummyCall[]
  /** Whose trouble the error says it is. Absent: it does not say. */
  readonly concerns?: TroubleConcerns
  readonly message?: string
}

type Fault = 'denied' | 'unavailable' | 'rejected' | 'answer-lost' | 'incomplete'

interface PlannedFault {
  readonly fault: Fault
  readonly retryAfterMs?: number
  readonly concerns?: TroubleConcerns
  left: number
}

export type FaultOptions = Pick<PlannedFault, 'retryAfterMs' | 'concerns'>

/** Trouble that a test orders in advance: the next calls meet it, in the order in which it was ordered. */
export class DummyFaults {
  readonly #planned: PlannedFault[] = []

  readonly #troubled = new Map<string, ItemTrouble>()
  readonly #hanging = new Map<DummyCall, PromiseWithResolvers<void>>()

  plan(fault: Fault, times: number, options: FaultOptions = {}): void {
    this.#planned.push({ ...options, fault, left: times })
  }

  /** Until `clear`, or an `undefined` trouble. */
  trouble(itemId: string, trouble: ItemTrouble | undefined): void {
    if (trouble === undefined) this.#troubled.delete(itemId)
    else this.#troubled.set(itemId, trouble)
  }

  /** Every call of this kind that begins from now on does not answer before {@link DummyFaults.unhang}. */
  hang(call: DummyCall): void {
    if (!this.#hanging.has(call)) this.#hanging.set(call, Promise.withResolvers())
  }

  unhang(): void {
    for (const { resolve } of this.#hanging.values()) resolve()
    this.#hanging.clear()
  }

  async untilAnswered(call: DummyCall): Promise<void> {
    await this.#hanging.get(call)?.promise
  }

  /** @throws SluiceError what was planned for a call before it has any effect */
  before(call: DummyCall, itemId?: string): void {
    const planned = this.#take((fault) => {
      if (fault === 'answer-lost' || fault === 'incomplete') return false
      return fault !== 'rejected' || call === 'sendJob'
    })
    if (planned !== undefined) throw faultError(planned, call, itemId)
    const trouble = itemId === undefined ? undefined : this.#troubled.get(itemId)
    if (trouble !== undefined && (trouble.calls ?? ['sendJob']).includes(call))
      throw troubleError(trouble, call, itemId)
  }

  /** Whether this poll can't ask for everything. */
  isIncomplete(): boolean {
    return this.#take((fault) => fault === 'incomplete') !== undefined
  }

  /** All trouble is over. */
  clear(): void {
    this.#planned.length = 0
    this.#troubled.clear()
    this.unhang()
  }

  /** What was planned or ordered for one job of a `sendMany`. */
  ofJob(itemId: string): SluiceError | undefined {
    const planned = this.#take((fault) => fault === 'rejected')
    if (planned !== undefined) return faultError(planned, 'sendMany', itemId)
    const trouble = this.#troubled.get(itemId)
    if (trouble === undefined || !(trouble.calls ?? ['sendJob']).includes('sendJob')) return undefined
    return troubleError(trouble, 'sendMany', itemId)
  }

  /** @throws SluiceError what was planned for a `sendJob` or a `sendMany` whose jobs have started */
  after(call: 'sendJob' | 'sendMany', itemId?: string): void {
    const planned = this.#take((fault) => fault === 'answer-lost')
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
      ...(planned.concerns === undefined ? {} : { concerns: planned.concerns }),
    },
  )
}

function troubleError(
  { concerns, message }: ItemTrouble,
  call: DummyCall,
  itemId: string | undefined,
): SluiceError {
  const said = message ?? `${call} of the dummy worker: trouble with this item, as a test ordered`
  return new SluiceError('SLUICE_WORKER_UNAVAILABLE', said, {
    ...(itemId === undefined ? {} : { itemId }),
    ...(concerns === undefined ? {} : { concerns }),
  })
}
