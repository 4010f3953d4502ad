import type { FinalStage, ItemRef, JsonValue, Page, PageOptions, Stage } from '@sluice/core'
import {
  judgeMove,
  type CheckedChange,
  type CheckedMove,
  type CopiedItem,
  type RequeueOrder,
} from '@sluice/core/backend'
import { StayList } from './stay-list.js'
import { NOWHERE, endAttempt, startAttempt, storedItem, type StoredItem } from './stored-item.js'
import { WaitingLine, type Ahead } from './waiting-line.js'

/**
 * The items of one queue. Every method is synchronous and takes input that was checked: no other code of the
 * process runs in the middle of one, and that is what makes each move whole here [Q-GET-2, Q-MOVE-4].
 */
export class ItemTable {
  readonly #items = new Map<string, StoredItem>()
  readonly #line = new WaitingLine()
  readonly #stages: Record<Stage, StayList> = {
    WAITING: new StayList(),
    PROCESSING: new StayList(),
    SUCCESS: new StayList(),
    FAIL: new StayList(),
  }
  readonly #newUid: () => string
  #stays = 0

  constructor(newUid: () => string) {
    this.#newUid = newUid
  }

  find(id: string): StoredItem | undefined {
    return this.#items.get(id)
  }

  size(stage: Stage): number {
    return this.#stages[stage].size
  }

  sizes(): Record<Stage, number> {
    const { WAITING, PROCESSING, SUCCESS, FAIL } = this.#stages
    return { WAITING: WAITING.size, PROCESSING: PROCESSING.size, SUCCESS: SUCCESS.size, FAIL: FAIL.size }
  }

  /**
   * Gives back the item that is in the way: one of this id, in whatever stage, which stays as it is
   * [Q-PUT-2].
   */
  insert(copied: CopiedItem, now: number, stage: 'WAITING' | 'SUCCESS' = 'WAITING'): StoredItem | undefined {
    const known = this.#items.get(copied.id)
    if (known !== undefined) return known
    const item = storedItem(copied, this.#newUid(), now)
    this.#items.set(item.id, item)
    if (stage === 'WAITING') this.#wait(item, now)
    else {
      item.finishedAt = now
      this.#enter(item, stage)
    }
    return undefined
  }

  /** Changes an item that is WAITING; gives back why not [Q-UPDATE-1, Q-UPDATE-2]. */
  update(item: StoredItem, change: CheckedChange, now: number): 'wrong-stage' | 'not-current' | undefined {
    if (change.uid !== undefined && change.uid !== item.uid) return 'not-current'
    if (item.stage !== 'WAITING') return 'wrong-stage'
    if (change.bodyText !== undefined) item.body = parsed(change.bodyText)
    if (change.resources !== undefined) item.resources = change.resources ?? undefined
    const { priority = item.priority, notBeforeAt } = change
    const limitKey = change.limitKey === undefined ? item.limitKey : (change.limitKey ?? undefined)
    if (notBeforeAt !== undefined || priority !== item.priority || limitKey !== item.limitKey)
      this.#stand(item, { priority, limitKey, notBeforeAt }, now)
    return undefined
  }

  /**
   * A new place for an item that stays WAITING; by its priority or its limit key alone, it keeps the instant
   * from which it is available [Q-UPDATE-3].
   */
  #stand(
    item: StoredItem,
    { priority, limitKey, notBeforeAt }: Pick<StoredItem, 'priority' | 'limitKey' | 'notBeforeAt'>,
    now: number,
  ): void {
    this.#line.admit(now)
    // It leaves its place by what it has been until now.
    this.#enter(item, 'WAITING')
    item.priority = priority
    item.limitKey = limitKey
    if (notBeforeAt !== undefined) item.notBeforeAt = Math.max(notBeforeAt, now)
    if (notBeforeAt === undefined && (item.notBeforeAt ?? 0) <= now) this.#line.putBack(item)
    else this.#line.add(item, now)
  }

  claim(maxItems: number, now: number): StoredItem[] {
    const claimed: StoredItem[] = []
    while (claimed.length < maxItems) {
      const item = this.#line.first(now)
      if (item === undefined) break
      this.#enter(item, 'PROCESSING')
      startAttempt(item, now)
      claimed.push(item)
    }
    return claimed
  }

  /** Claims those of the named items that `claim` could give out. */
  claimNamed(refs: readonly ItemRef[], now: number): StoredItem[] {
    this.#line.admit(now)
    return refs.flatMap(({ id, uid }) => {
      const item = this.#items.get(id)
      if (item?.uid !== uid || item.stage !== 'WAITING') return []
      if ((item.notBeforeAt ?? 0) > now) return []
      this.#enter(item, 'PROCESSING')
      startAttempt(item, now)
      return [item]
    })
  }

  peek(maxItems: number, now: number, ahead?: Ahead): StoredItem[] {
    return this.#line.peek(maxItems, now, ahead)
  }

  /** Moves an item out of PROCESSING, if `judgeMove` lets it [Q-MOVE-1, Q-MOVE-2]. */
  move(item: StoredItem, move: CheckedMove, now: number): ReturnType<typeof judgeMove> {
    const { stage, attempt, uid, outcome } = item
    const verdict = judgeMove({ stage, attempt, uid, lastOutcome: outcome }, move)
    if (verdict !== 'move') return verdict
    endAttempt(item, move, now)
    if (move.to === 'WAITING') this.#release(item, move, now)
    else this.#finish(item, move, move.to, now)
    return 'move'
  }

  /** FAIL → WAITING; `false` for an item elsewhere. */
  requeue(item: StoredItem, options: RequeueOrder, now: number): boolean {
    if (item.stage !== 'FAIL') return false
    item.uncounted = item.attempt
    item.priority = options.priority ?? item.priority
    item.reason = options.reason
    item.finishedAt = undefined
    item.retryStateText = undefined
    item.hasEnding = false
    item.notBeforeAt = now + options.delayMs
    this.#wait(item, now)
    return true
  }

  remove(item: StoredItem): void {
    item.stay = NOWHERE
    this.#items.delete(item.id)
    this.#leave(item)
  }

  /** Removes what came to its end before an instant; gives back how many items that were. */
  expire(before: number): number {
    return this.#expireFrom(this.#stages.SUCCESS, before) + this.#expireFrom(this.#stages.FAIL, before)
  }

  page(stage: Stage, { limit, cursor }: PageOptions): Page<StoredItem> {
    const { items, more } = this.#stages[stage].after(stayOf(cursor), limit)
    const last = items.at(-1)
    return more && last !== undefined ? { items, cursor: String(last.stay) } : { items }
  }

  /** What ended first is in front, so that only what is removed is looked at. */
  #expireFrom(finished: StayList, before: number): number {
    const count = finished.size
    for (let item = finished.first(); item !== undefined; item = finished.first()) {
      if ((item.finishedAt ?? Infinity) >= before) break
      this.remove(item)
    }
    return count - finished.size
  }

  #release(item: StoredItem, move: CheckedMove, now: number): void {
    if (move.uncounted) item.uncounted += 1
    item.reason = move.reason
    item.retryStateText = move.retryStateText
    if (move.keepPlace) {
      // It was claimed, so its instant has come: it needs none.
      this.#enter(item, 'WAITING')
      this.#line.putBack(item)
      return
    }
    item.notBeforeAt = now + move.delayMs
    this.#wait(item, now)
  }

  #finish(item: StoredItem, move: CheckedMove, stage: FinalStage, now: number): void {
    if (stage === 'SUCCESS') item.resultText = move.resultText
    else item.reason = move.reason
    item.detailsText = move.detailsText
    item.finishedAt = now
    this.#enter(item, stage)
  }

  #wait(item: StoredItem, now: number): void {
    this.#enter(item, 'WAITING')
    this.#line.add(item, now)
  }

  /** Ends an item's stay where it is and begins the next. */
  #enter(item: StoredItem, stage: Stage): void {
    const isNew = item.stay === NOWHERE
    item.stay = ++this.#stays
    if (!isNew) this.#leave(item)
    item.stage = stage
    this.#stages[stage].add(item)
  }

  #leave(item: StoredItem): void {
    this.#stages[item.stage].left()
    if (item.stage === 'WAITING') this.#line.left(item)
  }
}

function parsed(bodyText: string): JsonValue {
  const body: JsonValue = JSON.parse(bodyText)
  return body
}

function stayOf(cursor: string | undefined): number {
  if (cursor === undefined) return 0
  if (!/^\d{1,15}$/.test(cursor)) {
    throw new TypeError('cursor must be one that an earlier page of this queue gave')
  }
  return Number(cursor)
}
