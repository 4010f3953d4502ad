import { Layout } from '../../src/layout.js'
import { claimStint, type ClaimResult } from '../../src/protocol/claim-stint.js'
import { findPlace } from '../../src/protocol/find-item.js'
import { mendClaim, mendLeft } from '../../src/protocol/mend-stint.js'
import { removeItem, requeueItem, settleItem } from '../../src/protocol/move-item.js'
import { putItem } from '../../src/protocol/put-item.js'
import { entryText } from '../../src/object-texts.js'
import { parseStint, stintName, type Stint } from '../../src/stint-name.js'
import type { Protocol } from '../../src/storage-op.js'
import type { Program } from './actor-node.js'
import type { World } from './explore.js'
import { itemJudge, namesIn, type ClaimOutcome, type SettleOutcome } from './item-judge.js'
import type { Scenario } from './explore.js'

/** One queue, of one item whose key is `a`. */
export const layout = new Layout('', 'q')

/** Changes a protocol into one that is known to be wrong. */
export type Mutation = <T>(protocol: Protocol<T>, role: string) => Protocol<T>

export type Role = 'put' | 'put again' | 'claim' | 'adopt' | 'requeue' | 'remove' | 'look' | 'mend'

export interface Bounds {
  readonly roles: readonly Role[]
  readonly delays?: number
  readonly crashes?: number
  /** How a claimer may end the attempt; `keep` leaves it running. */
  readonly ends?: readonly End[]
  /** How many stints there may be. */
  readonly stints?: number
  readonly mutation?: Mutation
  /** The next stint's name, wrong on purpose. */
  readonly reuseNames?: boolean
}

export type End = 'SUCCESS' | 'FAIL' | 'WAITING' | 'keep'

/** Actors in slots, each of which starts once, at any time, with what any listing, however old, may have shown it. */
export function scenario(bounds: Bounds): Scenario {
  const { roles, delays = 0, crashes = 0 } = bounds
  const slots = roles.map((role, slot) => (world: World) => programsOf(role, slot, { world, bounds }))
  return { slots, delays, crashes, judge: itemJudge(layout) }
}

interface Context {
  readonly world: World
  readonly bounds: Bounds
}

function programsOf(role: Role, slot: number, { world, bounds }: Context): readonly Program[] {
  const token = `t${slot}`
  const made = (name: string, kind: string, make: () => Protocol<unknown>): Program => {
    const mutated = bounds.mutation
    return { key: `${slot} ${name}`, role: kind, make: mutated ? () => mutated(make(), kind) : make }
  }
  const programs: Record<Role, () => readonly Program[]> = {
    put: () => [
      made(role, 'producer', () => putItem(layout, 'a', (generation) => entryOf(slot, generation))),
    ],
    'put again': () => programs.put(),
    claim: () =>
      everNames(world, 'WAITING', bounds).flatMap((name) =>
        (bounds.ends ?? ['SUCCESS']).map((end) =>
          made(`claims ${name} for ${end}`, 'claimer', () => claimAndEnd(name, end, { slot, bounds })),
        ),
      ),
    adopt: () =>
      everNames(world, 'PROCESSING', bounds).flatMap((name) =>
        (['FAIL', 'WAITING'] as const).map((to) =>
          made(`adopts ${name} for ${to}`, 'settler', () => settle(name, to, { slot, bounds })),
        ),
      ),
    requeue: () => [
      made('requeues', 'requeuer', () =>
        requeueItem(layout, 'a', (stint) => ({ token, next: nextOf(stint, slot, bounds).name })),
      ),
    ],
    remove: () => [
      made('removes', 'remover', () =>
        removeItem(layout, 'a', { stages: ['WAITING', 'SUCCESS', 'FAIL'], token }),
      ),
    ],
    look: () => [made('looks', 'looker', lookUp)],
    mend: () => [
      ...everNames(world, 'PROCESSING', bounds).map((name) =>
        made(`mends ${name}`, 'mender', () => mendClaim(layout, name)),
      ),
      ...everNames(world, 'LEFT', bounds).map((name) =>
        made(`mends left ${name}`, 'mender', () => mendLeft(layout, name)),
      ),
    ],
  }
  return programs[role]()
}

function* lookUp(): Protocol<{ found: string }> {
  return { found: (yield* findPlace(layout, 'a'))?.at ?? 'none' }
}

function* claimAndEnd(
  name: string,
  end: End,
  context: { slot: number; bounds: Bounds },
): Protocol<ClaimOutcome> {
  const stint = parseStint(name)
  if (stint === undefined) throw new Error(`no name: ${name}`)
  const claim: ClaimResult = yield* claimStint(layout, { name, stint }, { token: `t${context.slot}`, at: 1 })
  if (claim.is !== 'claimed' || end === 'keep') return { claim }
  const { verdict } = yield* settle(name, end, { ...context, claim })
  return { claim, settled: { name, to: end, verdict } }
}

function* settle(
  name: string,
  to: 'SUCCESS' | 'FAIL' | 'WAITING',
  { slot, bounds, claim }: { slot: number; bounds: Bounds; claim?: ClaimResult },
): Protocol<SettleOutcome> {
  const stint = parseStint(name)
  if (stint === undefined) throw new Error(`no name: ${name}`)
  const wanted = {
    to,
    at: 2,
    token: `e${slot}`,
    uid: stint.uid,
    attempt: stint.attempt,
    nextOf: (before: Stint) => nextOf(before, slot, bounds),
  }
  const running = claim?.is === 'claimed' ? { name, stint, running: claim.running } : undefined
  const verdict = yield* settleItem(layout, 'a', wanted, running)
  return { name, to, verdict }
}

/** Names that a listing may have shown at any time: those there are, and those whose later traces are. */
function everNames(
  world: World,
  folder: 'WAITING' | 'PROCESSING' | 'LEFT',
  { stints = 2 }: Bounds,
): string[] {
  const names = new Set(namesIn(layout, world.objects, folder))
  for (const later of folder === 'WAITING' ? (['PROCESSING', 'SUCCESS'] as const) : (['SUCCESS'] as const)) {
    if (folder !== 'LEFT') for (const name of namesIn(layout, world.objects, later)) names.add(name)
  }
  return [...names].filter((name) => (parseStint(name)?.attempt ?? 0) <= stints).toSorted()
}

function entryOf(slot: number, generation: number) {
  const stint = { ...common, uid: `u${slot}`, generation, turn: slot, attempt: 1, refunds: 0 }
  const first = stintName(stint)
  const entry = { id: 'a', uid: stint.uid, first, priority: 0, putAt: 1 }
  return { ...entry, text: entryText(entry, '1') }
}

function nextOf(stint: Stint, slot: number, { reuseNames = false }: Bounds) {
  if (reuseNames) return { name: stintName(stint), availableAt: stint.availableAt }
  return {
    name: stintName({ ...stint, turn: slot, attempt: stint.attempt + 1 }),
    availableAt: stint.availableAt,
  }
}

const common = { lane: '00', priority: 0, availableAt: 1, delayed: false, key: 'a' }
