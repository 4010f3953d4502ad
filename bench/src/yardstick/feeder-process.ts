// A process of its own: puts items, so that there is always something to claim.
import { setTimeout as pause } from 'node:timers/promises'
import { isSluiceError, STAGES, type Stage } from '@sluice/core'
import { makeItems } from '../adapter.ts'
import { openQueueOf, type QueueSetup } from './build.ts'
import { answer, setupOf } from './helper.ts'

/**
 * `depth`: keeps so many items waiting · `rate`: puts so many each second · `bursts`: puts so many at once
 * whenever fewer than `below` wait · `off`: puts nothing.
 */
export type Feed =
  | { readonly kind: 'depth'; readonly items: number }
  | { readonly kind: 'rate'; readonly perSecond: number }
  | { readonly kind: 'bursts'; readonly items: number; readonly below: number }
  | { readonly kind: 'off' }

export interface FeederSetup {
  readonly queue: QueueSetup
  /** Of a body besides what {@link makeItems} gives. Default 0. */
  readonly padBytes?: number
  /** Items of one put. Default 1,000. */
  readonly batch?: number
}

/** All since the process started. */
export interface FeederReading {
  readonly put: number
  readonly cpuUs: number
}

/** Puts of a burst that are under way together. */
const TOGETHER = 4
/** From one batch to the next at a fixed rate. */
const STEP_MS = 10

const { queue: queueSetup, padBytes = 0, batch = 1_000 } = setupOf<FeederSetup>()
const queue = await openQueueOf(queueSetup)
const pad = padBytes === 0 ? {} : { pad: 'x'.repeat(padBytes) }
let feed: Feed = { kind: 'off' }
let isEnded = false
let put = 0

answer({
  feed: (next: Feed) => {
    feed = next
  },
  putNow: (count: number) => putNow(count),
  read: (): FeederReading => {
    const { user, system } = process.cpuUsage()
    return { put, cpuUs: user + system }
  },
  /** How many items each stage has. */
  sizes: async () => {
    const sizes: Partial<Record<Stage, number>> = {}
    for (const stage of STAGES) sizes[stage] = await tried(() => queue.size(stage))
    return sizes
  },
  end: async () => {
    isEnded = true
    await feeding
    await queue.close()
  },
})
const feeding = run()

async function run(): Promise<void> {
  while (!isEnded) {
    if (feed.kind === 'depth') await keep(feed.items)
    else if (feed.kind === 'rate') await putAtRate(feed.perSecond, feed)
    else if (feed.kind === 'bursts') await putBursts(feed.items, feed.below)
    else await pause(STEP_MS)
  }
}

async function keep(items: number): Promise<void> {
  const waiting = await tried(() => queue.size('WAITING'))
  if (waiting >= items) await pause(STEP_MS)
  else await putBatch(Math.min(batch, Math.ceil(Math.max(items - waiting, items / 10))))
}

/** Until the feed changes. What it is behind by is put in the next batches. */
async function putAtRate(perSecond: number, mine: Feed): Promise<void> {
  const [startedAt, from] = [performance.now(), put]
  while (feed === mine && !isEnded) {
    const due = Math.floor(((performance.now() - startedAt) / 1_000) * perSecond) - (put - from)
    if (due > 0) await putBatch(Math.min(due, batch))
    else await pause(STEP_MS)
  }
}

async function putBursts(items: number, below: number): Promise<void> {
  if ((await tried(() => queue.size('WAITING'))) < below) await putNow(items)
  else await pause(STEP_MS)
}

async function putNow(count: number): Promise<void> {
  let left = count
  const one = async (): Promise<void> => {
    while (left > 0) {
      const mine = Math.min(left, batch)
      left -= mine
      await putBatch(mine)
    }
  }
  await Promise.all(Array.from({ length: TOGETHER }, one))
}

/** What was not acknowledged is put again: it is there once all the same. */
async function putBatch(count: number): Promise<void> {
  const at = Date.now()
  const items = makeItems(count).map(({ id, body }) => ({ id, body: { ...body, ...pad, at } }))
  await tried(() => queue.putMany(items))
  put += count
}

async function tried<T>(call: () => Promise<T>): Promise<T> {
  for (;;) {
    try {
      return await call()
    } catch (error) {
      if (!isSluiceError(error) || !error.retryable) throw error
      await pause(50)
    }
  }
}
