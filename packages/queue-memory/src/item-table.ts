import {
  judgeMove,
  type CheckedItem,
  type CheckedMove,
  type Page,
  type PageOptions,
  type RequeueOptions,
  type Stage,
} from '@sluice/core'
import { StageList } from './stage-list.js'
import { startAttempt, storedItem, type StoredItem } from './stored-item.js'
import { WaitingLine } from './waiting-line.js'

/**
 * The items of one queue. Every method is synchronous and takes input that was checked: no other code of the process runs in the
 * middle of one, and that is what makes each move whole here [Q-GET-2, Q-MOVE-4].
 */
export class ItemTable {
  readonly #items = new Map<string, StoredItem>()
  readonly #line = new WaitingLine()
  readonly #stages: Record<Stage, StageList> = {
    WAITING: new StageList(),
    PROCESSING: new StageList(),
    SUCCESS: new StageList(),
    FAIL: new StageList(),
  }
  readonly #newUid: () => string
  #seq = 0

  constructor(newUid: () => string) {
    this.#newUid = newUid
  }

  find(id: string): StoredItem | undefined {
    return this.#items.get(id)
  }

  size(stage: Stage): number {
    return this.#stages[stage].size
  }

  /** Gives back the item that is in the way: one of this id, in whatever stage, which stays as it is [Q-PUT-2]. */
  insert(checked: CheckedItem, now: number): StoredItem | undefined {
    const known = this.#items.get(checked.id)
    if (known !== undefined) return known
    const item = storedItem(checked, this.#newUid(), now)
    this.#items.set(item.id, item)
    this.#wait(item, now)
    return undefined
  }

  claim(maxItems: number, now: number): StoredItem[] {
    return this.#line.take(maxItems, now).map(({ item }) => {
      startAttempt(item, now)
      this.#enter(item, 'PROCESSING', now)
      return item
    })
  }

  peek(maxItems: number, now: number): StoredItem[] {
    return this.#line.peek(maxItems, now).map((place) => place.item)
  }

  /** Moves an item out of PROCESSING, if `judgeMove` lets it [Q-MOVE-1, Q-MOVE-2]. */
  move(item: StoredItem, move: CheckedMove, now: number): ReturnType<typeof judgeMove> {
    const last = item.history.at(-1)
    const verdict = judgeMove({ ...item, lastOutcome: last?.outcome }, move)
    if (verdict !== 'move') return verdict
    if (last !== undefined) {
      Object.assign(last, {
        endedAt: now,
        outcome: move.to,
        reason: move.reason,
        detailsText: move.detailsText,
      })
    }
    if (move.to === 'WAITING') this.#release(item, move, now)
    else this.#finish(item, move, now)
    return 'move'
  }

  /** FAIL → WAITING; `false` for an item elsewhere. */
  requeue(item: StoredItem, options: RequeueOptions, now: number): boolean {
    if (item.stage !== 'FAIL') return false
    item.refunds = item.attempt
    item.priority = options.priority ?? item.priority
    item.reason = options.reason
    item.finishedAt = undefined
    item.notBeforeAt = now + (options.delayMs ?? 0)
    this.#wait(item, now)
    return true
  }

  remove(item: StoredItem): void {
    const { stage } = item
    item.place = undefined
    this.#items.delete(item.id)
    this.#stages[stage].left()
    if (stage === 'WAITING') this.#line.left()
  }

  /** Removes what came to its end before an instant; gives back how many items that were. */
  expire(before: number): number {
    const old = [
      ...this.#stages.SUCCESS.availableBefore(before),
      ...this.#stages.FAIL.availableBefore(before),
    ]
    for (const { item } of old) this.remove(item)
    return old.length
  }

  page(stage: Stage, { limit, cursor }: PageOptions): Page<StoredItem> {
    const { places, more } = this.#stages[stage].after(seqOf(cursor), limit)
    const last = places.at(-1)
    const items = places.map((place) => place.item)
    return more && last !== undefined ? { items, cursor: String(last.seq) } : { items }
  }

  #release(item: StoredItem, move: CheckedMove, now: number): void {
    if (move.refund) item.refunds += 1
    item.reason = move.reason
    item.notBeforeAt = now + move.delayMs
    this.#wait(item, now)
  }

  #finish(item: StoredItem, move: CheckedMove, now: number): void {
    if (move.to === 'SUCCESS') item.resultText = move.resultText
    else item.reason = move.reason
    item.detailsText = move.detailsText
    item.finishedAt = now
    this.#enter(item, move.to, now)
  }

  #wait(item: StoredItem, now: number): void {
    const place = this.#enter(item, 'WAITING', Math.max(now, item.notBeforeAt ?? now))
    this.#line.add(place, now)
  }

  #enter(item: StoredItem, stage: Stage, availableAt: number) {
    const left = item.place === undefined ? undefined : item.stage
    const place = { item, seq: ++this.#seq, availableAt }
    item.place = place
    item.stage = stage
    this.#stages[stage].add(place)
    if (left !== undefined) this.#stages[left].left()
    return place
  }
}

function seqOf(cursor: string | undefined): number {
  if (cursor === undefined) return 0
  if (typeof cursor !== 'string' || !/^\d{1,15}$/.test(cursor)) {
    throw new TypeError('cursor must be one that an earlier page of this queue gave')
  }
  return Number(cursor)
}
