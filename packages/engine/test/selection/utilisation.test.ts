import type { ItemSummary } from '@sluice/core'
import { describe, expect, test } from 'vitest'
import { choose } from '../../src/selection/item-selection.js'
import { resourceSelection } from '../../src/selection/resource-limit.js'

/** Of the cluster. */
const GPUS = 8
const ITEMS = 10_000
/** As many candidates are read at once. */
const AHEAD = 1_000
const MAX_PASSED = 1_000
const SEEDS = Array.from({ length: 20 }, (_, at) => at + 1)

interface Planned {
  readonly item: ItemSummary
  readonly gpus: number
  readonly durationMs: number
}

/** 80 % use one GPU, 15 % four, 5 % all eight, for log-normal times; one asks for more than there are. */
function mixOf(seed: number): Planned[] {
  const random = seeded(seed)
  const misfitAt = Math.floor(random() * ITEMS)
  return Array.from({ length: ITEMS }, (_, at) => {
    const share = random()
    const some = share < 0.8 ? 1 : share < 0.95 ? 4 : 8
    const gpus = at === misfitAt ? 16 : some
    const normal = Math.sqrt(-2 * Math.log(1 - random())) * Math.cos(2 * Math.PI * random())
    return { item: itemOf(at, gpus), gpus, durationMs: 60_000 * Math.exp(normal) }
  })
}

function itemOf(at: number, gpu: number): ItemSummary {
  const id = String(at)
  return { id, uid: id, stage: 'WAITING', attempt: 0, uncounted: 0, priority: 0, resources: { gpu } }
}

/** mulberry32 */
function seeded(seed: number): () => number {
  let state = seed
  return () => {
    state = (state + 0x6d2b79f5) | 0
    let mixed = Math.imul(state ^ (state >>> 15), state | 1)
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61)
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296
  }
}

interface Running extends Planned {
  readonly endsAtMs: number
}

interface Cluster {
  readonly nowMs: number
  readonly waiting: readonly Planned[]
  readonly running: readonly Running[]
}

/** Which of the waiting items start now. */
type Scheduler = (cluster: Cluster) => readonly Planned[]

interface Outcome {
  /** GPU-seconds used of those there were, until the last 1 % of the items start. */
  readonly utilisation: number
  readonly started: ReadonlySet<string>
  /** By how many later items the most patient one was passed. */
  readonly mostPassed: number
}

/** A cluster on a virtual clock, which asks the scheduler at the start and at each end of a job. */
function play(plan: readonly Planned[], scheduler: Scheduler): Outcome {
  const waiting = [...plan]
  const starts: Running[] = []
  const passed = new Map<Planned, number>()
  let running: Running[] = []
  let nowMs = 0
  do {
    for (const one of scheduler({ nowMs, waiting, running })) {
      const begun = { ...one, endsAtMs: nowMs + one.durationMs }
      running.push(begun)
      starts.push(begun)
      const at = waiting.indexOf(one)
      for (const earlier of waiting.slice(0, at))
        if (earlier.gpus <= GPUS) passed.set(earlier, (passed.get(earlier) ?? 0) + 1)
      waiting.splice(at, 1)
    }
    nowMs = Math.min(...running.map(({ endsAtMs }) => endsAtMs))
    running = running.filter(({ endsAtMs }) => endsAtMs > nowMs)
  } while (Number.isFinite(nowMs))
  const lastPercent = starts[Math.floor(starts.length * 0.99)]
  const untilMs = lastPercent === undefined ? 0 : lastPercent.endsAtMs - lastPercent.durationMs
  const usedMs = starts.reduce((sum, { gpus, durationMs, endsAtMs }) => {
    const beganAtMs = endsAtMs - durationMs
    return sum + gpus * Math.max(0, Math.min(endsAtMs, untilMs) - beganAtMs)
  }, 0)
  const started = new Set(starts.map(({ item }) => item.id))
  return { utilisation: usedMs / (GPUS * untilMs), started, mostPassed: Math.max(...passed.values(), 0) }
}

function freeIn(running: readonly Running[]): number {
  return GPUS - running.reduce((sum, { gpus }) => sum + gpus, 0)
}

/** The policy. What can never start is left out, as the engine fails it. */
function ours(plan: readonly Planned[], misfits: Map<string, string>): Scheduler {
  const selection = resourceSelection({ gpu: GPUS }, MAX_PASSED)
  const byItem = new Map(plan.map((one) => [one.item, one]))
  return ({ waiting, running }) => {
    const pass = selection.begin({ running: running.map(({ item }) => item), limits: {}, nowAt: 0 })
    // Each of these items uses a GPU: no more of them can start than are free.
    const options = { pass, room: freeIn(running) }
    const choice = choose(itemsAhead(waiting, misfits), options)
    for (const { item, reason } of choice.misfits) misfits.set(item.id, reason)
    return choice.starts.flatMap((item) => byItem.get(item) ?? [])
  }
}

function* itemsAhead(waiting: readonly Planned[], misfits: ReadonlyMap<string, string>) {
  for (let at = 0; at < Math.min(AHEAD, waiting.length); at++) {
    const item = waiting[at]?.item
    if (item !== undefined && !misfits.has(item.id)) yield item
  }
}

/** The first item starts, or none. */
const inOrder: Scheduler = ({ waiting, running }) => {
  let free = freeIn(running)
  const starts: Planned[] = []
  for (const one of waiting) {
    if (one.gpus > free) break
    free -= one.gpus
    starts.push(one)
  }
  return starts
}

/**
 * A list scheduler that knows how long each job takes: once an item was passed often enough, only jobs that
 * end before it could start anyway, or that leave enough for it, start before it.
 */
function clairvoyant(): Scheduler {
  const passed = new Map<Planned, number>()
  return ({ nowMs, waiting, running }) => {
    let free = freeIn(running)
    const [starts, skipped]: [Planned[], Planned[]] = [[], []]
    let reservation: { readonly atMs: number; spare: number } | undefined
    for (const one of waiting.slice(0, AHEAD)) {
      if (free === 0) break
      const endsInTime = reservation === undefined || nowMs + one.durationMs <= reservation.atMs
      const isSpare = reservation !== undefined && one.gpus <= reservation.spare
      if (one.gpus <= free && (endsInTime || isSpare)) {
        free -= one.gpus
        if (!endsInTime && reservation !== undefined) reservation.spare -= one.gpus
        starts.push(one)
        for (const each of skipped) passed.set(each, (passed.get(each) ?? 0) + 1)
        continue
      }
      skipped.push(one)
      if (reservation === undefined && (passed.get(one) ?? 0) >= MAX_PASSED) {
        const begun = starts.map((each) => ({ ...each, endsAtMs: nowMs + each.durationMs }))
        reservation = reservationOf(one, { free, running: [...running, ...begun] })
      }
    }
    return starts
  }
}

function reservationOf(one: Planned, { free, running }: { free: number; running: readonly Running[] }) {
  let later = free
  for (const each of running.toSorted((a, b) => a.endsAtMs - b.endsAtMs)) {
    later += each.gpus
    if (later >= one.gpus) return { atMs: each.endsAtMs, spare: later - one.gpus }
  }
  return undefined
}

describe('resourceLimit({ gpu: 8 }) over a mix of 10,000 items', () => {
  test.each(SEEDS)('seed %i: is nearly as busy as one that knows the durations, and starves none', (seed) => {
    const plan = mixOf(seed)
    const misfits = new Map<string, string>()
    const own = play(plan, ours(plan, misfits))
    const possible = plan.filter(({ gpus }) => gpus <= GPUS)
    const best = play(possible, clairvoyant())
    const simple = play(possible, inOrder)
    expect(own.utilisation / best.utilisation).toBeGreaterThanOrEqual(0.95)
    expect(own.utilisation).toBeGreaterThanOrEqual(0.9)
    expect(simple.utilisation / best.utilisation).toBeLessThan(0.95)
    expect(simple.utilisation).toBeLessThan(0.9)
    expect(own.mostPassed).toBeLessThanOrEqual(MAX_PASSED)
    const [misfit] = plan.filter(({ gpus }) => gpus > GPUS)
    expect([...misfits]).toEqual([[misfit?.item.id, 'it needs 16 of gpu, and the limit is 8']])
    expect(own.started.size).toBe(ITEMS - 1)
  })
})
