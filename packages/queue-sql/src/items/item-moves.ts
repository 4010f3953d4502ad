import {
  judgeMove,
  type MoveReport,
  type RefusedSettlement,
  type SluiceError,
  type UpdateReport,
} from '@sluice/core'
import { batches, byId, MAX_BATCH_ROWS, rounds } from '../calls/batch.js'
import type { CallGate } from '../calls/call-gate.js'
import { inOrder, claimInOrder, type ClaimSteps } from './claims.js'
import { ENOUGH_CLAIM_BYTES } from '../postgres/claim-sizes.js'
import { itemNotFound, leaseLost, stageConflict } from './item-errors.js'
import type { AttemptFacts, ItemFacts, ItemReads } from './item-reads.js'
import type { ChangeRow, Claimed, ClaimedRow, HeldLease, Moves, RequeueOrder, WantedRow } from './moves.js'
import { NO_ATTEMPT, STAGE_NUMBERS, stageOf } from '../schema/tables.js'

/** How often a batch is tried anew because items of it moved between the attempt to move them and the look at why it failed. */
const MAX_ROUNDS = 10

/** Why a move is not done [Q-BULK-1], and the error of a call for it alone. */
export interface Refusal {
  readonly reason: RefusedSettlement['reason']
  readonly error: SluiceError
}

type RemoveReason = MoveReport['skipped'][number]['reason']
type UpdateReason = UpdateReport['skipped'][number]['reason']

export interface ItemMovesParts {
  readonly queue: string
  readonly gate: CallGate
  readonly reads: ItemReads
  readonly moves: Moves
}

/** Batches of moves of one queue: cut to size, each batch one transaction, and what was refused explained. */
export class ItemMoves {
  readonly #parts: ItemMovesParts

  constructor(parts: ItemMovesParts) {
    this.#parts = parts
  }

  /**
   * Claims in batches; if a later one fails, the items of the earlier are given out, since nobody else will get them at this attempt. That
   * failure is dropped: if it lasts, the next claim meets it with nothing in hand, and rejects. A lease that is lost between two batches is such a
   * failure: what was claimed before was claimed under it. Large bodies end a claim early.
   */
  async claim(max: number, lease?: HeldLease): Promise<Claimed> {
    const steps = this.#claimSteps(lease)
    // Nothing to claim, and still no answer under a lease that is lost.
    if (max === 0 && lease !== undefined) return steps.claim({ kind: 'top' }, 0)
    const rows: ClaimedRow[] = []
    let bytes = 0
    try {
      while (rows.length < max) {
        const count = Math.min(MAX_BATCH_ROWS, max - rows.length)
        const batch = await claimInOrder(steps, count)
        rows.push(...batch.rows)
        if (!batch.isCut && batch.rows.length < count) break
        if (batch.isCut) bytes += batch.rows.reduce((sum, { body }) => sum + body.length, 0)
        if (bytes >= ENOUGH_CLAIM_BYTES) return { rows: inOrder(rows), isCut: true }
      }
    } catch (error) {
      // What is claimed is given out; a failure that lasts is met by the next claim.
      if (rows.length === 0) throw error
    }
    return { rows: inOrder(rows), isCut: false }
  }

  #claimSteps(lease: HeldLease | undefined): ClaimSteps {
    const { gate, moves, queue } = this.#parts
    const assertInTime = gate.startBatch('claim items')
    return {
      claim: async (scope, count) => {
        assertInTime()
        const claimed = await gate.run('claim items', () => moves.claim(scope, count, lease))
        if (claimed !== undefined) return claimed
        throw lease === undefined
          ? new Error('a claim without a lease has none to lose')
          : leaseLost(queue, lease)
      },
      ranks: async (limit) => {
        assertInTime()
        return gate.run('claim items', () => moves.ranks(limit))
      },
    }
  }

  /** For each row `undefined` when its move is done, now or earlier, or else why it is refused [Q-MOVE-1 … Q-MOVE-3]. */
  async settle(rows: readonly WantedRow[]): Promise<(Refusal | undefined)[]> {
    return this.#inRounds(rows, settledChars, {
      what: 'settle items',
      run: (batch) => this.#parts.moves.settle(batch),
      judge: (batch, assertInTime) => this.#judgeMoves(batch, assertInTime),
    })
  }

  /** For each row `undefined` when its change is made, or else why not. Of two changes of one item each is made, in their order. */
  async update(rows: readonly ChangeRow[]): Promise<(UpdateReason | undefined)[]> {
    return this.#inRounds(rows, changedChars, {
      what: 'update items',
      run: (batch) => this.#parts.moves.update(batch),
      judge: (batch) => this.#judgeChanges(batch),
    })
  }

  /** Why each id of those that did not move did not; ids are distinct. */
  async requeue(ids: readonly string[], order: RequeueOrder): Promise<Map<string, RemoveReason>> {
    return this.#byIds(ids, {
      what: 'requeue items',
      run: (batch) => this.#parts.moves.requeue(batch.map(idOf), order),
      judge: (batch) => this.#judgeStages(batch, [STAGE_NUMBERS.FAIL]),
    })
  }

  /** Why each id of those that are not gone by it is not; ids are distinct. */
  async remove(ids: readonly string[], stages: readonly number[]): Promise<Map<string, RemoveReason>> {
    return this.#byIds(ids, {
      what: 'remove items',
      run: (batch) => this.#parts.moves.remove(batch.map(idOf), stages),
      judge: (batch) => this.#judgeStages(batch, stages),
    })
  }

  /** Of two moves of one item in one call the first is done before the second is judged. */
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
   * Does what can be done in one statement, which compares stage, attempt and uid itself, and only then looks at the rest. What could not be done for the statement
   * and can be for the look came there in between, and is tried again.
   */
  async #batch<Row extends { readonly id: string }, Why>(
    batch: readonly Row[],
    { what, run, judge }: Step<Row, Why>,
  ): Promise<Map<Row, Why>> {
    const { gate } = this.#parts
    const refused = new Map<Row, Why>()
    const assertInTime = gate.startBatch(what)
    let left = batch
    for (let look = 0; left.length > 0; look++) {
      if (look === MAX_ROUNDS) throw gate.tooBusy(what, left.length)
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
  ): Promise<Map<WantedRow, Refusal | undefined>> {
    const { gate, reads, queue } = this.#parts
    const items = await this.#find(rows)
    const seqs = [...items.values()].map(({ seq }) => seq)
    assertInTime()
    const attempts = await gate.run('look at items', () => reads.attempts(seqs))
    const judged = new Map<WantedRow, Refusal | undefined>()
    for (const row of rows) {
      const item = items.get(row.id)
      if (item === undefined) {
        const error = itemNotFound(queue, row.id, `move to ${stageOf(row.stage)}`)
        judged.set(row, { reason: 'not-found', error })
        continue
      }
      const verdict = verdictOf(item, attempts.get(item.seq), row)
      if (verdict === 'repeat') judged.set(row, undefined)
      else if (verdict !== 'move') judged.set(row, { reason: verdict, error: stageConflict(item, row) })
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
  ): Promise<Map<{ readonly id: string }, RemoveReason>> {
    const { gate, reads } = this.#parts
    const stages = await gate.run('look at items', () => reads.stages(rows.map(idOf)))
    const judged = new Map<{ readonly id: string }, RemoveReason>()
    for (const row of rows) {
      const stage = stages.get(row.id)
      if (stage === undefined) judged.set(row, 'not-found')
      else if (!movable.includes(stage)) judged.set(row, 'wrong-stage')
    }
    return judged
  }

  async #find(rows: readonly { readonly id: string }[]): Promise<Map<string, ItemFacts>> {
    const { gate, reads } = this.#parts
    const items = await gate.run('look at items', () => reads.find(rows.map(idOf)))
    return new Map(items.map((item) => [item.id, item]))
  }
}

/** How a batch is done, and why what it left was left: rows without a verdict are tried again. */
interface Step<Row, Why> {
  /** Such as `settle items`. */
  readonly what: string
  /** The ids for which it is done. */
  readonly run: (rows: readonly Row[]) => Promise<readonly string[]>
  readonly judge: (rows: readonly Row[], assertInTime: () => void) => Promise<Map<Row, Why>>
}

function idOf({ id }: { readonly id: string }): string {
  return id
}

function verdictOf(
  item: ItemFacts,
  attempts: readonly AttemptFacts[] = [],
  row: WantedRow,
): ReturnType<typeof judgeMove> {
  const last = attempts.find(({ attempt }) => attempt === item.attempt && attempt !== NO_ATTEMPT)
  const to = finalOf(row.stage)
  return judgeMove(
    {
      stage: stageOf(item.stage),
      attempt: item.attempt,
      uid: item.uid,
      ...(last === undefined ? {} : { lastOutcome: finalOf(last.outcome) }),
    },
    {
      to,
      ...(row.attempt === null ? {} : { attempt: row.attempt }),
      ...(row.uid === null ? {} : { uid: row.uid }),
    },
  )
}

function finalOf(stored: number): 'SUCCESS' | 'FAIL' | 'WAITING' {
  const stage = stageOf(stored)
  return stage === 'PROCESSING' ? 'WAITING' : stage
}

/** Roughly how many characters a move brings along. */
export function settledChars({ id, reason, result, details }: WantedRow): number {
  return id.length + (reason?.length ?? 0) + (result?.length ?? 0) + (details?.length ?? 0)
}

/** Roughly how many characters a change brings along. */
export function changedChars({ id, body }: ChangeRow): number {
  return id.length + (body?.length ?? 0)
}
