import type { ItemRef } from '@sluice/core'
import { judgeMove, type MoveRefusal, type RemoveOrder } from '@sluice/core/backend'
import { batches, byId, MAX_BATCH_ROWS, rounds } from '../calls/batch.js'
import type { CallGate } from '../calls/call-gate.js'
import { ENOUGH_CLAIM_BYTES } from '../postgres/claim-sizes.js'
import { NO_ATTEMPT, STAGE_NUMBERS, stageOf } from '../schema/tables.js'
import { bytesOf, claimInOrder, inOrder, type ClaimSteps } from './claims.js'
import type { AttemptFacts, ItemFacts, ItemReads } from './item-reads.js'
import type { ChangeRow, Claimed, ClaimedRow, HeldLease, Moves, RequeueRow, WantedRow } from './moves.js'

/**
 * A batch is tried this often when its items move between the attempt to move them and the read of why it
 * failed.
 */
const MAX_ROUNDS = 10

export type UpdateReason = 'not-found' | 'wrong-stage' | 'not-current'
type StageReason = 'not-found' | 'wrong-stage'

export interface ItemMovesParts {
  readonly gate: CallGate
  readonly reads: ItemReads
  readonly moves: Moves
}

/** The moves of one queue: cut into batches, each one transaction, and refusals explained. */
export class ItemMoves {
  readonly #parts: ItemMovesParts

  constructor(parts: ItemMovesParts) {
    this.#parts = parts
  }

  /**
   * Claims in batches. If a later batch fails, or finds the lease lost, the items of the earlier ones are
   * returned, because no other call returns them at this attempt. That failure is dropped: if it lasts, the
   * next claim meets it with nothing claimed, and rejects. Large bodies end a claim early.
   *
   * @returns `undefined`: the lease is lost, and nothing is claimed
   */
  async claim(max: number, lease?: HeldLease): Promise<Claimed | undefined> {
    const steps = this.#claimSteps(lease)
    // Nothing to claim, but the lease is checked.
    if (max === 0 && lease !== undefined) return steps.claim({ kind: 'top' }, 0)
    const rows: ClaimedRow[] = []
    let bytes = 0
    try {
      while (rows.length < max) {
        const count = Math.min(MAX_BATCH_ROWS, max - rows.length)
        const batch = await claimInOrder(steps, count)
        if (batch === undefined && rows.length === 0) return undefined
        if (batch === undefined) break
        rows.push(...batch.rows)
        if (!batch.isCut && batch.rows.length < count) break
        if (batch.isCut) bytes += bytesOf(batch)
        if (bytes >= ENOUGH_CLAIM_BYTES) return { rows: inOrder(rows), isCut: true }
      }
    } catch (error) {
      // The claimed items are returned; if the failure lasts, the next claim meets it.
      if (rows.length === 0) throw error
    }
    return { rows: inOrder(rows), isCut: false }
  }

  /**
   * Claims named items in batches, with the promises of {@link ItemMoves.claim}. Large bodies end it early,
   * once it has an item.
   */
  async claimNamed(refs: readonly ItemRef[], lease?: HeldLease): Promise<readonly ClaimedRow[] | undefined> {
    const { gate, moves } = this.#parts
    const assertInTime = gate.startBatch('claim items')
    const rows: ClaimedRow[] = []
    let [from, bytes] = [0, 0]
    try {
      do {
        assertInTime()
        const batch = refs.slice(from, from + MAX_BATCH_ROWS)
        const claimed = await gate.run('claim items', () => moves.claimNamed(batch, lease))
        if (claimed === undefined) return rows.length === 0 ? undefined : rows
        rows.push(...claimed.rows)
        from += claimed.tried
        bytes += bytesOf(claimed)
      } while (from < refs.length && bytes < ENOUGH_CLAIM_BYTES)
    } catch (error) {
      // As in `claim`.
      if (rows.length === 0) throw error
    }
    return rows
  }

  #claimSteps(lease: HeldLease | undefined): ClaimSteps {
    const { gate, moves } = this.#parts
    const assertInTime = gate.startBatch('claim items')
    return {
      claim: async (scope, count) => {
        assertInTime()
        return gate.run('claim items', () => moves.claim(scope, count, lease))
      },
      ranks: async (limit) => {
        assertInTime()
        return gate.run('claim items', () => moves.ranks(limit))
      },
    }
  }

  /**
   * For each row `undefined` if its move is done, now or earlier, else why it is refused [Q-MOVE-1 …
   * Q-MOVE-3].
   */
  async settle(rows: readonly WantedRow[], signal?: AbortSignal): Promise<(MoveRefusal | undefined)[]> {
    return this.#inRounds(rows, settledChars, {
      what: 'settle items',
      run: (batch) => this.#parts.moves.settle(batch),
      judge: (batch, assertInTime) => this.#judgeMoves(batch, assertInTime),
      signal,
    })
  }

  /**
   * For each row `undefined` if its change is made, else why not. Several changes of one item are made in
   * their order.
   */
  async update(rows: readonly ChangeRow[], signal?: AbortSignal): Promise<(UpdateReason | undefined)[]> {
    return this.#inRounds(rows, changedChars, {
      what: 'update items',
      run: (batch) => this.#parts.moves.update(batch),
      judge: (batch) => this.#judgeChanges(batch),
      signal,
    })
  }

  /** Why ids did not move; ids are distinct. */
  async requeue(
    ids: readonly string[],
    order: RequeueRow,
    signal?: AbortSignal,
  ): Promise<Map<string, StageReason>> {
    return this.#byIds(ids, {
      what: 'requeue items',
      run: (batch) => this.#parts.moves.requeue(batch.map(idOf), order),
      judge: (batch) => this.#judgeStages(batch, [STAGE_NUMBERS.FAIL]),
      signal,
    })
  }

  /** Why ids are not removed; ids are distinct. */
  async remove(ids: readonly string[], { stages, signal }: RemoveOrder): Promise<Map<string, StageReason>> {
    const removable = stages.map((stage) => STAGE_NUMBERS[stage])
    return this.#byIds(ids, {
      what: 'remove items',
      run: (batch) => this.#parts.moves.remove(batch.map(idOf), removable),
      judge: (batch) => this.#judgeStages(batch, removable),
      signal,
    })
  }

  /** Of several moves of one item in one call each is done before the next is judged. */
  async #inRounds<Row extends { readonly id: string }, Why>(
    rows: readonly Row[],
    chars: (row: Row) => number,
    step: Step<Row, Why>,
  ): Promise<(Why | undefined)[]> {
    const refused = new Map<Row, Why>()
    for (const round of rounds(rows)) {
      for (const batch of batches(round, chars)) {
        for (const [row, why] of await this.#batch(byId(batch), step)) refused.set(row, why)
      }
    }
    return rows.map((row) => refused.get(row))
  }

  async #byIds<Why>(
    ids: readonly string[],
    step: Step<{ readonly id: string }, Why>,
  ): Promise<Map<string, Why>> {
    const refused = new Map<string, Why>()
    const rows = byId(ids.map((id) => ({ id })))
    for (const batch of batches(rows, ({ id }) => id.length)) {
      for (const [{ id }, why] of await this.#batch(batch, step)) refused.set(id, why)
    }
    return refused
  }

  /**
   * Moves what can be moved in one statement, which compares stage, attempt and uid itself, and then reads
   * the rest. An item that the statement did not move, and that can be moved by what was read, came there in
   * between: it is tried again.
   */
  async #batch<Row extends { readonly id: string }, Why>(
    batch: readonly Row[],
    { what, run, judge, signal }: Step<Row, Why>,
  ): Promise<Map<Row, Why>> {
    const { gate } = this.#parts
    const refused = new Map<Row, Why>()
    const assertInTime = gate.startBatch(what, signal)
    let left = batch
    for (let round = 0; left.length > 0; round++) {
      if (round === MAX_ROUNDS) throw gate.tooBusy(what, left.length)
      const rows = left
      assertInTime()
      const done = new Set(await gate.run(what, () => run(rows)))
      const undone = rows.filter(({ id }) => !done.has(id))
      if (undone.length === 0) break
      assertInTime()
      const judged = await judge(undone, assertInTime)
      for (const [row, why] of judged) refused.set(row, why)
      left = undone.filter((row) => !judged.has(row))
    }
    return refused
  }

  async #judgeMoves(
    rows: readonly WantedRow[],
    assertInTime: () => void,
  ): Promise<Map<WantedRow, MoveRefusal | undefined>> {
    const { gate, reads } = this.#parts
    const items = await this.#find(rows)
    const seqs = [...items.values()].map(({ seq }) => seq)
    assertInTime()
    const attempts = await gate.run('read items', () => reads.attempts(seqs))
    const judged = new Map<WantedRow, MoveRefusal | undefined>()
    for (const row of rows) {
      const item = items.get(row.id)
      const verdict = item === undefined ? 'not-found' : verdictOf(item, attempts.get(item.seq), row)
      if (verdict === 'repeat') judged.set(row, undefined)
      else if (verdict !== 'move')
        judged.set(row, { reason: verdict, ...(item && { item: foundItem(item) }) })
    }
    return judged
  }

  async #judgeChanges(rows: readonly ChangeRow[]): Promise<Map<ChangeRow, UpdateReason>> {
    const items = await this.#find(rows)
    const judged = new Map<ChangeRow, UpdateReason>()
    for (const row of rows) {
      const item = items.get(row.id)
      if (item === undefined) judged.set(row, 'not-found')
      else if (row.uid !== null && row.uid !== item.uid) judged.set(row, 'not-current')
      else if (item.stage !== STAGE_NUMBERS.WAITING) judged.set(row, 'wrong-stage')
    }
    return judged
  }

  async #judgeStages(
    rows: readonly { readonly id: string }[],
    movable: readonly number[],
  ): Promise<Map<{ readonly id: string }, StageReason>> {
    const { gate, reads } = this.#parts
    const stages = await gate.run('read items', () => reads.stages(rows.map(idOf)))
    const judged = new Map<{ readonly id: string }, StageReason>()
    for (const row of rows) {
      const stage = stages.get(row.id)
      if (stage === undefined) judged.set(row, 'not-found')
      else if (!movable.includes(stage)) judged.set(row, 'wrong-stage')
    }
    return judged
  }

  async #find(rows: readonly { readonly id: string }[]): Promise<Map<string, ItemFacts>> {
    const { gate, reads } = this.#parts
    const items = await gate.run('read items', () => reads.find(rows.map(idOf)))
    return new Map(items.map((item) => [item.id, item]))
  }
}

/**
 * How a batch is done, and how the rows that were not done are judged: those without a verdict are tried
 * again.
 */
interface Step<Row, Why> {
  /** Such as `settle items`. */
  readonly what: string
  /** The ids that were done. */
  readonly run: (rows: readonly Row[]) => Promise<readonly string[]>
  readonly judge: (rows: readonly Row[], assertInTime: () => void) => Promise<Map<Row, Why>>
  /** No batch begins after its abort. */
  readonly signal: AbortSignal | undefined
}

function idOf({ id }: { readonly id: string }): string {
  return id
}

function foundItem({ stage, attempt, uid }: ItemFacts): NonNullable<MoveRefusal['item']> {
  return { stage: stageOf(stage), attempt, uid }
}

function verdictOf(
  item: ItemFacts,
  attempts: readonly AttemptFacts[] = [],
  row: WantedRow,
): ReturnType<typeof judgeMove> {
  const last = attempts.find(({ attempt }) => attempt === item.attempt && attempt !== NO_ATTEMPT)
  return judgeMove(
    { ...foundItem(item), ...(last === undefined ? {} : { lastOutcome: outcomeOf(last.outcome) }) },
    {
      to: outcomeOf(row.stage),
      ...(row.attempt === null ? {} : { attempt: row.attempt }),
      ...(row.uid === null ? {} : { uid: row.uid }),
    },
  )
}

function outcomeOf(stored: number): 'SUCCESS' | 'FAIL' | 'WAITING' {
  const stage = stageOf(stored)
  return stage === 'PROCESSING' ? 'WAITING' : stage
}

/** The approximate size of a move in characters. */
export function settledChars({ id, reason, result, details }: WantedRow): number {
  return id.length + (reason?.length ?? 0) + (result?.length ?? 0) + (details?.length ?? 0)
}

/** The approximate size of a change in characters. */
export function changedChars({ id, body }: ChangeRow): number {
  return id.length + (body?.length ?? 0)
}
