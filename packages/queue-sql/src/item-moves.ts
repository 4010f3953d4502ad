import { SluiceError, judgeMove, type CheckedItem } from '@sluice/core'
import { batches, byId, MAX_BATCH_ROWS, rounds } from './batch.js'
import type { CallGate } from './call-gate.js'
import { newRow } from './move-rows.js'
import { inOrder } from './claim-order.js'
import { ENOUGH_CLAIM_BYTES } from './claim-sizes.js'
import { claimInOrder, type ClaimSteps } from './claim.js'
import { itemNotFound, leaseLost, stageConflict } from './item-errors.js'
import type { AttemptFacts, ItemFacts, ItemReads } from './item-reads.js'
import type { Claimed, ClaimedRow, HeldLease, Moves, RequeueOrder, WantedRow } from './moves.js'
import { stageOf } from './tables.js'

/** How often a batch is tried anew because items of it moved between the attempt to move them and the look at why it failed. */
const MAX_LOOKS = 10

/** How far a put of many has come, for the report of its failure. */
export interface PutProgress {
  added: number
  /** Items of the batches that are stored, those that were known among them. */
  stored: number
  /** Items of the batch that is being stored. */
  underWay: number
}

export interface ItemMovesParts {
  readonly queue: string
  readonly gate: CallGate
  readonly reads: ItemReads
  readonly moves: Moves
  readonly newUid: () => string
  /** No statement of one batch begins later than this after its first. */
  readonly timeoutMs: number
}

/** Batches of moves of one queue: cut to size, each batch one transaction, and what was refused explained. */
export class ItemMoves {
  readonly #parts: ItemMovesParts

  constructor(parts: ItemMovesParts) {
    this.#parts = parts
  }

  /** Whether each item is new; of two of one id the first. Killed between two batches, the items of the first are there and whole [Q-PUT-3]. */
  async put(items: readonly CheckedItem[], progress?: PutProgress): Promise<boolean[]> {
    const { gate, moves, newUid } = this.#parts
    const added = new Set<string>()
    let underWay: Promise<readonly string[]> | undefined
    const end = async (next: number): Promise<void> => {
      for (const id of (await underWay) ?? []) added.add(id)
      if (progress === undefined) return
      progress.added = added.size
      progress.stored += progress.underWay
      progress.underWay = next
    }
    // Rows are made batch by batch: a hundred thousand items are not held twice. One batch is made ready while the one before is stored;
    // never are two stored at once, or the order of `get` would not be that of the items.
    for (const batch of batches(items, ({ bodyText }) => bodyText.length)) {
      const run = moves.put(firstOfEach(batch).map((item) => newRow(item, newUid())))
      await end(batch.length)
      underWay = gate.run('put items', run)
    }
    await end(0)
    // The first of an id has used its place up when the second comes.
    return items.map(({ id }) => added.delete(id))
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
    const assertInTime = this.#timer('claim items')
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
  async settle(rows: readonly WantedRow[]): Promise<(SluiceError | undefined)[]> {
    const refused = new Map<WantedRow, SluiceError>()
    for (const round of rounds(rows)) {
      for (const batch of batches(round, settledChars)) {
        for (const [row, error] of await this.#settleBatch(byId(batch))) refused.set(row, error)
      }
    }
    return rows.map((row) => refused.get(row))
  }

  async requeue(ids: readonly string[], order: RequeueOrder): Promise<Set<string>> {
    return this.#inBatches(ids, 'requeue items', (batch) => this.#parts.moves.requeue(batch, order))
  }

  async remove(ids: readonly string[], stages: readonly number[]): Promise<Set<string>> {
    return this.#inBatches(ids, 'remove items', (batch) => this.#parts.moves.remove(batch, stages))
  }

  /**
   * Moves what can be moved in one statement, which compares stage, attempt and uid itself, and only then looks at the rest: a repeat, a
   * conflict, unknown. What was not in PROCESSING for the statement and is for the look came there in between, and is tried anew.
   */
  async #settleBatch(batch: readonly WantedRow[]): Promise<Map<WantedRow, SluiceError>> {
    const { gate, moves } = this.#parts
    const refused = new Map<WantedRow, SluiceError>()
    const assertInTime = this.#timer('settle items')
    let left = batch
    for (let look = 0; left.length > 0; look++) {
      if (look === MAX_LOOKS) throw tooBusy(this.#parts.queue, left)
      const rows = left
      assertInTime()
      const moved = new Set(await gate.run('settle items', () => moves.settle(rows)))
      const unmoved = rows.filter(({ id }) => !moved.has(id))
      left = await this.#judge(unmoved, { refused, assertInTime })
    }
    return refused
  }

  /** Notes the refused, and gives back what is to be tried anew. */
  async #judge(
    rows: readonly WantedRow[],
    { refused, assertInTime }: { refused: Map<WantedRow, SluiceError>; assertInTime: () => void },
  ): Promise<WantedRow[]> {
    if (rows.length === 0) return []
    const { gate, reads, queue } = this.#parts
    assertInTime()
    const ids = rows.map(({ id }) => id)
    const items = await gate.run('look at items', () => reads.find(ids))
    const seqs = items.map(({ seq }) => seq)
    assertInTime()
    const attempts = await gate.run('look at items', () => reads.attempts(seqs))
    const byItemId = new Map(items.map((item) => [item.id, item]))
    return rows.filter((row) => {
      const item = byItemId.get(row.id)
      const verdict = item === undefined ? 'unknown' : judged(item, attempts.get(item.seq), row)
      if (verdict === 'conflict' && item !== undefined) refused.set(row, stageConflict(item, row))
      if (verdict === 'unknown')
        refused.set(row, itemNotFound(queue, row.id, `move to ${stageOf(row.stage)}`))
      return verdict === 'move'
    })
  }

  /** What it gives back throws once so much time is over that no further statement of the batch may begin. */
  #timer(what: string): () => void {
    const { queue, timeoutMs } = this.#parts
    const startedAt = performance.now()
    return () => {
      if (performance.now() - startedAt > timeoutMs) throw tooSlow(queue, what, timeoutMs)
    }
  }

  async #inBatches(
    ids: readonly string[],
    what: string,
    run: (batch: readonly string[]) => Promise<string[]>,
  ): Promise<Set<string>> {
    const done = new Set<string>()
    const distinct = byId([...new Set(ids)].map((id) => ({ id }))).map(({ id }) => id)
    for (const batch of batches(distinct, (id) => id.length)) {
      for (const id of await this.#parts.gate.run(what, () => run(batch))) done.add(id)
    }
    return done
  }
}

function judged(
  item: ItemFacts,
  attempts: readonly AttemptFacts[] = [],
  row: WantedRow,
): ReturnType<typeof judgeMove> {
  const last = attempts.find(({ attempt }) => attempt === item.attempt)
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

function firstOfEach(items: readonly CheckedItem[]): CheckedItem[] {
  const seen = new Set<string>()
  return items.filter(({ id }) => seen.size < seen.add(id).size)
}

/** Roughly how many characters a move brings along. */
export function settledChars({ id, reason, result, details }: WantedRow): number {
  return id.length + (reason?.length ?? 0) + (result?.length ?? 0) + (details?.length ?? 0)
}

function tooSlow(queue: string, what: string, timeoutMs: number): SluiceError {
  return new SluiceError(
    'SLUICE_QUEUE_UNAVAILABLE',
    `Could not ${what} of queue ${JSON.stringify(queue)} to the end: the database was too slow for all of the statements that it takes. ` +
      `Try again, or raise timeoutMs (${timeoutMs})`,
  )
}

function tooBusy(queue: string, rows: readonly WantedRow[]): SluiceError {
  return new SluiceError(
    'SLUICE_QUEUE_UNAVAILABLE',
    `Could not settle ${rows.length} items of queue ${JSON.stringify(queue)}: others move them all the time. Try again`,
  )
}
