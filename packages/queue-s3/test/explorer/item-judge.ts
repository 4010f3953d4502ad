import type { Layout } from '../../src/format/layout.js'
import type { ClaimResult } from '../../src/protocol/claim-attempt.js'
import { findPlace } from '../../src/protocol/find-item.js'
import { finishFinalRemoval } from '../../src/protocol/finish-leave.js'
import { repairClaim, repairLeft } from '../../src/protocol/repair-attempt.js'
import type { SettleVerdict } from '../../src/protocol/move-item.js'
import { purgeChange } from '../../src/protocol/purge.js'
import { finishPut } from '../../src/protocol/put-item.js'
import { trace } from '../../src/protocol/trace.js'
import { parseEntry } from '../../src/format/object-texts.js'
import { parseAttemptKey } from '../../src/format/attempt-key.js'
import type { Judge, Step, World } from './explore.js'
import {
  judgeEnd,
  judgeUpdates,
  noteValues,
  type UpdateMemory,
  type UpdateOutcome,
  type ValueFound,
} from './update-judge.js'
import { applied, atOnce, refusingNames, type Objects } from './model-store.js'

/** What the judge remembers from step to step. */
interface Memory extends UpdateMemory {
  /** Attempts that were claimed. */
  given?: string[]
  /**
   * `slot name` of claims that were made after the end of their attempt: a slot may go on to the attempt that
   * an update made.
   */
  late?: string[]
  /** Acknowledged ends: attempt → target. */
  acknowledged?: Record<string, string>
  /** Puts that were acknowledged, and removals that took effect. */
  puts?: number
  gone?: number
  /** Stages that each lookup has seen since it started. */
  seen?: Record<number, string[]>
  /** Names that were ever under WAITING, where traces of them may be purged. */
  names?: string[]
}

export interface JudgeOptions {
  /** For listings from before a purge. */
  readonly keepNames: boolean
  /** The store takes no first name under a stage: each put is taken back, by its maker or by another. */
  readonly refusing: boolean
}

/** The invariants of one id, whose key is `a`. */
export function itemJudge(layout: Layout, options: JudgeOptions): Judge {
  return {
    step: (step) => judged(layout, step, options),
    end: (world) => (options.refusing ? takenBack(layout, world) : converged(layout, world)),
  }
}

/** Where the item is at this instant, by decisions alone: `stage@attempt`. */
export function stageNow(layout: Layout, objects: Objects): string {
  return oncePer(stages, objects, () => stageIn(layout, objects))
}

const stages = new WeakMap<Objects, string>()

/** A store is read from many steps, and never changes. */
function oncePer<T>(known: WeakMap<Objects, T>, objects: Objects, compute: () => T): T {
  const found = known.get(objects) ?? compute()
  known.set(objects, found)
  return found
}

function stageIn(layout: Layout, objects: Objects): string {
  for (let generation = 1; ; generation++) {
    const index = objects.get(layout.index({ key: 'a', generation }))
    if (index === undefined) return 'none'
    const entry = parseEntry(index.content)
    if (entry === undefined) continue
    const { value } = atOnce(objects, trace(layout, entry.first))
    if (value !== undefined && value.at !== 'GONE')
      return `${value.at} ${value.attemptKey.attempt} ${entry.uid}`
  }
}

/** The names that a listing from before a purge may have shown under WAITING. */
export function namesKept({ memory }: Pick<World, 'memory'>): readonly string[] {
  const { names = [] }: Memory = JSON.parse(memory)
  return names
}

function judged(
  layout: Layout,
  { before, after, slot, op }: Step,
  { keepNames, refusing }: JudgeOptions,
): { memory: string } | { wrong: string } {
  const memory: Memory = JSON.parse(before.memory)
  const wrongPlace = oncePer(misplaced, after.objects, () => misplacedIn(layout, after.objects))
  if (wrongPlace !== '') return { wrong: wrongPlace }
  const [from, to] = [stageNow(layout, before.objects), stageNow(layout, after.objects)]
  if (from !== to && !isLegal(from, to)) return { wrong: `the item went from ${from} to ${to}` }
  if (to === 'none' && from !== 'none') {
    memory.gone = (memory.gone ?? 0) + 1
    const removers = before.actors.filter((actor) => actor === 'dead' || actor?.program.role === 'remover')
    if (removers.length === 0 && !refusing)
      return { wrong: `without a removal the item is gone from ${from}` }
  }
  if (from.split(' ')[2] !== to.split(' ')[2]) delete memory.value
  remember(memory, to, after)
  const doubled = noteValues(memory, layout, { before, after, ...(op === undefined ? {} : { op }) })
  if (doubled !== undefined) return { wrong: doubled }
  if (keepNames) {
    const listed = namesIn(layout, after.objects, 'WAITING')
    memory.names = [...new Set([...(memory.names ?? []), ...listed])].toSorted()
  }
  if (slot !== undefined && op?.do === 'create') noteLateClaim(memory, layout, { before, after, slot, op })
  const wrong = slot === undefined ? undefined : judgeResult(memory, slot, { before, after })
  if (refusing && (memory.puts ?? 0) > 0) return { wrong: 'a put that the store refuses was acknowledged' }
  return wrong === undefined ? { memory: JSON.stringify(memory) } : { wrong }
}

/**
 * What a listing shows at this instant of an item that was put into SUCCESS: nothing in another stage, and
 * nothing there before its id was taken for it.
 */
function misplacedIn(layout: Layout, objects: Objects): string {
  for (const stage of ['WAITING', 'PROCESSING', 'FAIL', 'SUCCESS'] as const) {
    for (const name of namesIn(layout, objects, stage)) {
      const attemptKey = parseAttemptKey(name)
      if (attemptKey === undefined || attemptKey.attempt > 0) continue
      if (stage !== 'SUCCESS') return `the item was put into SUCCESS, and a listing shows it in ${stage}`
      if (objects.get(layout.index(attemptKey)) === undefined)
        return 'a listing shows an item in SUCCESS that was not put yet'
    }
  }
  return ''
}

const misplaced = new WeakMap<Objects, string>()

/** One step of the item; two at once can't be, since each is decided by an object of its own. */
function isLegal(from: string, to: string): boolean {
  const [stage = '', attempt = '0', uid] = from.split(' ')
  const [stageTo = '', attemptTo = '0', uidTo] = to.split(' ')
  if (from === 'none') return to.startsWith('WAITING 1 ') || to.startsWith('SUCCESS 0 ')
  if (to === 'none') return stage !== 'PROCESSING'
  if (uid !== uidTo) return false
  if (stage === 'WAITING') return stageTo === 'PROCESSING' && attempt === attemptTo
  const again = stageTo === 'WAITING' && Number(attemptTo) === Number(attempt) + 1
  if (stage === 'FAIL') return again
  return (
    stage === 'PROCESSING' &&
    (again || (attempt === attemptTo && (stageTo === 'SUCCESS' || stageTo === 'FAIL')))
  )
}

function remember(memory: Memory, stage: string, after: World): void {
  for (const [slot, actor] of after.actors.entries()) {
    if (typeof actor !== 'object' || actor.program.role !== 'reader') continue
    const seen = (memory.seen ??= {})
    const stages = (seen[slot] ??= [])
    const at = stage.split(' ')[0] ?? ''
    if (!stages.includes(at)) stages.push(at)
    stages.sort()
  }
}

/**
 * The end of the attempt was there when the object under PROCESSING was created: this claim must not be given
 * out.
 */
function noteLateClaim(
  memory: Memory,
  layout: Layout,
  { before, after, slot, op }: Step & { slot: number; op: { readonly key: string } },
): void {
  const folder = layout.folder('PROCESSING')
  if (!op.key.startsWith(folder) || before.objects.has(op.key) || !after.objects.has(op.key)) return
  const name = op.key.slice(folder.length)
  if (before.objects.has(layout.at('SUCCESS', name))) (memory.late ??= []).push(`${slot} ${name}`)
}

function judgeResult(
  memory: Memory,
  slot: number,
  { before, after }: Pick<Step, 'before' | 'after'>,
): string | undefined {
  const [was, is] = [before.actors[slot], after.actors[slot]]
  if (typeof is !== 'object' || is.op !== undefined || was === is) return undefined
  const result: ActorResult = JSON.parse(JSON.stringify(typeof is.result === 'object' ? is.result : {}))
  const wrong = judgeUpdates(memory, slot, result)
  if (wrong !== undefined) return wrong
  if (result.claim !== undefined) return judgeClaim(memory, slot, { ...result, claim: result.claim })
  if (result.verdict !== undefined)
    return judgeSettle(memory, { name: '', to: '', ...result, verdict: result.verdict })
  if (result.added !== undefined) return judgePut(memory, result.added)
  return result.found === undefined ? undefined : judgeLook(memory, slot, result.found)
}

/** The result of an actor: one of these fields, by its role. */
type ActorResult = Partial<ClaimOutcome & SettleOutcome & UpdateOutcome & ValueFound & { added: boolean }>

/** What a claimer did: its claim, and how it ended the attempt. */
export interface ClaimOutcome {
  readonly claim: ClaimResult
  /** What it was given. */
  readonly value?: string
  readonly settled?: SettleOutcome
}

export interface SettleOutcome {
  readonly name: string
  readonly to: string
  readonly verdict: SettleVerdict
}

function judgeClaim(memory: Memory, slot: number, { claim, settled }: ClaimOutcome): string | undefined {
  if (claim.is !== 'claimed') return undefined
  const { name } = claim.running
  if (memory.given?.includes(name)) return `the attempt ${name} was claimed twice`
  if (memory.late?.includes(`${slot} ${name}`) === true)
    return `the attempt ${name} was claimed after its end`
  memory.given = [...(memory.given ?? []), name].toSorted()
  return settled && judgeSettle(memory, settled)
}

function judgeSettle(memory: Memory, { name, to, verdict }: SettleOutcome): string | undefined {
  if (verdict.is !== 'moved') return undefined
  const known = (memory.acknowledged ??= {})
  if (known[name] !== undefined)
    return `two moves of ${name} were acknowledged: to ${known[name]} and to ${to}`
  known[name] = to
  return undefined
}

function judgePut(memory: Memory, added: boolean): string | undefined {
  if (added) memory.puts = (memory.puts ?? 0) + 1
  return (memory.puts ?? 0) > (memory.gone ?? 0) + 1 ? 'two puts of one id were acknowledged' : undefined
}

function judgeLook(memory: Memory, slot: number, found: string): string | undefined {
  const stages = memory.seen?.[slot] ?? []
  return stages.includes(found) ? undefined : `a lookup said ${found}; it was ${stages.join(', ')}`
}

/**
 * Of what can never be finished nothing is left but emptied index objects: without a crash, at once; else
 * after one sweep.
 */
function takenBack(layout: Layout, world: World): string | undefined {
  let { objects } = world
  const died = world.actors.includes('dead')
  for (const index of died ? indexesIn(layout, objects) : [])
    objects = atOnce(objects, refusingNames(finishPut(layout, index))).objects
  const kept = [...objects].filter(([, { sizeBytes }]) => sizeBytes > 0).map(([key]) => key)
  return kept.length === 0 ? undefined : `what the store refuses has left ${kept.join(' and ')}`
}

/** The index objects that a listing shows. */
export function indexesIn(layout: Layout, objects: Objects): string[] {
  const prefix = layout.folder('ITEMS')
  return [...objects.keys()].filter((key) => key.startsWith(prefix)).toSorted()
}

/**
 * With all processes gone, repairing once leaves each item one object, in the stage where a lookup finds it;
 * repairing again changes nothing.
 */
function converged(layout: Layout, { objects, memory }: World): string | undefined {
  const stage = stageNow(layout, objects)
  const repaired = swept(layout, objects)
  const after = stageNow(layout, repaired)
  if (after !== stage) return `repairing moved the item from ${stage} to ${after}`
  const live = liveObjects(layout, repaired)
  const wanted = stage === 'none' ? [] : [stage.split(' ')[0]]
  if (live.join() !== wanted.join())
    return `after repairing the item is ${stage}, and listed in ${live.join(' and ') || 'no stage'}`
  return sameObjects(repaired, swept(layout, repaired))
    ? judgeEnd(layout, repaired, JSON.parse(memory))
    : 'repairing twice is not as repairing once'
}

function swept(layout: Layout, start: Objects): Objects {
  // The two ways by which a put that was cut off is found: a listing, or the id.
  let objects = start
  for (const index of indexesIn(layout, start)) objects = atOnce(objects, finishPut(layout, index)).objects
  objects = atOnce(objects, findPlace(layout, 'a')).objects
  for (const name of namesIn(layout, objects, 'PROCESSING'))
    objects = atOnce(objects, repairClaim(layout, name)).objects
  for (const name of namesIn(layout, objects, 'LEFT')) {
    const left = objects.get(layout.at('LEFT', name))
    if (left?.sizeBytes === 0) objects = atOnce(objects, finishFinalRemoval(layout, name)).objects
    else if (objects.has(layout.at('FAIL', name))) objects = atOnce(objects, repairLeft(layout, name)).objects
  }
  for (const name of namesIn(layout, objects, 'WAITING')) {
    const over =
      (objects.get(layout.at('PROCESSING', name))?.sizeBytes ?? 0) > 0 ||
      objects.has(layout.at('SUCCESS', name))
    const key = layout.at('WAITING', name)
    if (over) objects = applied(objects, { do: 'delete', keys: [key] }).objects
  }
  for (const key of [...objects.keys()].filter((one) => one.startsWith(layout.folder('CHANGES'))))
    objects = atOnce(objects, purgeChange(layout, key)).objects
  return objects
}

function liveObjects(layout: Layout, objects: Objects): string[] {
  return (['WAITING', 'PROCESSING', 'SUCCESS', 'FAIL'] as const).flatMap((stage) =>
    namesIn(layout, objects, stage)
      .filter((name) => (objects.get(layout.at(stage, name))?.sizeBytes ?? 0) > 0)
      .map(() => stage),
  )
}

/** Names under a prefix. */
export function namesIn(
  layout: Layout,
  objects: Objects,
  folder: 'WAITING' | 'PROCESSING' | 'SUCCESS' | 'FAIL' | 'LEFT',
): readonly string[] {
  const names = oncePer(namesByFolder, objects, () => new Map<string, readonly string[]>())
  const known = names.get(folder)
  if (known !== undefined) return known
  const prefix = layout.folder(folder)
  const found = [...objects.keys()]
    .filter((key) => key.startsWith(prefix))
    .map((key) => key.slice(prefix.length))
    .toSorted()
  names.set(folder, found)
  return found
}

const namesByFolder = new WeakMap<Objects, Map<string, readonly string[]>>()

function sameObjects(a: Objects, b: Objects): boolean {
  return a.size === b.size && [...a].every(([key, { content }]) => b.get(key)?.content === content)
}
