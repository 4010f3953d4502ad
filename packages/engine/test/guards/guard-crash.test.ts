import { SluiceError, type Runtime, type Worker } from '@sluice/core'
import { expect, test } from 'vitest'
import { processingLimit, readOpenBreaker, type WorkQueue } from '../../src/index.js'
import { GUARDS_DOCUMENT } from '../../src/records/document-names.js'
import { ProcessRuntime } from '../process-runtime.js'
import { World, wrapped, type Options } from '../world.js'

/** How the n-th call of the first engine goes wrong. */
type Crash = `${'dies' | 'throws' | 'stalls'} ${'before' | 'after'}`

/** How every item fails, and what the engine is opened with. */
interface Mode {
  readonly guard: string
  readonly options: Options
  readonly isRejected: boolean
  /** The fewest failures that pause the queue. */
  readonly least: number
  /** The most that fail. */
  readonly most: number
}

const LIMIT = 6
const LEASE_MS = 4_000
const CONCURRENCY = 2
const ITEMS = 60

const MODES = {
  rejections: { guard: 'rejections', options: {}, isRejected: true, least: 20, most: 20 + CONCURRENCY },
  failures: { guard: 'first-items', options: {}, isRejected: false, least: 20, most: 20 + LIMIT },
  window: {
    guard: 'failures',
    options: { canary: 3, breaker: { failures: 12, window: 30 } },
    isRejected: false,
    least: 12,
    most: 12 + LIMIT,
  },
} satisfies Readonly<Record<string, Mode>>

/**
 * An engine whose worker rejects every item, or whose jobs all fail, and which dies, fails or stalls at one
 * of its calls; others take over.
 */
class Failures {
  readonly world = new World()
  readonly #runtime = new ProcessRuntime(this.world.runtime)
  readonly crash: Crash | undefined
  readonly at: number
  readonly mode: Mode
  calls = 0
  readonly rejected = new Set<string>()
  #isDead = false
  #die = (): void => {}
  readonly death = new Promise<'dead'>((resolve) => {
    this.#die = () => resolve('dead')
  })

  constructor(mode: Mode, crash: Crash | undefined, at: number) {
    this.mode = mode
    this.crash = crash
    this.at = at
  }

  engine(
    runtime: Runtime = this.world.runtime,
    around = (_: string, call: () => Promise<unknown>) => call(),
  ): WorkQueue {
    const { queue, worker } = wrapped(this.world, (side, _, call) => around(side, call))
    const sendJob: Worker['sendJob'] = worker.sendJob.bind(worker)
    worker.sendJob = (id, body, job) => {
      this.rejected.add(`${id} ${job.attempt}`)
      if (!this.mode.isRejected) return sendJob(id, body, job)
      return Promise.reject(new SluiceError('SLUICE_JOB_REJECTED', `${id} has no path`))
    }
    return this.world.engine({
      queue,
      worker,
      runtime,
      policy: processingLimit(LIMIT),
      leaseTtlMs: LEASE_MS,
      sendConcurrency: CONCURRENCY,
      ...this.mode.options,
    })
  }

  mortal(): WorkQueue {
    const never = new Promise<never>(() => {})
    return this.engine(this.#runtime, async (side, call) => {
      if (this.#isDead) return never
      const wrong = this.calls++ === this.at ? this.crash : undefined
      const goWrong = async (when: 'before' | 'after'): Promise<void> => {
        if (wrong === `dies ${when}`) {
          this.#isDead = true
          this.#die()
          return never
        }
        if (wrong === `throws ${when}`) throw unavailable(side)
        if (wrong === `stalls ${when}`) await this.#othersGoOn()
      }
      await goWrong('before')
      const answer = await call()
      await goWrong('after')
      return answer
    })
  }

  failJobs(): void {
    for (const { id } of this.world.worker.running())
      this.world.worker.settleJob(id, { stage: 'FAIL', failureClass: 'failed', message: `${id} has no path` })
  }

  async #othersGoOn(): Promise<void> {
    const other = this.engine()
    this.#runtime.suspend()
    for (let second = 0; second < LEASE_MS / 1_000 + 2; second++) {
      await other.tick()
      this.failJobs()
      await this.world.runtime.advance(1_000)
    }
    await other.close()
    this.#runtime.resume()
  }
}

function unavailable(side: string): SluiceError {
  const code = side === 'queue' ? 'SLUICE_QUEUE_UNAVAILABLE' : 'SLUICE_WORKER_UNAVAILABLE'
  return new SluiceError(code, 'as the test wants it')
}

/** Ticks until the queue is paused and nothing is in PROCESSING. */
async function play(mode: Mode, crash?: Crash, at = -1): Promise<{ calls: number; failed: number }> {
  const scene = new Failures(mode, crash, at)
  const { world } = scene
  const ids = await world.put(ITEMS)
  let engine = scene.mortal()
  const isOver = async (): Promise<boolean> =>
    (await world.queue.control.read()).paused && (await world.queue.sizes()).PROCESSING === 0
  for (let step = 0; step < 40 && !(await isOver()); step++) {
    if ((await Promise.race([engine.tick(), scene.death])) === 'dead') engine = scene.engine()
    scene.failJobs()
    await world.runtime.advance(1_000)
  }
  // One more, for what a crash right at the end left undone.
  await world.runtime.advance(LEASE_MS)
  const last = scene.engine()
  await last.tick()
  const { calls } = scene
  expect(await readOpenBreaker(world.queue)).toMatchObject({
    guard: mode.guard,
    reason: expect.stringContaining('has no path'),
  })
  const { WAITING, FAIL, PROCESSING } = await world.queue.sizes()
  expect({ at, PROCESSING }).toEqual({ at, PROCESSING: 0 })
  expect(WAITING + FAIL).toBe(ITEMS)
  // An attempt that is rejected again after a crash counts once.
  expect({ at, isRow: scene.rejected.size >= mode.least }).toEqual({ at, isRow: true })
  const items = await Promise.all(ids.map((id) => world.queue.lookup(id)))
  const counted = items.filter((item) => item?.stage === 'WAITING' && item.attempt !== item.uncounted)
  expect(counted).toEqual([])
  return { calls, failed: FAIL }
}

test('without a crash twenty items and those in flight are spent', async () => {
  const { failed } = await play(MODES.rejections)
  expect(failed).toBeGreaterThanOrEqual(20)
  expect(failed).toBeLessThan(20 + CONCURRENCY)
})

const CRASHES: readonly Crash[] = [
  'dies before',
  'dies after',
  'throws before',
  'throws after',
  'stalls before',
  'stalls after',
]

test.each(CRASHES.flatMap((crash) => Object.entries(MODES).map(([name, mode]) => ({ crash, name, mode }))))(
  '$crash any call between counting, pausing and failing ($name): it pauses all the same, and no more is spent',
  async ({ crash, mode }) => {
    const { calls } = await play(mode)
    expect(calls).toBeGreaterThan(40)
    for (let at = 0; at < calls; at++) {
      const { failed } = await play(mode, crash, at)
      // A pass whose count could not be stored settles nothing; one that stalls may have settled what the
      // other counted too.
      expect({ at, isWithin: failed <= mode.most }).toEqual({ at, isWithin: true })
    }
  },
  60_000,
)

test('engines that die one after the other as they store the count fail no item', async () => {
  const world = new World()
  await world.put(ITEMS)
  for (let life = 0; life < 10; life++) {
    const never = new Promise<never>(() => {})
    let isDead = false
    const { promise: death, resolve: die } = Promise.withResolvers<'dead'>()
    const { queue, worker } = wrapped(world, async (_, name, call, document) => {
      if (document === GUARDS_DOCUMENT && name === 'write document') {
        isDead = true
        die('dead')
      }
      return isDead ? never : call()
    })
    worker.sendJob = () => Promise.reject(new SluiceError('SLUICE_JOB_REJECTED', 'it has no path'))
    const engine = world.engine({ queue, worker, policy: processingLimit(6), leaseTtlMs: LEASE_MS })
    for (let tick = 0; tick < 6; tick++) if ((await Promise.race([engine.tick(), death])) === 'dead') break
    expect(isDead).toBe(true)
    await world.runtime.advance(LEASE_MS + 1)
  }
  expect(await world.queue.sizes()).toMatchObject({ FAIL: 0, PROCESSING: 6 })
})
