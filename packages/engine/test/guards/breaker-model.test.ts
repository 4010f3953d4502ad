import { SluiceError, type JobRef } from '@sluice/core'
import { wrapQueue } from '@sluice/testkit'
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { processingLimit, resetBreaker, type WorkQueue } from '../../src/index.js'
import { World } from '../world.js'

const [LIMIT, CANARY, WINDOW, FAILURES, LEASE_MS] = [9, 3, 6, 3, 2_000]

type Command =
  | { readonly do: 'put'; readonly count: number }
  | { readonly do: 'end'; readonly which: number; readonly isFailure: boolean }
  | { readonly do: 'tick' | 'settle fails' }
  | { readonly do: 'restart'; readonly isClean: boolean }
  | { readonly do: 'resume'; readonly byCommand: boolean }
  | { readonly do: 'pass'; readonly ms: number }

const command: fc.Arbitrary<Command> = fc.oneof(
  { weight: 8, arbitrary: fc.record({ do: fc.constant('tick') }) },
  { weight: 8, arbitrary: fc.record({ do: fc.constant('end'), which: fc.nat(8), isFailure: fc.boolean() }) },
  { weight: 4, arbitrary: fc.record({ do: fc.constant('put'), count: fc.integer({ min: 1, max: 8 }) }) },
  { weight: 2, arbitrary: fc.record({ do: fc.constant('resume'), byCommand: fc.boolean() }) },
  fc.record({ do: fc.constant('settle fails') }),
  fc.record({ do: fc.constant('restart'), isClean: fc.boolean() }),
  fc.record({ do: fc.constant('pass'), ms: fc.constantFrom(1, 700, 3_000) }),
) as fc.Arbitrary<Command>

interface ModelJob {
  /** `undefined`: it runs. */
  end?: { readonly atMs: number; readonly isFailure: boolean }
  /** Its end does not count, or has been counted. */
  isCounted: boolean
}

/** What a breaker and a canary do, without a document, an engine or a crash. */
class Model {
  readonly jobs = new Map<string, ModelJob>()
  waiting = 0
  /** Claimed in a tick that failed, and not sent. */
  unsent = 0
  isOpen = false
  isResumed = false
  window: boolean[] = []
  ended = 0
  failed = 0

  /** They began before the run. Jobs that have ended take their places until they are settled. */
  get others(): number {
    return [...this.jobs.values()].filter(({ isCounted, end }) => isCounted && end === undefined).length
  }

  #newRun(): void {
    this.ended = this.failed = 0
  }

  observe(): void {
    if (this.isOpen && this.isResumed) {
      this.isOpen = false
      this.window = []
      this.#newRun()
      for (const job of this.jobs.values()) job.isCounted = true
    }
    this.isResumed = false
    const ends = [...this.jobs.values()]
      .flatMap((job) => (job.end === undefined ? [] : [{ job, ...job.end }]))
      .toSorted((a, b) => a.atMs - b.atMs || Number(a.isFailure) - Number(b.isFailure))
    for (const { job, isFailure } of ends) {
      if (this.isOpen || job.isCounted) continue
      job.isCounted = true
      this.window = [...this.window, isFailure].slice(-WINDOW)
      if (this.ended < WINDOW) {
        this.ended += 1
        if (isFailure) this.failed += 1
      }
      this.isOpen = this.window.filter(Boolean).length >= FAILURES
    }
  }

  settle(): void {
    for (const [id, { end }] of this.jobs) if (end !== undefined) this.jobs.delete(id)
  }

  /** @returns how many start */
  dispatch(): number {
    if (this.isOpen) {
      this.waiting += this.unsent
      this.unsent = 0
      return 0
    }
    const inFlight = this.jobs.size - this.others + this.unsent
    const rooms = [
      LIMIT - this.jobs.size - this.unsent,
      ...(this.ended < CANARY ? [CANARY - this.ended - inFlight] : []),
      ...(this.ended < WINDOW ? [WINDOW - inFlight, CANARY + WINDOW - this.ended - inFlight] : []),
    ]
    const room = Math.max(0, Math.min(...rooms))
    const started = Math.min(room, this.waiting)
    this.waiting -= started
    if (room > 0 && started === 0 && this.jobs.size + this.unsent === 0) this.#newRun()
    return started
  }
}

interface Pair {
  readonly seen: object
  readonly model: object
}

class Play {
  readonly world = new World()
  readonly model = new Model()
  #engine = this.#open()
  #isBroken = false
  #puts = 0

  #open(): WorkQueue<unknown> {
    const inner = this.world.openQueue()
    const settle: typeof inner.settle = async (moves) => {
      if (this.#isBroken) throw new SluiceError('SLUICE_QUEUE_UNAVAILABLE', 'as the test wants it')
      return inner.settle(moves)
    }
    return this.world.engine({
      queue: wrapQueue(inner, { settle }),
      policy: processingLimit(LIMIT),
      leaseTtlMs: LEASE_MS,
      canary: CANARY,
      breaker: { failures: FAILURES, window: WINDOW },
    })
  }

  /** @returns what the queue has after a tick, and what the model says */
  async run(step: Command): Promise<Pair | undefined> {
    const { world, model } = this
    if (step.do === 'put') {
      await world.put(step.count, `${this.#puts++}-`)
      model.waiting += step.count
    } else if (step.do === 'end') this.#end(step.which, step.isFailure)
    else if (step.do === 'pass') await world.runtime.advance(step.ms)
    else if (step.do === 'resume') await this.#resume(step.byCommand)
    else if (step.do === 'restart') await this.#restart(step.isClean)
    else return this.#tick(step.do === 'settle fails')
    return undefined
  }

  #end(which: number, isFailure: boolean): void {
    const running = this.world.worker.running()
    const job = running[which % Math.max(1, running.length)]
    if (job === undefined) return
    const atMs = this.world.runtime.now()
    const known = this.model.jobs.get(nameOf(job))
    if (known === undefined) throw new Error('the model lacks a job')
    known.end = { atMs, isFailure }
    this.world.worker.settleJob(
      job.id,
      isFailure ? { stage: 'FAIL', failureClass: 'failed', message: 'it is bad' } : { stage: 'SUCCESS' },
    )
  }

  async #resume(byCommand: boolean): Promise<void> {
    if (!(await this.world.queue.control.read()).paused) return
    if (byCommand) await resetBreaker(this.world.queue)
    await this.world.queue.control.resume()
    this.model.isResumed = true
  }

  async #restart(isClean: boolean): Promise<void> {
    if (isClean) await this.#engine.close()
    else await this.world.runtime.advance(LEASE_MS + 1)
    this.#engine = this.#open()
  }

  async #tick(isBroken: boolean): Promise<Pair | undefined> {
    const { world, model } = this
    this.#isBroken = isBroken
    const hasEnds = [...model.jobs.values()].some(({ end }) => end !== undefined)
    const { role } = await this.#engine.tick()
    this.#isBroken = false
    if (role !== 'dispatcher') return undefined
    model.observe()
    if (!(isBroken && hasEnds)) model.settle()
    const started = model.dispatch()
    const seen = this.#noteStarted()
    // What is claimed beside a settle that fails may be sent in this tick, or in the next.
    const expected = isBroken && hasEnds ? seen : started + model.unsent
    model.unsent += started - seen
    const { PROCESSING, WAITING } = await world.queue.sizes()
    const isPaused = (await world.queue.control.read()).paused
    return {
      seen: { started: seen, isPaused, PROCESSING, WAITING },
      model: {
        started: expected,
        isPaused: model.isOpen,
        PROCESSING: model.jobs.size + model.unsent,
        WAITING: model.waiting,
      },
    }
  }

  /** @returns how many jobs have started */
  #noteStarted(): number {
    const { model, world } = this
    const before = model.jobs.size
    for (const job of world.worker.running())
      if (!model.jobs.has(nameOf(job))) model.jobs.set(nameOf(job), { isCounted: false })
    return model.jobs.size - before
  }
}

const nameOf = ({ id, attempt }: JobRef): string => `${id} ${attempt}`

test('canary, window and breaker do as a small model does, whatever starts, ends, fails, is resumed and restarts', async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(command, { minLength: 5, maxLength: 60 }), async (steps) => {
      const play = new Play()
      for (const step of [{ do: 'put', count: 8 } as const, { do: 'tick' } as const, ...steps]) {
        const after = await play.run(step)
        expect(after?.seen).toEqual(after?.model)
      }
    }),
    { numRuns: 400 },
  )
}, 120_000)
