import type { StorageOp } from '../../src/store/storage-op.js'
import { ActorNode, type Program } from './actor-node.js'
import { applied, type Objects } from './model-store.js'

/** One state of the world: the store, the actors, and what is on its way to the store. */
export interface World {
  readonly objects: Objects
  /** By slot; `undefined` before it starts, `dead` after a crash. */
  readonly actors: readonly (ActorNode | 'dead' | undefined)[]
  /** Requests whose sender has gone on, and which will still take effect. */
  readonly late: readonly StorageOp[]
  readonly delays: number
  readonly crashes: number
  /** What the judge remembers; part of the state. */
  readonly memory: string
}

/** What is explored, within which bounds. */
export interface Scenario {
  /** What the actor of each slot may start as, given the store. A slot starts once. */
  readonly slots: readonly ((world: World) => readonly Program[])[]
  readonly delays: number
  readonly crashes: number
  /** Looks at each step and says what is wrong, or what to remember from here on. */
  readonly judge: Judge
}

export interface Step {
  readonly before: World
  readonly after: World
  /** Who did it; absent for a late request. */
  readonly slot?: number
  readonly op?: StorageOp
}

export interface Judge {
  step(step: Step): { readonly memory: string } | { readonly wrong: string }
  /** Nothing more can happen. */
  end(world: World): string | undefined
}

export interface Exploration {
  readonly states: number
  /** All states within the bounds were seen. */
  readonly complete: boolean
  readonly wrong?: string
  readonly trail?: readonly string[]
}

interface Visit {
  readonly world: World
  readonly trail: Trail | undefined
}

interface Trail {
  readonly text: string
  readonly before: Trail | undefined
}

/**
 * Walks all states, in an order that is mixed and always the same, until something is wrong or the limit is
 * reached.
 */
export function explore(scenario: Scenario, maxStates: number): Exploration {
  const { slots, judge } = scenario
  const first = firstWorld(scenario)
  const seen = new Set([keyOf(first)])
  const stack: Visit[] = [{ world: first, trail: undefined }]
  const next = picker()
  for (let visit = next(stack); visit !== undefined; visit = next(stack)) {
    const { world, trail } = visit
    let moved = false
    for (const possible of stepsFrom(world, slots)) {
      moved = true
      const { text, ...step } = possible()
      const judged = judge.step({ before: world, ...step })
      const longer = { text, before: trail }
      if ('wrong' in judged)
        return { states: seen.size, complete: false, wrong: judged.wrong, trail: textsOf(longer) }
      const after = { ...step.after, memory: judged.memory }
      const key = keyOf(after)
      if (seen.has(key)) continue
      seen.add(key)
      stack.push({ world: after, trail: longer })
    }
    const wrong = moved ? undefined : judge.end(world)
    if (wrong !== undefined) return { states: seen.size, complete: false, wrong, trail: textsOf(trail) }
    if (seen.size >= maxStates) return { states: seen.size, complete: false }
  }
  return { states: seen.size, complete: true }
}

/**
 * One walk by lot from the start until nothing more can happen: far longer histories than can be explored
 * whole.
 */
export function walk(scenario: Scenario, seed: number): Pick<Exploration, 'wrong' | 'trail'> {
  const { slots, judge } = scenario
  const lot = lots(seed)
  let world = firstWorld(scenario)
  const trail: string[] = []
  for (;;) {
    const steps = [...stepsFrom(world, slots)]
    const chosen = steps[lot(steps.length)]
    if (chosen === undefined) break
    const { text, ...step } = chosen()
    trail.push(text)
    const judged = judge.step({ before: world, ...step })
    if ('wrong' in judged) return { wrong: judged.wrong, trail }
    world = { ...step.after, memory: judged.memory }
  }
  const wrong = judge.end(world)
  return wrong === undefined ? {} : { wrong, trail }
}

function firstWorld({ slots, delays, crashes }: Scenario): World {
  const actors = slots.map(() => undefined)
  return { objects: new Map(), actors, late: [], delays, crashes, memory: '{}' }
}

/** Numbers below a bound, by a seed. */
export function lots(seed: number): (bound: number) => number {
  let state = (seed * 7_919 + 1) % 2_147_483_647
  return (bound) => {
    state = (state * 48_271) % 2_147_483_647
    return bound === 0 ? 0 : Math.floor(state / 8) % bound
  }
}

/**
 * Takes out a visit by lot, so that a walk which is cut short has been everywhere a little; every other one
 * deep.
 */
function picker(): (visits: Visit[]) => Visit | undefined {
  let seed = 1
  return (visits) => {
    seed = (seed * 48_271) % 2_147_483_647
    const index = seed % 2 === 0 ? visits.length - 1 : seed % visits.length
    const [last, picked] = [visits.pop(), visits[index]]
    if (last === undefined || picked === undefined || index >= visits.length) return last
    visits[index] = last
    return picked
  }
}

/** Made only once it is taken: a walk takes one of many. */
type PossibleStep = () => Omit<Step, 'before'> & { readonly text: string }

function* stepsFrom(world: World, slots: Scenario['slots']): Generator<PossibleStep> {
  for (const [slot, actor] of world.actors.entries()) {
    if (actor === undefined) yield* starts(world, slot, slots[slot]?.(world) ?? [])
    else if (actor !== 'dead' && actor.op !== undefined) yield* actions(world, slot, actor)
  }
  for (const [index, op] of world.late.entries())
    yield () => {
      const late = world.late.toSpliced(index, 1)
      const { objects } = applied(world.objects, op)
      return { after: { ...world, late, objects }, op, text: `late ${opText(op)}` }
    }
}

function* starts(world: World, slot: number, programs: readonly Program[]): Generator<PossibleStep> {
  for (const program of programs)
    yield () => ({
      after: withActor(world, slot, new ActorNode(program)),
      slot,
      text: `${slot} starts ${program.key}`,
    })
}

function* actions(world: World, slot: number, actor: ActorNode): Generator<PossibleStep> {
  const { op } = actor
  if (op === undefined) return
  for (const single of pieces(op)) {
    const shared = { slot, op: single.op }
    const made = () => {
      const { objects, reply } = applied(world.objects, single.op)
      const text = `${slot} ${opText(single.op)} → ${reply.outcome ?? (reply.object ? 'found' : 'ok')}`
      return { objects, reply, text }
    }
    if (single.last)
      yield () => {
        const { objects, reply, text } = made()
        return { after: { ...withActor(world, slot, actor.after(reply)), objects }, ...shared, text }
      }
    if (op.do === 'read' || op.do === 'head' || op.do === 'again') continue
    if (world.crashes > 0)
      // It died with this request (of a DELETE: this part of it) done, and nothing after it.
      yield () => {
        const { objects, text } = made()
        const after = { ...withActor(world, slot, 'dead'), objects, crashes: world.crashes - 1 }
        return { after, ...shared, text: `${text}, dies` }
      }
    if (!single.last || world.delays === 0) continue
    const delays = world.delays - 1
    const late = [...world.late, op]
    if (op.do === 'create') {
      const lost = () => withActor(world, slot, actor.after({ outcome: 'unclear' }))
      yield () => {
        const { objects, text } = made()
        return { after: { ...lost(), objects, delays }, ...shared, text: `${text}, reply lost` }
      }
      yield () => ({
        after: { ...lost(), delays, late },
        slot,
        text: `${slot} ${opText(op)} → late, unclear`,
      })
    } else {
      // Sent twice: the one that was answered, and one that comes late.
      yield () => {
        const { objects, reply, text } = made()
        const gone = withActor(world, slot, actor.after(reply))
        return { after: { ...gone, objects, delays, late }, ...shared, text: `${text}, and again late` }
      }
    }
  }
  if (world.crashes > 0)
    yield () => ({
      after: { ...withActor(world, slot, 'dead'), crashes: world.crashes - 1 },
      slot,
      text: `${slot} dies before ${opText(op)}`,
    })
}

/** A DELETE of several names may be cut off after each. */
function* pieces(op: StorageOp): Generator<{ op: StorageOp; last: boolean }> {
  if (op.do === 'delete') {
    for (let count = 1; count < op.keys.length; count++)
      yield { op: { do: 'delete', keys: op.keys.slice(0, count) }, last: false }
  }
  yield { op, last: true }
}

function withActor(world: World, slot: number, actor: ActorNode | 'dead'): World {
  return { ...world, actors: world.actors.with(slot, actor) }
}

const contents = new Map<string, number>()

function keyOf({ objects, actors, late, delays, crashes, memory }: World): string {
  const stored = [...objects].map(([key, { content, meta }]) =>
    numbered(`${key} ${content} ${JSON.stringify(meta)}`),
  )
  const who = actors.map((actor) => (typeof actor === 'object' ? actor.id : (actor ?? '-')))
  const coming = late.map((op) => numbered(JSON.stringify(op))).toSorted(byNumber)
  return `${stored.toSorted(byNumber).join()}|${who.join()}|${coming.join()}|${delays}|${crashes}|${memory}`
}

function byNumber(a: number, b: number): number {
  return a - b
}

function numbered(text: string): number {
  const known = contents.get(text)
  if (known !== undefined) return known
  contents.set(text, contents.size)
  return contents.size - 1
}

function opText(op: StorageOp): string {
  return op.do === 'delete' ? `delete ${op.keys.join(' ')}` : `${op.do} ${op.key}`
}

function textsOf(trail: Trail | undefined): string[] {
  const texts: string[] = []
  for (let at = trail; at !== undefined; at = at.before) texts.unshift(at.text)
  return texts
}
