import { Layout } from '../../src/format/layout.js'
import { claimAttempt, type ClaimResult } from '../../src/protocol/claim-attempt.js'
import { claimNamed } from '../../src/protocol/claim-named.js'
import { findItem, findPlace } from '../../src/protocol/find-item.js'
import { removeAttempt } from '../../src/protocol/leave-stage.js'
import { repairClaim, repairLeft } from '../../src/protocol/repair-attempt.js'
import { removeItem, requeueItem, settleItem } from '../../src/protocol/move-item.js'
import { purgeChange, purgeTombstone, type ListedTombstone } from '../../src/protocol/purge.js'
import { finishPut, putItem } from '../../src/protocol/put-item.js'
import { updateItem } from '../../src/protocol/updating/update-item.js'
import { entryText } from '../../src/format/object-texts.js'
import { tagFor, taggedAdditions, type Selection } from '../../src/format/selection.js'
import { parseAttemptKey, stepOf, attemptKeyText, type AttemptKey } from '../../src/format/attempt-key.js'
import { drop, head, type Protocol } from '../../src/store/storage-op.js'
import type { Program } from './actor-node.js'
import type { World, Scenario } from './explore.js'
import {
  indexesIn,
  itemJudge,
  namesIn,
  namesKept,
  type ClaimOutcome,
  type SettleOutcome,
} from './item-judge.js'
import { givenBy, tokenOf, valueOf, type UpdateOutcome, type ValueFound } from './update-judge.js'
import { refusingNames } from './model-store.js'

/** One queue, of one item whose key is `a`. Every attempt is noted. */
export const layout = new Layout('', 'q', 1)

/** Changes a protocol into one that is known to be wrong. */
export type Mutation = <T>(protocol: Protocol<T>, role: string) => Protocol<T>

export type Role =
  | 'put'
  | 'put again'
  /** Into SUCCESS. */
  | 'put done'
  | 'claim'
  /** By its id, wherever it stands, with what it may have been shown. */
  | 'claim named'
  | 'adopt'
  | 'requeue'
  | 'remove'
  | 'update'
  | 'lookup'
  /** The whole record. */
  | 'read'
  | 'repair'
  /**
   * The parts of a sweep: removal by age, the end of puts that were cut off, deletion of what is left under
   * WAITING, purge of tombstones.
   */
  | 'expire'
  | 'finish'
  | 'tidy'
  | 'purge'
  | 'purge changes'

export interface Bounds {
  readonly roles: readonly Role[]
  readonly delays?: number
  readonly crashes?: number
  /** How a claimer may end the attempt; `keep` leaves it running. */
  readonly ends?: readonly End[]
  /** How many attempts there may be. */
  readonly attempts?: number
  readonly mutation?: Mutation
  /** The store takes no first name under a stage. */
  readonly refusing?: boolean
  /** The next attempt has the same name in every process. */
  readonly keepPlace?: boolean
  /**
   * What an update gives: a body alone, one that its decision has no room for, or a priority or resources
   * too.
   */
  readonly gives?: Gives
  /** The next attempt's name, wrong on purpose. */
  readonly reuseNames?: boolean
  /** Tombstones are purged as soon as the item is removed, wrong on purpose. */
  readonly hastyPurge?: boolean
}

export type Gives = 'body' | 'long body' | 'body and priority' | 'body and resources'

export type End = 'SUCCESS' | 'FAIL' | 'WAITING' | 'keep'

/**
 * Actors in slots, each of which starts once, at any time, with what any listing, however old, may have shown
 * it.
 */
export function scenario(bounds: Bounds): Scenario {
  const { roles, delays = 0, crashes = 0, refusing = false } = bounds
  const slots = roles.map((role, slot) => (world: World) => programsOf(role, slot, { world, bounds }))
  return {
    slots,
    delays,
    crashes,
    judge: itemJudge(layout, { keepNames: roles.includes('purge'), refusing }),
  }
}

interface Context {
  readonly world: World
  readonly bounds: Bounds
}

function programsOf(role: Role, slot: number, { world, bounds }: Context): readonly Program[] {
  const token = `t${slot}`
  const made = (name: string, kind: string, make: () => Protocol<unknown>): Program => {
    const { mutation, refusing = false } = bounds
    const onStore = refusing ? () => refusingNames(make()) : make
    return { key: `${slot} ${name}`, role: kind, make: mutation ? () => mutation(onStore(), kind) : onStore }
  }
  // A layout of its own: what it learns of the store must not reach the others.
  const producer = (attempt: number) =>
    made(role, 'producer', () =>
      putItem(new Layout('', 'q', 1), 'a', (generation) => entryOf(slot, { generation, attempt })),
    )
  const programs: Record<Role, () => readonly Program[]> = {
    put: () => [producer(1)],
    'put again': () => programs.put(),
    'put done': () => [producer(0)],
    claim: () =>
      everNames(world, 'WAITING', bounds).flatMap((name) =>
        (bounds.ends ?? ['SUCCESS']).map((end) =>
          made(`claims ${name} for ${end}`, 'claimer', () => claimAndEnd(name, end, { slot, bounds })),
        ),
      ),
    'claim named': () =>
      [undefined, ...everNames(world, 'WAITING', bounds).filter(isOfFirstPut)].flatMap((name) =>
        (bounds.ends ?? ['SUCCESS']).map((end) =>
          made(`claims a, seen as ${name ?? 'nothing'}, for ${end}`, 'claimer', () =>
            claimNamedAndEnd(name, end, { slot, bounds }),
          ),
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
        requeueItem(layout, 'a', (attemptKey) => ({ token, next: nextOf(attemptKey, slot, bounds).name })),
      ),
    ],
    remove: () => [
      made('removes', 'remover', () =>
        removeItem(layout, 'a', { stages: ['WAITING', 'SUCCESS', 'FAIL'], token }),
      ),
    ],
    update: () => [made('updates', 'updater', () => update(slot, bounds))],
    lookup: () => [made('looks up', 'reader', lookUp)],
    read: () => [made('reads', 'reader', readUp)],
    'purge changes': () =>
      changesIn(world).map((key) => made(`purges ${key}`, 'purger', () => purgeChange(layout, key))),
    repair: () => [
      ...everNames(world, 'PROCESSING', bounds).map((name) =>
        made(`repairs ${name}`, 'repairer', () => repairClaim(layout, name)),
      ),
      ...everNames(world, 'LEFT', bounds).map((name) =>
        made(`repairs left ${name}`, 'repairer', () => repairLeft(layout, name)),
      ),
    ],
    expire: () =>
      everFinished(world).map((place) =>
        made(`expires ${place.name}`, 'remover', () => removeAttempt(layout, place, token)),
      ),
    finish: () =>
      indexesIn(layout, world.objects).map((index) =>
        made(`finishes ${index}`, 'finisher', () => finishPut(layout, index)),
      ),
    tidy: () =>
      everNames(world, 'WAITING', bounds).map((name) => made(`tidies ${name}`, 'tidier', () => tidy(name))),
    purge: () => {
      const tombstones = tombstonesIn(world)
      const names = tombstones.map(({ folder, name }) => `${folder}/${name}`).join(' ')
      const mayStart = tombstones.length > 0 && (bounds.hastyPurge === true || isQuiet(world))
      return mayStart ? [made(`purges ${names}`, 'purger', () => purge(tombstones))] : []
    },
  }
  return programs[role]()
}

/** As `sweep` decides, whose listings show no more than these two reads. */
function* tidy(name: string): Protocol<void> {
  const claim = yield* head(layout.at('PROCESSING', name))
  const isClaimed = claim !== undefined && claim.sizeBytes > 0
  if (isClaimed || (yield* head(layout.at('SUCCESS', name))) !== undefined)
    yield* drop(layout.at('WAITING', name))
}

function* purge(tombstones: readonly ListedTombstone[]): Protocol<void> {
  for (const tombstone of tombstones) yield* purgeTombstone(layout, tombstone, () => true)
}

/**
 * The model has no clock. Of a purged tombstone this much is certain: since the index object was emptied,
 * each call that was under way then has come to its end, and each request has landed. What begins while
 * tombstones are being purged may have any old listing.
 */
function isQuiet({ actors, late }: World): boolean {
  return late.length === 0 && actors.every((actor) => typeof actor !== 'object' || actor.op === undefined)
}

function tombstonesIn({ objects }: World): ListedTombstone[] {
  return (['SUCCESS', 'FAIL', 'LEFT'] as const).flatMap((folder) =>
    placesIn(objects, folder)
      .filter(({ name }) => folder === 'LEFT' || objects.get(layout.at(folder, name))?.sizeBytes === 0)
      .map((place) => ({ folder, ...place })),
  )
}

/** Where a listing may have shown a finished item: what has been requeued since, too. */
function everFinished({ objects }: World) {
  const listed = (['SUCCESS', 'FAIL'] as const).flatMap((at) =>
    placesIn(objects, at)
      .filter(({ name }) => (objects.get(layout.at(at, name))?.sizeBytes ?? 0) > 0)
      .map((place) => ({ at, ...place })),
  )
  const left = placesIn(objects, 'LEFT').map((place) => ({
    at: place.attemptKey.attempt === 0 ? ('SUCCESS' as const) : ('FAIL' as const),
    ...place,
  }))
  return [...listed, ...left]
}

function placesIn(objects: World['objects'], folder: 'SUCCESS' | 'FAIL' | 'LEFT') {
  return namesIn(layout, objects, folder).flatMap((name) => {
    const attemptKey = parseAttemptKey(name)
    return attemptKey === undefined ? [] : [{ name, attemptKey }]
  })
}

function* lookUp(): Protocol<{ found: string }> {
  return { found: (yield* findPlace(layout, 'a'))?.at ?? 'none' }
}

/** The record's stage and what updates change of it. */
function* readUp(): Protocol<ValueFound> {
  const found = yield* findItem(layout, 'a')
  return found === undefined ? { found: 'none' } : { found: found.place.at, value: valueOf(found) }
}

function* update(slot: number, { gives = 'body' }: Bounds): Protocol<UpdateOutcome> {
  const { bodyText, priority, selection } = givenBy(slot, gives)
  // Its own layout, as of a producer.
  const updated = yield* updateItem(new Layout('', 'q', 1), 'a', {
    bodyText,
    ...(selection === undefined ? {} : { selection }),
    nextOf: (attemptKey, chosen?: Selection) => {
      const next = {
        ...attemptKey,
        ...(chosen === undefined ? {} : { additions: taggedAdditions('', tagFor(chosen)) ?? '' }),
        updates: attemptKey.updates + 1,
        ...(priority === undefined ? {} : { priority }),
      }
      return { name: attemptKeyText(next), token: tokenOf(slot, stepOf(attemptKey)) }
    },
  })
  return { slot, updated }
}

function changesIn({ objects }: World): string[] {
  return [...objects.keys()].filter((key) => key.startsWith(layout.folder('CHANGES'))).toSorted()
}

function* claimAndEnd(
  name: string,
  end: End,
  context: { slot: number; bounds: Bounds },
): Protocol<ClaimOutcome> {
  const attemptKey = parseAttemptKey(name)
  if (attemptKey === undefined) throw new Error(`no name: ${name}`)
  const claim: ClaimResult = yield* claimAttempt(
    layout,
    { name, attemptKey },
    { token: `t${context.slot}`, at: 1 },
  )
  return yield* endClaimed(claim, end, context)
}

/** The item of the first slot, and no other one of that id. */
function* claimNamedAndEnd(
  name: string | undefined,
  end: End,
  context: { slot: number; bounds: Bounds },
): Protocol<ClaimOutcome> {
  const attemptKey = name === undefined ? undefined : parseAttemptKey(name)
  const seen = name === undefined || attemptKey === undefined ? {} : { seen: { name, attemptKey } }
  const wanted = { token: `t${context.slot}`, at: 1 }
  const claim: ClaimResult = yield* claimNamed(layout, { key: 'a', uid: FIRST_UID, ...seen }, wanted)
  return yield* endClaimed(claim, end, context)
}

const FIRST_UID = 'u0'

function isOfFirstPut(name: string): boolean {
  return parseAttemptKey(name)?.uid === FIRST_UID
}

function* endClaimed(
  claim: ClaimResult,
  end: End,
  context: { slot: number; bounds: Bounds },
): Protocol<ClaimOutcome> {
  if (claim.is !== 'claimed') return { claim }
  // An update that it followed has given the item another name.
  const given = claim.running.name
  const value = valueOf({ ...claim, state: claim.running.state, place: claim.running })
  if (end === 'keep') return { claim, value }
  const { verdict } = yield* settle(given, end, { ...context, claim })
  return { claim, value, settled: { name: given, to: end, verdict } }
}

function* settle(
  name: string,
  to: 'SUCCESS' | 'FAIL' | 'WAITING',
  { slot, bounds, claim }: { slot: number; bounds: Bounds; claim?: ClaimResult },
): Protocol<SettleOutcome> {
  const attemptKey = parseAttemptKey(name)
  if (attemptKey === undefined) throw new Error(`no name: ${name}`)
  const wanted = {
    end: { to, at: 2 },
    token: `e${slot}`,
    uid: attemptKey.uid,
    attempt: attemptKey.attempt,
    nextOf: (before: AttemptKey) => nextOf(before, slot, bounds),
  }
  const running = claim?.is === 'claimed' ? { name, attemptKey, running: claim.running } : undefined
  const verdict = yield* settleItem(layout, 'a', wanted, running)
  return { name, to, verdict }
}

/**
 * Names that a listing may have shown at any time: those there are, and those whose later traces are. What
 * was put into SUCCESS was nowhere before.
 */
function everNames(
  world: World,
  folder: 'WAITING' | 'PROCESSING' | 'LEFT',
  { attempts = 2 }: Bounds,
): string[] {
  const names = new Set(namesIn(layout, world.objects, folder))
  for (const later of folder === 'WAITING' ? (['PROCESSING', 'SUCCESS'] as const) : (['SUCCESS'] as const)) {
    if (folder !== 'LEFT') for (const name of namesIn(layout, world.objects, later)) names.add(name)
  }
  if (folder === 'WAITING') for (const name of namesKept(world)) names.add(name)
  const isListed = (name: string) => {
    const { attempt = 0 } = parseAttemptKey(name) ?? {}
    return attempt <= attempts && (attempt > 0 || folder === 'LEFT')
  }
  return [...names].filter(isListed).toSorted()
}

/** @param attempt at attempt 0 it is put into SUCCESS */
function entryOf(slot: number, { generation, attempt }: Pick<AttemptKey, 'generation' | 'attempt'>) {
  const attemptKey = {
    ...common,
    uid: `u${slot}`,
    generation,
    turn: slot,
    attempt,
    updates: 0,
    uncounted: 0,
    hasRetryState: false,
    additions: '',
  }
  const first = attemptKeyText(attemptKey)
  const entry = { id: 'a', uid: attemptKey.uid, first, priority: 0, putAt: 1 }
  return { ...entry, text: entryText(entry, '1') }
}

function nextOf(attemptKey: AttemptKey, slot: number, { reuseNames = false, keepPlace = false }: Bounds) {
  if (reuseNames) return { name: attemptKeyText(attemptKey), notBeforeAt: attemptKey.availableAt }
  const next = { ...attemptKey, attempt: attemptKey.attempt + 1 }
  if (keepPlace) return { name: attemptKeyText(next) }
  return { name: attemptKeyText({ ...next, turn: slot }), notBeforeAt: attemptKey.availableAt }
}

const common = { shard: '00', priority: 0, availableAt: 1, delayed: false, key: 'a' }
