import {
  SluiceError,
  checkMove,
  type CheckedChange,
  type CheckedMove,
  type JsonValue,
  type Lease,
  type MoveReport,
  type QueueItem,
  type RemoveReport,
  type RequeueOptions,
  type SkipReason,
  type SkippedItem,
  type Stage,
  type UpdateReport,
} from '@sluice/core'
import { firstMentions, skippedMentions, type BulkVerdict } from './bulk-mentions.js'
import { valuesOf, type QueueContext } from '../queue-context.js'
import { has } from '../format/item-state.js'
import { encodeKey } from '../format/key-encoding.js'
import {
  removeItem,
  requeueItem,
  settleItem,
  type SettleVerdict,
  type SettleWanted,
} from '../protocol/move-item.js'
import { updateItem } from '../protocol/update-item.js'
import type { RunResult } from '../store/protocol-run.js'
import type { AttemptKey } from '../format/attempt-key.js'
import type { Protocol } from '../store/storage-op.js'

const LEASE_LOST_REASON = 'not sent: the lease that it was claimed under was lost'

/** Moves items. */
export class ItemMoves {
  readonly #context: QueueContext

  constructor(context: QueueContext) {
    this.#context = context
  }

  /** Each move on its own; several of one item in sequence. */
  async settle(moves: readonly CheckedMove[]): Promise<SettleVerdict[]> {
    const verdicts: SettleVerdict[] = []
    let failure: { readonly error: unknown } | undefined
    for (const round of roundsOf(moves.map(({ id }) => id))) {
      const results = await this.#context.runAll(round.map((index) => this.#settling(moves[index])))
      for (const [at, result] of results.entries()) {
        if ('error' in result) failure ??= result
        else verdicts[round[at] ?? 0] = result.value
      }
      this.#forget(round, moves, results)
    }
    // The others are done all the same, and a retry of the call finds them so.
    if (failure !== undefined) throw failure.error
    return verdicts
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
      await this.settle(moves)
    } catch (error) {
      logger.warn(
        { err: error, items: items.length },
        'items that were claimed under a lost lease stay in PROCESSING',
      )
    }
  }

  async requeue(
    ids: readonly string[],
    { delayMs = 0, priority, reason }: RequeueOptions,
  ): Promise<MoveReport['skipped']> {
    const { layout, names, runtime } = this.#context
    return this.#each(ids.map(asMention), ({ id }) =>
      requeueItem(layout, encodeKey(id), (attemptKey) => {
        const next = names.requeued(attemptKey, delayMs, priority).name
        return { token: runtime.newId(), next, ...has({ reason }) }
      }),
    )
  }

  async remove(ids: readonly string[], stages: readonly Stage[]): Promise<RemoveReport['skipped']> {
    const { layout, runtime } = this.#context
    return this.#each(ids.map(asMention), ({ id }) =>
      removeItem(layout, encodeKey(id), { stages, token: runtime.newId() }),
    )
  }

  async update(changes: readonly CheckedChange[]): Promise<UpdateReport['skipped']> {
    const { layout, names, runtime } = this.#context
    return this.#each(changes, ({ id, uid, bodyText, ...place }) => {
      const nextOf = (attemptKey: AttemptKey) => ({
        name: names.updated(attemptKey, place),
        token: runtime.newId(),
      })
      return updateItem(layout, encodeKey(id), { ...has({ uid, bodyText }), nextOf })
    })
  }

  /** One protocol for each id, at its first mention; gives the mentions that changed nothing [Q-BULK-1]. */
  async #each<T extends { readonly id: string }, R extends SkipReason>(
    mentions: readonly T[],
    protocolOf: (mention: T) => Protocol<BulkVerdict<R>>,
  ): Promise<SkippedItem<R | 'repeated'>[]> {
    const verdicts = valuesOf(await this.#context.runAll(firstMentions(mentions).map(protocolOf)))
    return skippedMentions(mentions, verdicts)
  }

  #settling(move: CheckedMove | undefined): Protocol<SettleVerdict> {
    if (move === undefined) throw new RangeError('a round holds indexes of its moves')
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

  #forget(
    round: readonly number[],
    moves: readonly CheckedMove[],
    results: readonly RunResult<SettleVerdict>[],
  ): void {
    for (const [at, result] of results.entries()) {
      const move = moves[round[at] ?? 0]
      if (move === undefined || 'error' in result || result.value.is === 'refused') continue
      const { cache } = this.#context
      cache.forget(encodeKey(move.id))
      const { is, next } = { next: undefined, ...result.value }
      if (is === 'moved' && next !== undefined) cache.rememberRetryState(next, parsed(move.retryStateText))
    }
  }
}

function asMention(id: string): { readonly id: string } {
  return { id }
}

/** SLUICE_ITEM_NOT_FOUND or SLUICE_STAGE_CONFLICT, for a move that was refused. */
export function moveError(queue: string, move: CheckedMove, verdict: SettleVerdict): SluiceError | undefined {
  const itemId = move.id
  if (verdict.is === 'not-found') return itemNotFound(queue, itemId, `move to ${move.to}`)
  if (verdict.is !== 'refused') return undefined
  const { at, attemptKey } = verdict.place
  const asked = [
    ...(move.attempt === undefined ? [] : [`attempt ${move.attempt}`]),
    ...(move.uid === undefined ? [] : [`uid ${move.uid.slice(0, 60)}`]),
  ]
  return new SluiceError(
    'SLUICE_STAGE_CONFLICT',
    `Cannot move item ${JSON.stringify(itemId)} to ${move.to}${asked.length > 0 ? ` for ${asked.join(', ')}` : ''}: it is in ` +
      `${at} at attempt ${at === 'WAITING' ? attemptKey.attempt - 1 : attemptKey.attempt}, uid ${attemptKey.uid}. Look it up before moving it again`,
    { itemId },
  )
}

/** SLUICE_ITEM_NOT_FOUND. */
export function itemNotFound(queue: string, id: string, attempted: string): SluiceError {
  return new SluiceError(
    'SLUICE_ITEM_NOT_FOUND',
    `Cannot ${attempted} item ${JSON.stringify(id)}: queue ${JSON.stringify(queue)} has none of this id`,
    { itemId: id },
  )
}

/** SLUICE_LEASE_LOST. */
export function leaseLost(queue: string, { name, holder, fencingToken }: Lease): SluiceError {
  return new SluiceError(
    'SLUICE_LEASE_LOST',
    `Queue ${JSON.stringify(queue)}: lease ${JSON.stringify(name)} is no longer held by ${JSON.stringify(holder)} (token ${fencingToken}). ` +
      'What was claimed under it is given back, uncounted. Take the lease again, and read again what was read under it',
  )
}

/** Indexes in rounds, such that no round has an id twice and the moves of each id keep their order. */
function roundsOf(ids: readonly string[]): number[][] {
  const rounds: number[][] = []
  const counts = new Map<string, number>()
  for (const [index, id] of ids.entries()) {
    const count = counts.get(id) ?? 0
    counts.set(id, count + 1)
    const round = (rounds[count] ??= [])
    round.push(index)
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
