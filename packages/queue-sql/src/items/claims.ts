import { ENOUGH_CLAIM_BYTES } from '../postgres/claim-sizes.js'
import type { Claimed, ClaimedRow, ClaimScope, Moves, RankRow } from './moves.js'

/** The statements of a claim. */
export interface ClaimSteps extends Pick<Moves, 'ranks'> {
  /** @returns `undefined`: the lease of the claim is lost, and nothing is claimed */
  claim(scope: ClaimScope, max: number): Promise<Claimed | undefined>
}

/** A claim visits this many ranks one by one. */
const MAX_RANKS = 64

/**
 * Claims in the order of `get`: by priority, then `available_at`, then first put. One rank at a time, so that
 * it does not walk over delayed items: in each rank the due items come first.
 *
 * Each step is a transaction. If the process is killed between two steps, the items claimed so far are in
 * PROCESSING at an attempt that `list` shows [Q-GET-4]; if a later step fails or finds the lease lost, they
 * are returned. A step that was cut is the last.
 *
 * @returns `undefined`: the lease is lost, and nothing is claimed
 */
export async function claimInOrder(steps: ClaimSteps, max: number): Promise<Claimed | undefined> {
  const top = await steps.claim({ kind: 'top' }, max)
  if (top === undefined) return undefined
  const rows: ClaimedRow[] = [...top.rows]
  let { isCut } = top
  let bytes = bytesOf(top)
  const isDone = (): boolean => {
    // Many ranks of a few large items each: the next claim goes on.
    isCut ||= rows.length < max && bytes >= ENOUGH_CLAIM_BYTES
    return isCut || rows.length >= max
  }
  if (isDone()) return { rows, isCut }
  try {
    for (const scope of scopesOf(await steps.ranks(MAX_RANKS))) {
      const claimed = await steps.claim(scope, max - rows.length)
      if (claimed === undefined) return rows.length === 0 ? undefined : { rows, isCut: false }
      rows.push(...claimed.rows)
      isCut = claimed.isCut
      bytes += bytesOf(claimed)
      if (isDone()) break
    }
  } catch (error) {
    // No other call returns the claimed items at this attempt; if the failure lasts, the next claim meets it.
    if (rows.length === 0) throw error
  }
  return { rows, isCut }
}

/** Characters rather than bytes: an estimate is enough. */
export function bytesOf({ rows }: Pick<Claimed, 'rows'>): number {
  return rows.reduce((sum, { body }) => sum + body.length, 0)
}

function scopesOf(ranks: readonly RankRow[]): ClaimScope[] {
  const scopes: ClaimScope[] = ranks.filter(({ due }) => due).map(({ rank }) => ({ kind: 'at', rank }))
  const last = ranks.at(-1)
  if (ranks.length === MAX_RANKS && last !== undefined) scopes.push({ kind: 'after', rank: last.rank })
  return scopes
}

/**
 * The order of `get`: by priority, then `available_at`, then first put [Q-GET-1]. Sorted here because the
 * server would copy each body to sort it, and over all statements of one call because a later one may find an
 * item that precedes those of an earlier one: a higher priority put in between, or an item whose put took
 * long to commit.
 */
export function inOrder(rows: readonly ClaimedRow[]): ClaimedRow[] {
  return rows.toSorted(
    (a, b) =>
      (b.priority ?? 0) - (a.priority ?? 0) ||
      (a.available_at ?? a.put_at) - (b.available_at ?? b.put_at) ||
      a.seq - b.seq,
  )
}
