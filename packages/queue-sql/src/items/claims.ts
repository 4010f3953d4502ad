import { ENOUGH_CLAIM_BYTES } from '../postgres/claim-sizes.js'
import type { Claimed, ClaimedRow, ClaimScope, Moves, RankRow } from './moves.js'

/** What a claim is made of; `claim` rejects when its lease is lost. */
export interface ClaimSteps extends Pick<Moves, 'ranks'> {
  claim(scope: ClaimScope, max: number): Promise<Claimed>
}

/** More ranks than this are no longer looked at one by one. */
const MAX_RANKS = 64

/**
 * Claims in the order of `get`: by priority, then since when available, then first put. One rank after another, so that items which
 * must wait are not walked over: in each rank those that are due come first.
 *
 * Each step is a transaction of its own. Killed between two, what was claimed so far is PROCESSING at an attempt that `list` shows
 * [Q-GET-4]; if a later step fails, what is claimed is given out all the same. A step that was cut is the last.
 */
export async function claimInOrder(steps: ClaimSteps, max: number): Promise<Claimed> {
  const rows: ClaimedRow[] = []
  let isCut = false
  let bytes = 0
  const take = async (scope: ClaimScope): Promise<void> => {
    if (rows.length >= max || isCut) return
    const claimed = await steps.claim(scope, max - rows.length)
    rows.push(...claimed.rows)
    isCut = claimed.isCut
    if (isCut || rows.length >= max) return
    bytes += claimed.rows.reduce((sum, { body }) => sum + body.length, 0)
    // Many ranks of a few large items each: the next claim goes on with them.
    isCut = bytes >= ENOUGH_CLAIM_BYTES
  }
  await take({ kind: 'top' })
  if (rows.length === max || isCut) return { rows, isCut }
  try {
    const ranks = await steps.ranks(MAX_RANKS)
    for (const scope of scopesOf(ranks)) await take(scope)
  } catch (error) {
    // What is claimed is given out, or nobody would get it at this attempt; a failure that lasts is met by the next claim.
    if (rows.length === 0) throw error
  }
  return { rows, isCut }
}

function scopesOf(ranks: readonly RankRow[]): ClaimScope[] {
  const scopes: ClaimScope[] = ranks.filter(({ due }) => due).map(({ rank }) => ({ kind: 'at', rank }))
  const last = ranks.at(-1)
  if (ranks.length === MAX_RANKS && last !== undefined) scopes.push({ kind: 'after', rank: last.rank })
  return scopes
}

/**
 * The order of `get`: by priority, then since when available, then first put [Q-GET-1]. Sorted here, and not by the server, which would copy each body to
 * sort it; and over all statements of one call, since what a later one finds may come before what an earlier one found: a higher priority that was put in between,
 * or an item whose put took long to commit.
 */
export function inOrder(rows: readonly ClaimedRow[]): ClaimedRow[] {
  return rows.toSorted(
    (a, b) =>
      (b.priority ?? 0) - (a.priority ?? 0) ||
      (a.available_at ?? a.put_at) - (b.available_at ?? b.put_at) ||
      a.seq - b.seq,
  )
}
