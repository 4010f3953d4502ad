import type { ItemSummary } from '@sluice/core'
import type { Holdup } from '../holdups/holdup.js'

/** What a selection is told at the start of a pass. */
export interface SelectionSnapshot {
  /** Every item in PROCESSING: each has a job, or may get one at any moment. */
  readonly running: readonly ItemSummary[]
  /** The queue's live limits, as operators set them last. */
  readonly limits: Readonly<Record<string, number>>
  /** The wall clock of this machine, epoch ms. */
  readonly nowAt: number
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
  /** The item waits, and no other part of the policy holds it: others may start before it. */
  noteWait(item: ItemSummary): void
  /** What held items in this pass; `undefined`: none were. */
  holdup(): SelectionHoldup | undefined
}

export type SelectionHoldup = Omit<Holdup, 'sinceAt'>

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
 */
export function choose(
  candidates: Iterable<ItemSummary>,
  { pass, room }: { readonly pass: SelectionPass; readonly room: number },
): Choice {
  const [starts, misfits]: [ItemSummary[], Misfit[]] = [[], []]
  for (const item of candidates) {
    if (starts.length >= room) break
    const verdict = pass.judge(item)
    if (typeof verdict === 'object') misfits.push({ item, reason: verdict.never })
    else if (verdict === 'wait') pass.noteWait(item)
    else {
      starts.push(item)
      pass.noteStart(item)
    }
  }
  return { starts, misfits }
}

/** Every item may start. */
export const anyItem: ItemSelection = {
  begin: () => ({ judge: () => 'start', noteStart: ignore, noteWait: ignore, holdup: () => undefined }),
}

function ignore(): void {
  // Nothing is counted.
}

/** An item starts if each of the selections agrees; `undefined` without any. */
export function joined(selections: readonly ItemSelection[]): ItemSelection | undefined {
  if (selections.length < 2) return selections[0]
  return { begin: (snapshot) => new JoinedPass(selections.map((selection) => selection.begin(snapshot))) }
}

class JoinedPass implements SelectionPass {
  readonly #passes: readonly SelectionPass[]

  constructor(passes: readonly SelectionPass[]) {
    this.#passes = passes
  }

  judge(item: ItemSummary): Verdict {
    let joint: Verdict = 'start'
    for (const pass of this.#passes) {
      const verdict = pass.judge(item)
      if (typeof verdict === 'object') return verdict
      if (verdict === 'wait') joint = 'wait'
    }
    return joint
  }

  noteStart(item: ItemSummary): void {
    for (const pass of this.#passes) pass.noteStart(item)
  }

  /** An item that two parts hold is not passed for the sake of one of them. */
  noteWait(item: ItemSummary): void {
    const [holding, another] = this.#passes.filter((pass) => pass.judge(item) === 'wait')
    if (another === undefined) holding?.noteWait(item)
  }

  holdup(): SelectionHoldup | undefined {
    return this.#passes.map((pass) => pass.holdup()).find((one) => one !== undefined)
  }
}
