// A durable queue for the services of one process. All that it knows is one JSON file, which each change
// replaces whole.
import { existsSync, readFileSync, renameSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { SluiceError, type ItemRecord, type Lease, type PageOptions, type Queue } from '@sluice/core'
import type { QueueSupports, Runtime, Stage } from '@sluice/core'
import * as sluice from '@sluice/core/backend'

/** Where an item stands in its stage: first what is available earlier, then what came earlier. */
type Place = { readonly at: number; readonly order: number }
/** `before`: where a claimed item stood. */
type Stored = { readonly record: ItemRecord; readonly place: Place; readonly before: Place }
type State = sluice.QueueTables & { readonly items: Map<string, Stored>; order: number }

const NEW = '{"items":[],"order":0,"leases":[],"documents":[],"control":{"paused":false,"limits":{}}}'

/** @param options `dir`: an existing folder; each queue is one file in it */
export async function openQueue(options: {
  readonly name: string
  readonly dir: string
  readonly runtime?: Runtime
}): Promise<Queue> {
  const { name, dir, runtime = sluice.systemRuntime } = options
  const file = join(dir, `${encodeURIComponent(name)}.json`)
  const items = new JsonItems(file, runtime)
  const parts = sluice.transactedParts((act) => items.change(act), items.now)
  return sluice.createQueue({ name }, Object.assign(items, parts))
}

/** All but leases, documents and control. No method waits, so no two calls mix. */
class JsonItems implements Omit<sluice.QueueBackend, 'leases' | 'documents' | 'control'> {
  readonly supports: QueueSupports = {
    durable: true,
    sharedBy: 'process',
    maxBodyBytes: 1_048_576,
    orderPrecisionMs: 0,
    fencedClaims: true,
  }
  readonly checkItem = sluice.checkNewItem
  readonly close = () => undefined
  readonly now = () => this.#runtime.now()
  readonly #runtime: Runtime
  readonly #file: string

  constructor(file: string, runtime: Runtime) {
    this.#file = file
    this.#runtime = runtime
  }

  put(items: readonly sluice.CheckedItem[], order: sluice.PutOrder) {
    return this.#each(items, (known, item) =>
      sluice.putRecord(known, item, { ...order, uid: this.#runtime.newId(), now: this.now() }),
    )
  }

  update(changes: readonly sluice.CheckedChange[]) {
    return this.#each(changes, (record, change) => sluice.updateRecord(record, change, this.now()))
  }

  claim(maxItems: number, lease: Lease | undefined) {
    return this.change((state) => {
      if (lease !== undefined && !sluice.isLeaseHeld(state, lease, this.now())) return undefined
      return this.#ready(state, maxItems).map(({ record }) => {
        const claimed = sluice.claimRecord(record, this.now())
        this.#store(state, { record: claimed, place: 'new' })
        return sluice.queueItemOf(claimed)
      })
    })
  }

  peek(maxItems: number) {
    return this.#ready(this.#read(), maxItems).map(({ record }) => sluice.queueItemOf(record))
  }

  settle(moves: readonly sluice.CheckedMove[]) {
    return this.change((state) =>
      moves.map((move) => {
        const record = state.items.get(move.id)?.record
        return this.#store(state, sluice.settleRecord(record, move, this.now()))
      }),
    )
  }

  requeue(ids: readonly string[], order: sluice.RequeueOrder) {
    const mentions = ids.map((id) => ({ id }))
    return this.#each(mentions, (record) => sluice.requeueRecord(record, order, this.now()))
  }

  remove(ids: readonly string[], { stages }: sluice.RemoveOrder) {
    const mentions = ids.map((id) => ({ id }))
    return this.#each(mentions, (record, { id }, { items }) => {
      if (record === undefined) return { refusal: 'not-found' as const }
      if (!stages.includes(record.stage)) return { refusal: 'wrong-stage' as const }
      items.delete(id)
      return {}
    })
  }

  size = (stage: Stage) => this.#inStage(stage).length
  sizes() {
    const of = this.size
    return { WAITING: of('WAITING'), PROCESSING: of('PROCESSING'), SUCCESS: of('SUCCESS'), FAIL: of('FAIL') }
  }

  lookup = (id: string) => this.#read().items.get(id)?.record
  lookupStage = (id: string) => this.lookup(id)?.stage

  list(stage: Stage, { limit, cursor = '0' }: PageOptions) {
    if (!/^\d+$/u.test(cursor)) throw new TypeError('cursor must be one that an earlier page gave')
    const rest = this.#inStage(stage).filter(({ place }) => place.order > Number(cursor))
    const found = rest.toSorted((a, b) => a.place.order - b.place.order).slice(0, limit)
    const next = rest.length > limit ? { cursor: String(found.at(-1)?.place.order) } : {}
    return { items: found.map(({ record }) => record), ...next }
  }

  listSummaries(stage: Stage, options: PageOptions) {
    const page = this.list(stage, options)
    return { ...page, items: page.items.map(sluice.summaryOf) }
  }

  #read(): State {
    const state = JSON.parse(existsSync(this.#file) ? readFileSync(this.#file, 'utf8') : NEW)
    const { items, leases, documents } = state
    return { ...state, items: new Map(items), leases: new Map(leases), documents: new Map(documents) }
  }

  /**
   * The one place that writes. Killed before the rename, the file is as before the call; killed after it, as
   * after the call.
   */
  change<T>(act: (state: State) => T): T {
    const state = this.#read()
    const result = act(state)
    const text = JSON.stringify(state, (_, value) => (value instanceof Map ? [...value] : value))
    try {
      writeFileSync(`${this.#file}.new`, text, { flush: true })
      renameSync(`${this.#file}.new`, this.#file)
    } catch (error) {
      const message = `Cannot write ${this.#file}: check the disk, and try again`
      throw new SluiceError('SLUICE_QUEUE_UNAVAILABLE', message, { cause: error })
    }
    return result
  }

  /** Changes the item of each mention; those that are refused are returned, by id. */
  #each<T extends { readonly id: string }, Refusal>(
    mentions: readonly T[],
    act: (
      record: ItemRecord | undefined,
      mention: T,
      state: State,
    ) => sluice.RecordChange<Refusal | undefined>,
  ): Map<string, Refusal> {
    return this.change((state) => {
      const refusals = mentions.map((mention) => {
        const record = state.items.get(mention.id)?.record
        return [mention.id, this.#store(state, act(record, mention, state))] as const
      })
      return new Map(refusals.flatMap(([id, refusal]) => (refusal === undefined ? [] : [[id, refusal]])))
    })
  }

  #store<Refusal>(
    state: State,
    { record, place, refusal }: sluice.RecordChange<Refusal>,
  ): Refusal | undefined {
    if (record === undefined) return refusal
    const last = state.items.get(record.id)
    const next = { at: Math.max(this.now(), record.notBeforeAt ?? 0), order: ++state.order }
    const places = { new: next, same: last?.place ?? next, returned: last?.before ?? next }
    state.items.set(record.id, { record, place: places[place], before: last?.place ?? next })
    return undefined
  }

  #ready({ items }: State, maxItems: number): Stored[] {
    const now = this.now()
    const due = [...items.values()].filter(
      ({ record, place }) => record.stage === 'WAITING' && place.at <= now,
    )
    return due.toSorted(byTurn).slice(0, maxItems)
  }

  #inStage = (stage: Stage) => [...this.#read().items.values()].filter(({ record }) => record.stage === stage)
}

function byTurn(a: Stored, b: Stored): number {
  return b.record.priority - a.record.priority || a.place.at - b.place.at || a.place.order - b.place.order
}
