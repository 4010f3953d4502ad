import type { ItemSummary } from '@sluice/core'
import type { Holdup } from '../holdups/holdup.js'

/** What a selection is told at the start of a pass. */
export interface SelectionSnapshot {
  /** Every item in PROCESSING: each has a job, or may get one at any moment. */
  readonly running: readonly ItemSummary[]
  /** The queue's live limits, as operators set them last. */
  readonly limits: Readonly<Record<string, number>>
}

/** `start`: it fits beside what runs · `wait`: not now · `never`: not even alone, for the reason given. */
export type Verdict = 'start' | 'wait' | { readonly never: string }

/**
 * Which of the waiting items may start: the part of a dispatch policy that looks at the items themselves. One
 * object serves one engine, and may remember what it has seen; after a restart it starts again without.
 */
export interface ItemSelection {
  /** Begins a pass. It counts what runs, and then what the pass starts. */
  begin(snapshot: SelectionSnapshot): SelectionPass
}

/** The judgement of waiting items one by one, in the order in which `get` would give them out. */
export interface SelectionPass {
  /** Without effect: another part of the policy may hold the item all the same. */
  judge(item: ItemSummary): Verdict
  /** The item starts: from now on it counts as running. */
  noteStart(item: ItemSummary): void
  /** The item waits, and this is the only part of the policy that holds it: others may start before it. */
  noteWait(item: ItemSummary): void
  /** What held items in this pass; `undefined`: none were. */
  holdup(): Omit<Holdup, 'sinceAt'> | undefined
}

/** An item that can never start, and why. */
export interface Misfit {
  readonly item: ItemSummary
  readonly reason: string
}

/** What {@link choose} has found. */
export interface Choice {
  /** In the order of the candidates. */
  readonly starts: readonly ItemSummary[]
  readonly misfits: readonly Misfit[]
}

/**
 * The first `room` of the candidates that fit beside what runs and beside each other, skipping those that do
 * not.
 *
 * @param candidates in the order of `get`
 * @param passes of all selections of the policy: an item starts if each of them agrees
 */
export function choose(
  candidates: Iterable<ItemSummary>,
  { passes, room }: { readonly passes: readonly SelectionPass[]; readonly room: number },
): Choice {
  const [starts, misfits]: [ItemSummary[], Misfit[]] = [[], []]
  for (const item of candidates) {
    if (starts.length >= room) break
    const verdicts = passes.map((pass) => ({ pass, verdict: pass.judge(item) }))
    const never = verdicts.map(({ verdict }) => verdict).find((verdict) => typeof verdict === 'object')
    const holding = verdicts.filter(({ verdict }) => verdict === 'wait')
    if (never !== undefined) misfits.push({ item, reason: never.never })
    else if (holding.length === 0) {
      starts.push(item)
      for (const pass of passes) pass.noteStart(item)
    } else if (holding.length === 1) holding[0]?.pass.noteWait(item)
  }
  return { starts, misfits }
}
