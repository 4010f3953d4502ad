import type { JobRef } from '@sluice/core'
import { expect, test } from 'vitest'
import { CANCELLED_DETAILS, processingLimit, type WorkQueue } from '../../src/index.js'
import { ProcessRuntime } from '../process-runtime.js'
import { World, wrapped } from '../world.js'

const CAP = 3
const LEASE_MS = 4_000

interface Stall {
  readonly at: number
  readonly when: 'before' | 'after'
  /**
   * Jobs that were settled are deleted, and their names free: a send of the same attempt makes another job.
   */
  readonly isFreed: boolean
}

function nameOf({ id, uid, attempt }: JobRef): string {
  return `${id} ${uid} ${attempt}`
}

/**
 * An engine that is held up for longer than its lease at one of its calls, while another takes over, and then
 * goes on.
 */
class Play {
  readonly world = new World()
  readonly #ages = new Map<string, number>()
  readonly #process = new ProcessRuntime(this.world.runtime)
  readonly #stall: Stall | undefined
  readonly stale: WorkQueue
  readonly live = this.#open({})
  calls = 0
  /** The call at which it was held up. */
  stalledAt = ''
  most = 0
  /** While the first one was held up, the live one held the lease. */
  tookOver = false
  /** Jobs that were made a second time and run after a tick of the live engine. */
  late: readonly JobRef[] = []

  constructor(stall?: Stall) {
    this.#stall = stall
    const sides = wrapped(this.world, async (_, name, call) => {
      const isNow = this.calls++ === this.#stall?.at
      if (isNow) this.stalledAt = name
      if (isNow && this.#stall?.when === 'before') await this.#othersGoOn()
      const answer = await call()
      if (isNow && this.#stall?.when === 'after') await this.#othersGoOn()
      if (isNow && name === 'sendJob') await this.#noteLate()
      return answer
    })
    this.stale = this.#open({ ...sides, runtime: this.#process })
  }

  #open(sides: object): WorkQueue {
    return this.world.engine({
      ...sides,
      policy: processingLimit(CAP),
      retry: { maxAttempts: 2, backoff: { baseMs: 0 } },
      lost: { policy: 'fail', graceMs: 3_000 },
      leaseTtlMs: LEASE_MS,
      sendConcurrency: 1,
    })
  }

  /** The whole process of the first one stands still: it renews no lease meanwhile. */
  async #othersGoOn(): Promise<void> {
    this.#process.suspend()
    for (let second = 0; second < 14; second++) {
      const { role } = await this.live.tick()
      this.tookOver ||= role === 'dispatcher'
      await this.step()
    }
    this.#note()
    this.#process.resume()
  }

  /** The live one ticks once after a send has landed: what of it runs then beside what had ended? */
  async #noteLate(): Promise<void> {
    this.#note()
    await this.live.tick()
    const counts = this.world.startCounts()
    this.late = this.world.worker.running().filter((job) => (counts.get(nameOf(job)) ?? 0) > 1)
  }

  #note(): void {
    this.most = Math.max(this.most, this.world.worker.running().length)
  }

  /** A second passes; jobs that ran for two have ended, `i2` badly at first. */
  async step(): Promise<void> {
    const { world } = this
    this.#note()
    await world.runtime.advance(1_000)
    for (const job of world.worker.running()) {
      const age = (this.#ages.get(nameOf(job)) ?? 0) + 1
      this.#ages.set(nameOf(job), age)
      const stored = world.jobs.find('q', job)
      if (age < 2 || stored === undefined) continue
      const stage = job.id === 'i2' && job.attempt === 1 ? 'FAIL' : 'SUCCESS'
      const { uid, attempt, jobUid = '' } = stored
      stored.report = { stage, uid, attempt, jobUid, result: attempt }
    }
    if (this.#stall?.isFreed === true) await this.#freeNames()
  }

  async #freeNames(): Promise<void> {
    const { world } = this
    const reports = await world.worker.pollAllStatus()
    for (const job of world.started) {
      const report = reports.get(job.id)
      const isReported = report?.uid === job.uid && report.attempt === job.attempt
      if (!isReported && world.jobs.find('q', job)?.report !== undefined) world.jobs.lose('q', job)
    }
  }

  /** What the first engine does until it is held up, an operator among it. */
  async begin(): Promise<void> {
    const { queue } = this.world
    await this.world.put(7)
    for (let round = 0; round < 6; round++) {
      await this.stale.tick()
      // Refused where the live one has settled them meanwhile.
      if (round === 1) {
        await queue.settle([
          { id: 'i0', attempt: 1, stage: 'WAITING' },
          { id: 'i1', attempt: 1, stage: 'FAIL', details: CANCELLED_DETAILS },
        ])
      }
      if (round === 2) await queue.requeue(['i1'])
      await this.step()
    }
  }

  /** The live one goes on to the end. */
  async end(): Promise<void> {
    await this.stale.close()
    for (let round = 0; round < 40; round++) {
      await this.live.tick()
      await this.step()
      const { WAITING, PROCESSING } = await this.world.queue.sizes()
      if (WAITING + PROCESSING === 0 && round > 3) return
    }
  }
}

async function assertEnds({ world }: Play): Promise<void> {
  expect(await world.queue.sizes()).toEqual({ WAITING: 0, PROCESSING: 0, SUCCESS: 7, FAIL: 0 })
  for (let index = 0; index < 7; index++) {
    const item = await world.queue.lookup(`i${index}`)
    expect(item?.result).toBe(item?.attempt)
  }
  expect(world.worker.running()).toEqual([])
}

test('without a stall it all ends well', async () => {
  const play = new Play()
  await play.begin()
  expect(play.calls).toBeGreaterThan(40)
  await play.world.runtime.advance(LEASE_MS)
  await play.end()
  await assertEnds(play)
  expect(play.most).toBeLessThanOrEqual(CAP)
  expect([...play.world.startCounts().values()].every((count) => count === 1)).toBe(true)
})

test.each([
  ['before', false],
  ['after', false],
  ['before', true],
  ['after', true],
] as const)(
  'a stale dispatcher that resumes at any await starts nothing twice (held up %s each call, names freed: %s)',
  async (when, isFreed) => {
    const sober = new Play()
    await sober.begin()
    for (let at = 0; at < sober.calls; at++) {
      const play = new Play({ at, when, isFreed })
      await play.begin()
      const { world, stalledAt, tookOver } = play
      expect({ at, tookOver }).toEqual({ at, tookOver: true })
      // Only a send that was on its way when the process was held up can land late; it finds its name taken,
      // unless that was freed.
      const inFlight = stalledAt === 'sendJob' && when === 'before' ? 1 : 0
      const twice = [...world.startCounts()].filter(([, count]) => count > 1)
      expect({ at, stalledAt, twice: twice.length <= (isFreed ? inFlight : 0) }).toMatchObject({
        twice: true,
      })
      expect({ at, late: play.late }).toEqual({ at, late: [] })
      await world.runtime.advance(LEASE_MS)
      await play.live.tick()
      expect({ at, most: play.most }).toSatisfy(({ most }: { most: number }) => most <= CAP + inFlight)
      expect(world.worker.running().length).toBeLessThanOrEqual(CAP)
      await play.end()
      await assertEnds(play)
      expect(world.kinds()).not.toContain('item-lost')
    }
  },
  120_000,
)

test('a job that a stale dispatcher starts late is ended within one tick of the live one', async () => {
  const play = new Play()
  const { world } = play
  await world.put(1)
  let late: (() => Promise<unknown>) | undefined
  const sides = wrapped(world, async (_, name, call) => {
    if (name !== 'sendJob') return call()
    late = call
    return new Promise<never>(() => {})
  })
  const runtime = new ProcessRuntime(world.runtime)
  void world.engine({ ...sides, runtime, leaseTtlMs: LEASE_MS }).tick()
  await new Promise((resolve) => setImmediate(resolve))
  runtime.suspend()
  await world.runtime.advance(LEASE_MS)
  expect(await play.live.tick()).toMatchObject({ role: 'dispatcher', resent: 1 })
  const [job] = world.started
  world.worker.settleJob('i0', { stage: 'SUCCESS', result: 1 })
  expect(await play.live.tick()).toMatchObject({ settled: { success: 1 } })
  if (job !== undefined) world.jobs.lose('q', job)
  await late?.()
  expect(world.worker.running()).toHaveLength(1)
  await play.live.tick()
  expect(world.worker.running()).toEqual([])
})

test('a stale dispatcher judges nothing lost: another may have sent it again since', async () => {
  const world = new World()
  await world.put(2)
  const options = { lost: { graceMs: 1_000 }, leaseTtlMs: LEASE_MS }
  const other = world.engine(options)
  const runtime = new ProcessRuntime(world.runtime)
  const sides = wrapped(world, async (_, name, call) => {
    const answer = await call()
    if (name === 'settle') {
      runtime.suspend()
      await world.runtime.advance(LEASE_MS)
      await other.tick()
      runtime.resume()
    }
    return answer
  })
  const stale = world.engine({ ...sides, ...options, runtime })
  await stale.tick()
  await stale.tick()
  world.worker.loseJob('i0')
  await stale.tick()
  await world.runtime.advance(1_000)
  world.worker.settleJob('i1', { stage: 'SUCCESS' })
  // The settle of what ended hangs, and that of what is lost would come after it.
  expect(await stale.tick()).toMatchObject({ role: 'standby', lost: 0, settled: { success: 1 } })
  expect(await world.queue.lookupStatus('i0')).toBe('PROCESSING')
  await world.runtime.advance(1_000)
  expect(await other.tick()).toMatchObject({ lost: 1 })
})

test('a stale dispatcher cancels nothing for being pending too long', async () => {
  const world = new World()
  await world.put(1)
  const options = { jobs: { pendingTimeoutMs: 60_000 }, leaseTtlMs: LEASE_MS }
  const other = world.engine(options)
  const runtime = new ProcessRuntime(world.runtime)
  let isLate = false
  const cancels: unknown[] = []
  const sides = wrapped(world, async (_, name, call) => {
    if (name === 'cancelJob') cancels.push(name)
    const answer = await call()
    if (isLate && name === 'lookupJob') {
      runtime.suspend()
      await world.runtime.advance(LEASE_MS)
      await other.tick()
      runtime.resume()
    }
    return answer
  })
  const stale = world.engine({ ...sides, ...options, runtime })
  await stale.tick()
  world.worker.holdJob('i0', 'no room')
  await stale.tick()
  for (let second = 0; second < 57; second += 3) {
    await world.runtime.advance(3_000)
    await stale.tick()
  }
  await world.runtime.advance(3_000)
  isLate = true
  expect(await stale.tick()).toMatchObject({ role: 'standby', cancelled: 0 })
  expect(cancels).toEqual([])
  expect(world.kinds()).not.toContain('job-cancelled')
})
