import { SluiceError, silentLogger, type ItemSummary, type Page, type Stage } from '@sluice/core'
import type { OpenBreaker, TickResult } from '@sluice/engine'
import { ManualRuntime } from '@sluice/testkit'
import { describe, expect, test } from 'vitest'
import { QueueWatcher } from '../../src/run/queue-watcher.js'

type Sizes = Record<Stage, number>

/** A service that has jobs all the time, each second one more finished, its clock set manually. */
class Scene {
  readonly lines: string[] = []
  readonly watcher: QueueWatcher
  nowMs = 1_000
  isDown = false
  countsMs = 0
  waiting = 98
  looks = 0
  heads = 0
  empty = 0
  /** Put as done, by a load. */
  done = 0

  constructor({ untilEmpty = true } = {}) {
    const note = (fields: object, message: string): void =>
      void this.lines.push(`${(this.nowMs - 1_000) / 1_000} s ${message} ${JSON.stringify(fields)}`)
    this.watcher = new QueueWatcher({
      queue: { sizes: () => this.#sizes(), listSummaries: (stage) => this.#heads(stage) },
      logger: { debug: note, info: note, warn: note, error: note },
      ...(untilEmpty ? { onEmpty: () => (this.empty += 1) } : {}),
      runtime: { monotonicMs: () => this.nowMs, sleep: () => new Promise(() => undefined) },
    })
  }

  /** A tick each second. */
  async ticks(seconds: number, result: Partial<TickResult> = {}): Promise<void> {
    for (let second = 0; second <= seconds; second++) {
      const settled = { ...BUSY.settled, success: second === 0 ? 0 : 1 }
      await this.watcher.afterTick({ ...BUSY, settled, ...result })
      if (second < seconds) this.nowMs += 1_000
    }
  }

  async #sizes(): Promise<Sizes> {
    this.looks += 1
    if (this.isDown) throw new SluiceError('SLUICE_QUEUE_UNAVAILABLE', 'no answer')
    this.nowMs += this.countsMs
    const finished = (this.nowMs - 1_000) / 1_000
    const PROCESSING = this.waiting === 0 ? 0 : 2
    return {
      WAITING: Math.max(0, this.waiting - finished),
      PROCESSING,
      SUCCESS: finished + this.done,
      FAIL: 0,
    }
  }

  async #heads(stage: Stage): Promise<Page<ItemSummary>> {
    this.heads += 1
    if (stage !== 'WAITING' || this.waiting === 0) return { items: [] }
    return { items: [{ id: 'a', uid: 'u', stage, attempt: 0, uncounted: 0, priority: 0 }] }
  }
}

const BUSY: TickResult = {
  role: 'dispatcher',
  paused: false,
  processing: 2,
  pending: 0,
  cancelled: 0,
  settled: { success: 0, fail: 0, waiting: 0 },
  sent: 0,
  rejected: 0,
  holdups: [],
  reconciled: true,
  orphans: 0,
  lost: 0,
  claimed: 0,
  resent: 0,
}

test('a busy service logs its progress after 5 s, then every 30 s, with rate and ETA', async () => {
  const scene = new Scene()
  await scene.ticks(70)
  const rate = '"perMinute":60,"eta"'
  expect(scene.lines).toEqual([
    `5 s progress {"WAITING":93,"PROCESSING":2,"SUCCESS":5,"FAIL":0,${rate}:"1m 35s"}`,
    `35 s progress {"WAITING":63,"PROCESSING":2,"SUCCESS":35,"FAIL":0,${rate}:"1m 5s"}`,
    `65 s progress {"WAITING":33,"PROCESSING":2,"SUCCESS":65,"FAIL":0,${rate}:"35s"}`,
  ])
  // The storage counts its items when that is needed, not at every tick.
  expect(scene.looks).toBe(4)
  expect(scene.empty).toBe(0)
})

test('items stored as done meanwhile do not count in the rate', async () => {
  const scene = new Scene()
  await scene.ticks(20)
  scene.done = 1_000_000
  await scene.ticks(15)
  expect(scene.lines.at(-1)).toMatch(
    /^35 s progress .*"SUCCESS":1000035,"FAIL":0,"perMinute":(?:58|60),"eta":"1m [57]s"/u,
  )
})

test('no progress of a standby, or during an outage; the line follows after it', async () => {
  const scene = new Scene()
  await scene.ticks(10, { role: 'standby' })
  expect(scene.lines).toEqual([])
  scene.isDown = true
  await scene.ticks(3)
  expect(scene.lines).toEqual([])
  scene.isDown = false
  await scene.ticks(0)
  expect(scene.lines).toHaveLength(1)
})

test('the line has the number of pending jobs, and an incomplete poll', async () => {
  const scene = new Scene()
  const poll = { complete: false, reason: 'the list is late', mayStart: false, asked: 200, unasked: 7 }
  await scene.ticks(5, { pending: 3, poll })
  expect(scene.lines[0]).toContain(
    '"FAIL":0,"pending":3,"pollIncomplete":"the list is late","startsAfter":"the first complete poll","perMinute"',
  )
})

const QUIET = { processing: 0 }

test('idle ticks with waiting items cost one list of one item each, not a count', async () => {
  const scene = new Scene()
  scene.nowMs = 1_000
  await scene.ticks(4, QUIET)
  expect([scene.heads, scene.looks, scene.empty]).toEqual([5, 1, 0])
  scene.waiting = 0
  await scene.ticks(0, QUIET)
  expect(scene.empty).toBe(1)
})

test('a service without an end never checks for it, and counts no more often than it logs', async () => {
  const scene = new Scene({ untilEmpty: false })
  scene.waiting = 0
  await scene.ticks(100, QUIET)
  expect([scene.heads, scene.looks]).toEqual([0, 5])
  expect(scene.lines).toEqual([])
})

test('counts less often if a count takes long', async () => {
  const scene = new Scene()
  scene.countsMs = 2_000
  await scene.ticks(400)
  // At the beginning, after 5 s, and 200 s after that.
  expect(scene.looks).toBe(3)
})

test('detects an empty queue while the worker is unavailable', async () => {
  const scene = new Scene()
  scene.waiting = 0
  const unavailable = new SluiceError('SLUICE_WORKER_UNAVAILABLE', 'no answer')
  await scene.ticks(0, { processing: 0, unavailable })
  expect(scene.empty).toBe(1)
})

const pause = { guard: 'rejections', reason: 'no path', sinceAt: 1 }

async function look(
  result: Partial<TickResult>,
  { running = 0, stored }: { running?: number; stored?: OpenBreaker } = {},
): Promise<string[]> {
  const told: string[] = []
  const head = { id: 'a', uid: 'u', stage: 'WAITING', attempt: 0, uncounted: 0, priority: 0 } as const
  const watcher = new QueueWatcher({
    queue: {
      sizes: async () => ({ WAITING: 1, PROCESSING: running, SUCCESS: 0, FAIL: 20 }),
      listSummaries: async (stage) => ({ items: stage === 'WAITING' || running > 0 ? [head] : [] }),
    },
    logger: silentLogger,
    onEmpty: () => told.push('empty'),
    onPaused: ({ reason }) => told.push(reason),
    runtime: new ManualRuntime(),
    readOpenBreaker: async () => {
      told.push('read')
      return stored
    },
  })
  await watcher.afterTick({ ...BUSY, processing: 0, ...result })
  return told
}

describe('a queue that Sluice itself has paused', () => {
  test('ends the service that dispatches once nothing runs, though items wait', async () => {
    expect(await look({ openBreaker: pause })).toEqual(['no path'])
    expect(await look({ openBreaker: pause }, { running: 1 })).toEqual([])
    expect(await look({ openBreaker: pause, processing: 1 })).toEqual([])
  })

  test('ends one that stands by, which reads it', async () => {
    expect(await look({ role: 'standby' }, { stored: pause })).toEqual(['read', 'no path'])
    expect(await look({ role: 'standby' })).toEqual(['read'])
  })

  test('a pause by an operator ends nothing', async () => {
    expect(await look({ paused: true })).toEqual([])
  })
})
