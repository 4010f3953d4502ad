import type { CallOptions, JsonValue, QueueItem } from '@sluice/core'
import {
  checkMove,
  type CheckedChange,
  type CheckedMove,
  type MoveRefusal,
  type RemoveOrder,
  type RequeueOrder,
} from '@sluice/core/backend'
import type { AttemptKey } from '../format/attempt-key.js'
import { attemptIn, has } from '../format/item-state.js'
import type { Selection } from '../format/selection.js'
import { encodeKey } from '../format/key-encoding.js'
import {
  removeItem,
  requeueItem,
  settleItem,
  type SettleVerdict,
  type SettleWanted,
} from '../protocol/move-item.js'
import { updateItem, type SelectionChange } from '../protocol/updating/update-item.js'
import { contextOf, valuesOf, type QueueContext } from '../queue-context.js'
import type { RunResult } from '../store/protocol-run.js'
import type { Protocol } from '../store/storage-op.js'

const LEASE_LOST_REASON = 'not sent: the lease that it was claimed under was lost'

/** Moves items. */
export class ItemMoves {
  readonly #context: QueueContext

  constructor(context: QueueContext) {
    this.#context = context
  }

  /** Each move on its own; several of one item in sequence. */
  async settle(
    moves: readonly CheckedMove[],
    options: CallOptions,
  ): Promise<readonly (MoveRefusal | undefined)[]> {
    const context = contextOf(this.#context, options)
    const refusals: (MoveRefusal | undefined)[] = moves.map(() => undefined)
    let failure: { readonly error: unknown } | undefined
    for (const round of roundsOf(moves)) {
      const results = await context.runAll(round.map(({ move }) => this.#settling(move)))
      for (const [at, result] of results.entries()) {
        const mention = round[at]
        if (mention === undefined) continue
        if ('error' in result) failure ??= result
        else refusals[mention.index] = refusalOf(result.value)
        this.#noteMove(mention.move, result)
      }
    }
    // The others are done all the same, and a retry of the call finds them so.
    if (failure !== undefined) throw failure.error
    return refusals
  }

  /**
   * Releases items to their places, as if they had not been claimed, except for the attempt. A failure is
   * logged: those items stay in PROCESSING.
   */
  async giveBack(items: readonly QueueItem[], maxBytes: number): Promise<void> {
    const { cache, logger } = this.#context
    const moves = items.map(({ id, uid, attempt, retryState }) => {
      const reason = cache.find(encodeKey(id))?.running?.state.reason ?? LEASE_LOST_REASON
      const back = {
        stage: 'WAITING',
        unsent: true,
        keepPlace: true,
        reason,
        ...has({ retryState }),
      } as const
      return checkMove({ id, uid, attempt, ...back }, maxBytes)
    })
    try {
      await this.settle(moves, {})
    } catch (error) {
      logger.warn(
        { err: error, items: items.length },
        'items that were claimed under a lost lease stay in PROCESSING',
      )
    }
  }

  async requeue(ids: readonly string[], order: RequeueOrder) {
    const { layout, names, runtime } = this.#context
    const { delayMs, priority, reason } = order
    return this.#each(ids.map(asMention), order, ({ id }) =>
      requeueItem(layout, encodeKey(id), (attemptKey) => {
        const next = names.requeued(attemptKey, delayMs, priority).name
        return { token: runtime.newId(), next, ...has({ reason }) }
      }),
    )
  }

  async remove(ids: readonly string[], order: RemoveOrder) {
    const { layout, runtime } = this.#context
    const { stages } = order
    return this.#each(ids.map(asMention), order, ({ id }) =>
      removeItem(layout, encodeKey(id), { stages, token: runtime.newId() }),
    )
  }

  async update(changes: readonly CheckedChange[], options: CallOptions) {
    const { layout, names, runtime } = this.#context
    return this.#each(changes, options, ({ id, uid, bodyText, ...change }) => {
      const nextOf = (attemptKey: AttemptKey, selection?: Selection) => ({
        name: names.updated(attemptKey, change, selection),
        token: runtime.newId(),
      })
      return updateItem(layout, encodeKey(id), {
        ...has({ uid, bodyText, selection: selectionChange(change) }),
        nextOf,
      })
    })
  }

  /** One protocol for each id; returns why ids were left as they were. */
  async #each<T extends { readonly id: string }, Reason extends string>(
    mentions: readonly T[],
    options: CallOptions,
    protocolOf: (mention: T) => Protocol<'done' | Reason>,
  ): Promise<ReadonlyMap<string, Exclude<Reason, 'done'>>> {
    const context = contextOf(this.#context, options)
    const verdicts = valuesOf(await context.runAll(mentions.map(protocolOf)))
    const refusals = new Map<string, Exclude<Reason, 'done'>>()
    for (const [index, { id }] of mentions.entries()) {
      const verdict = verdicts[index]
      if (verdict !== undefined && isRefusal(verdict)) refusals.set(id, verdict)
    }
    return refusals
  }

  #settling(move: CheckedMove): Protocol<SettleVerdict> {
    const { layout, names, cache, runtime } = this.#context
    const { attempt, uid, delayMs, uncounted, keepPlace } = move
    const key = encodeKey(move.id)
    const returning = { delayMs, uncounted, keepPlace, hasRetryState: move.retryStateText !== undefined }
    const wanted = {
      ...has({ attempt, uid }),
      end: endOf(move, names.now()),
      token: runtime.newId(),
      nextOf: (attemptKey: AttemptKey) => names.released(attemptKey, returning),
    }
    return settleItem(layout, key, wanted, cache.find(key))
  }

  #noteMove({ id, retryStateText }: CheckedMove, result: RunResult<SettleVerdict>): void {
    if ('error' in result || result.value.is === 'refused') return
    const { cache } = this.#context
    cache.drop(encodeKey(id))
    const { is, next } = { next: undefined, ...result.value }
    if (is === 'moved' && next !== undefined) cache.rememberRetryState(next, parsed(retryStateText))
  }
}

function selectionChange({
  resources,
  limitKey,
}: CheckedChange | SelectionChange): SelectionChange | undefined {
  return resources === undefined && limitKey === undefined ? undefined : { resources, limitKey }
}

function asMention(id: string): { readonly id: string } {
  return { id }
}

function isRefusal<Reason extends string>(verdict: 'done' | Reason): verdict is Exclude<Reason, 'done'> {
  return verdict !== 'done'
}

/** `undefined` for a move that is done. */
function refusalOf(verdict: SettleVerdict): MoveRefusal | undefined {
  if (verdict.is === 'not-found') return { reason: 'not-found' }
  if (verdict.is !== 'refused') return undefined
  const { at, attemptKey } = verdict.place
  const stage = at === 'GONE' ? 'WAITING' : at
  const item = { stage, attempt: attemptIn(stage, attemptKey.attempt), uid: attemptKey.uid }
  return { reason: verdict.reason, item }
}

interface Mention {
  readonly index: number
  readonly move: CheckedMove
}

/** The moves in rounds, such that no round has an id twice and the moves of each id keep their order. */
function roundsOf(moves: readonly CheckedMove[]): Mention[][] {
  const rounds: Mention[][] = []
  const counts = new Map<string, number>()
  for (const [index, move] of moves.entries()) {
    const count = counts.get(move.id) ?? 0
    counts.set(move.id, count + 1)
    const round = (rounds[count] ??= [])
    round.push({ index, move })
  }
  return rounds
}

/** What a move says of the attempt that it ends; for a move to WAITING also of the next. */
function endOf(move: CheckedMove, at: number): SettleWanted['end'] {
  const { to, failureClass, exitCode, jobUid } = move
  const ended = { to, at, ...has({ details: parsed(move.detailsText), exitCode, jobUid }) }
  if (to === 'SUCCESS') return { ...ended, ...has({ result: parsed(move.resultText) }) }
  const failed = { ...ended, ...has({ reason: move.reason, failureClass }) }
  if (to === 'FAIL') return failed
  const unsent = move.unsent ? true : undefined
  return { ...failed, ...has({ unsent, retryState: parsed(move.retryStateText) }) }
}

function parsed(text: string | undefined): JsonValue | undefined {
  if (text === undefined) return undefined
  const value: JsonValue = JSON.parse(text)
  return value
}
