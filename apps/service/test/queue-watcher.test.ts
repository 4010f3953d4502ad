import { SluiceError, type Stage } from '@sluice/core'
import type { TickResult } from '@sluice/engine'
import { expect, test } from 'vitest'
import { QueueWatcher } from '../src/queue-watcher.js'

type Sizes = Record<Stage, number>

/** A service that has jobs all the time, each second one more finished, its clock set by hand. */
class Scene {
  readonly lines: string[] = []
  readonly watcher: QueueWatcher
  nowMs = 1_000
  isDown = false
  looks = 0
  empty = 0

  constructor() {
    const note = (fields: object, message: string): void =>
      void this.lines.push(`${(this.nowMs - 1_000) / 1_000} s ${message} ${JSON.stringify(fields)}`)
    this.watcher = new QueueWatcher({
      queue: { sizes: () => this.#sizes() },
      logger: { debug: note, info: note, warn: note, error: note },
      onEmpty: () => (this.empty += 1),
      now: () => this.nowMs,
    })
  }

  /** A tick each second. */
  async ticks(seconds: number, result: Partial<TickResult> = {}): Promise<void> {
    for (let second = 0; second <= seconds; second++) {
      await this.watcher.afterTick({ ...BUSY, ...result })
      if (second < seconds) this.nowMs += 1_000
    }
  }

  async #sizes(): Promise<Sizes> {
    this.looks += 1
    if (this.isDown) throw new SluiceError('SLUICE_QUEUE_UNAVAILABLE', 'no answer')
    const finished = (this.nowMs - 1_000) / 1_000
    return { WAITING: 98 - finished, PROCESSING: 2, SUCCESS: finished, FAIL: 0 }
  }
}

const BUSY: TickResult = {
  role: 'dispatcher',
  paused: false,
  processing: 2,
  settled: { success: 0, fail: 0, waiting: 0 },
  sent: 0,
  rejected: 0,
  reconciled: true,
  orphans: 0,
  lost: 0,
  claimed: 0,
  resent: 0,
}

test('a service that is busy says how far it is after 5 s, then every 30 s, with rate and ETA', async () => {
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

test('a standby says nothing; an outage neither, and the line comes when it is over', async () => {
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
