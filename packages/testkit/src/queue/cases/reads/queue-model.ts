import { type JsonValue, type RefusedSettlement, type Settlement, type Stage } from '@sluice/core'
import { judgeMove } from '@sluice/core/backend'

interface ModelItem {
  readonly id: string
  priority: number
  stage: Stage
  attempt: number
  uncounted: number
  /** Grows with each entry into WAITING, but for one to the place of before. */
  turn: number
  retryState?: JsonValue
  lastOutcome?: 'SUCCESS' | 'FAIL' | 'WAITING'
}

interface ModelDocument {
  readonly value?: JsonValue
  readonly version: number
}

/** What a queue does, with no thought of storage, time or speed: the yardstick of the random walks. */
export class QueueModel {
  readonly #items = new Map<string, ModelItem>()
  readonly #documents = new Map<string, ModelDocument>()
  #turn = 0

  put(id: string, priority: number): boolean {
    if (this.#items.has(id)) return false
    this.#items.set(id, { id, priority, stage: 'WAITING', attempt: 0, uncounted: 0, turn: this.#turn++ })
    return true
  }

  /** The jobs that are given out, as `id@attempt`, in their order. */
  get(count: number): string[] {
    const next = [...this.#items.values()]
      .filter((item) => item.stage === 'WAITING')
      .toSorted((a, b) => b.priority - a.priority || a.turn - b.turn)
      .slice(0, count)
    return next.map((item) => this.#claim(item))
  }

  /**
   * Takes what the queue gave instead of what the model chose, where both are as many and of the same
   * priorities.
   */
  follow(given: readonly string[], chosen: readonly string[]): void {
    const [are, wanted] = [this.#priorities(given), this.#priorities(chosen)]
    if (are !== wanted) throw new Error(`get gives items of the priorities [${are}] instead of [${wanted}]`)
    for (const job of chosen.filter((one) => !given.includes(one))) this.#unclaim(job)
    for (const job of given.filter((one) => !chosen.includes(one))) {
      const item = this.#items.get(job.slice(0, job.lastIndexOf('@')))
      if (item?.stage !== 'WAITING' || this.#claim(item) !== job)
        throw new Error(`get gives ${job} out of turn`)
    }
  }

  settle({
    id,
    attempt,
    stage,
    countAttempt,
    keepPlace,
    retryState,
  }: Settlement): RefusedSettlement['reason'] | undefined {
    const item = this.#items.get(id)
    if (item === undefined) return 'not-found'
    const verdict = judgeMove({ ...item, uid: id }, { to: stage, attempt })
    if (verdict === 'repeat') return undefined
    if (verdict !== 'move') return verdict
    item.stage = stage
    item.lastOutcome = stage
    if (stage === 'WAITING') setRetryState(item, retryState)
    if (stage === 'WAITING' && keepPlace !== true) item.turn = this.#turn++
    if (countAttempt === false) item.uncounted += 1
    return undefined
  }

  requeue(id: string): boolean {
    const item = this.#items.get(id)
    if (item?.stage !== 'FAIL') return false
    Object.assign(item, { stage: 'WAITING', uncounted: item.attempt, turn: this.#turn++ })
    setRetryState(item, undefined)
    return true
  }

  /** Another priority keeps the turn, `now` gives a new one. */
  update(
    id: string,
    { priority, now }: { priority?: number; now: boolean },
  ): 'updated' | 'not-found' | 'wrong-stage' {
    const item = this.#items.get(id)
    if (item === undefined) return 'not-found'
    if (item.stage !== 'WAITING') return 'wrong-stage'
    if (priority !== undefined) item.priority = priority
    if (now) item.turn = this.#turn++
    return 'updated'
  }

  remove(id: string): boolean {
    const item = this.#items.get(id)
    return item !== undefined && item.stage !== 'PROCESSING' && this.#items.delete(id)
  }

  document(name: string): { readonly value: JsonValue; readonly version: number } | undefined {
    const found = this.#documents.get(name)
    return found?.value === undefined ? undefined : { value: found.value, version: found.version }
  }

  documents(): string[] {
    return [...this.#documents.keys()].filter((name) => this.document(name) !== undefined).toSorted()
  }

  /** Writes a value, or removes what is there, if the version is this one. */
  change(name: string, value: JsonValue | undefined, ifVersion: number | undefined): boolean {
    const found = this.document(name)
    if (found?.version !== ifVersion || (found === undefined && value === undefined)) return false
    const version = this.#documents.get(name)?.version ?? 0
    this.#documents.set(name, value === undefined ? { version } : { value, version: version + 1 })
    return true
  }

  /** Takes the version that the queue gave to a first write, which it may choose above those of before. */
  chooses(name: string, version: number): void {
    const found = this.#documents.get(name)
    if (found === undefined || version < found.version) {
      throw new Error(`the document ${name} is at version ${version}, below those of before`)
    }
    this.#documents.set(name, { ...found, version })
  }

  attempt(id: string): number {
    return this.#items.get(id)?.attempt ?? 0
  }

  items(): readonly Readonly<ModelItem>[] {
    return [...this.#items.values()]
  }

  content(): Record<Stage, string[]> {
    const content: Record<Stage, string[]> = { WAITING: [], PROCESSING: [], SUCCESS: [], FAIL: [] }
    for (const item of this.#items.values()) content[item.stage].push(item.id)
    for (const ids of Object.values(content)) ids.sort()
    return content
  }

  sizes(): Record<Stage, number> {
    const { WAITING, PROCESSING, SUCCESS, FAIL } = this.content()
    return {
      WAITING: WAITING.length,
      PROCESSING: PROCESSING.length,
      SUCCESS: SUCCESS.length,
      FAIL: FAIL.length,
    }
  }

  #priorities(jobs: readonly string[]): string {
    return jobs.map((job) => this.#items.get(job.slice(0, job.lastIndexOf('@')))?.priority).join()
  }

  #claim(item: ModelItem): string {
    item.stage = 'PROCESSING'
    item.attempt += 1
    return `${item.id}@${item.attempt}`
  }

  #unclaim(job: string): void {
    const item = this.#items.get(job.slice(0, job.lastIndexOf('@')))
    if (item === undefined) return
    item.stage = 'WAITING'
    item.attempt -= 1
  }
}

function setRetryState(item: ModelItem, state: JsonValue | undefined): void {
  if (state === undefined) delete item.retryState
  else item.retryState = state
}
