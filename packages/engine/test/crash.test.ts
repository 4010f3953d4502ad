import { SluiceError, type Runtime, type Stage, type Worker } from '@sluice/core'
import { expect, test } from 'vitest'
import { processingLimit, type WorkQueue } from '../src/index.js'
import { ProcessRuntime } from './process-runtime.js'
import { World, wrapped } from './world.js'

/**
 * How the n-th call of the first engine goes wrong: the process dies before or after its effect, or the call
 * rejects so, or the process is held up there for longer than its lease lives, while another engine goes on,
 * and then goes on itself.
 */
type Crash = `${'dies' | 'throws' | 'stalls'} ${'before' | 'after'}`

interface Plan {
  readonly crash?: Crash
  readonly at?: number
  /** Another engine stands by from the start. */
  readonly standby: boolean
  /** Now and then polls are incomplete, and lack half of the jobs. */
  readonly blind?: boolean
  /** The worker starts up to three jobs by one call. */
  readonly many?: boolean
}

interface Outcome {
  readonly stages: Record<string, Stage>
  readonly calls: number
  readonly steps: number
}

/**
 * Beside the plain plan, where each call goes wrong in each way, the others try every third call, and all
 * with SLUICE_EXPLORE.
 */
const OTHER_PLANS_STEP = process.env['SLUICE_EXPLORE'] === undefined ? 3 : 1
const CAP = 3
const LEASE_MS = 4_000
/** Enough for every attempt, every backoff and a takeover. */
const MAX_STEPS = 120

/** What each item's job does, by the attempt. */
function fate(id: string, attempt: number): 'ok' | 'fail' | 'vanish' {
  if (id === 'i2' || id === 'i7') return attempt < 3 ? 'fail' : 'ok'
  if (id === 'i4') return 'fail'
  if (id === 'i9' && attempt === 1) return 'vanish'
  return 'ok'
}

class Scenario {
  readonly world = new World()
  /** Of the first engine's process. */
  readonly #runtime = new ProcessRuntime(this.world.runtime)
  readonly #startedAt = new Map<string, number>()
  readonly #vanished = new Set<string>()
  #calls = 0
  #steps = 0
  #dead = false
  #die = (): void => {}
  readonly death: Promise<'dead'>
  readonly plan: Plan
  readonly mortal: WorkQueue

  constructor(plan: Plan) {
    this.plan = plan
    this.death = new Promise((resolve) => {
      this.#die = () => {
        this.#dead = true
        resolve('dead')
      }
    })
    this.mortal = this.#first()
  }

  get calls(): number {
    return this.#calls
  }

  /** The engine whose n-th call goes wrong. */
  #first(): WorkQueue {
    const never = new Promise<never>(() => {})
    return this.engine(async (side, call) => {
      if (this.#dead) return never
      const wrong = this.#calls++ === this.plan.at ? this.plan.crash : undefined
      if (wrong === 'dies before') {
        this.#die()
        return never
      }
      if (wrong === 'throws before') throw unavailable(side)
      if (wrong === 'stalls before') await this.#othersGoOn()
      const answer = await call()
      if (wrong === 'dies after') {
        this.#die()
        return never
      }
      if (wrong === 'throws after') throw unavailable(side)
      if (wrong === 'stalls after') await this.#othersGoOn()
      return answer
    }, this.#runtime)
  }

  engine(
    around: (side: 'queue' | 'worker', call: () => Promise<unknown>) => Promise<unknown> = (_, call) =>
      call(),
    runtime: Runtime = this.world.runtime,
  ): WorkQueue {
    const { queue, worker } = wrapped(
      this.world,
      (side, name, call) => {
        const running = this.world.worker.running().length
        if (running > CAP) throw new Error(`${running} jobs run at once, before ${name}`)
        return around(side, name === 'pollAllStatus' ? () => this.#polled(call) : call)
      },
      this.plan.many === true ? { maxJobsPerSend: CAP } : {},
    )
    rejectOne(worker, 'i5')
    return this.world.engine({
      queue,
      worker,
      runtime,
      policy: processingLimit(CAP),
      retry: { maxAttempts: 3, backoff: { baseMs: 500, jitter: 0 } },
      lost: { policy: 'resend', graceMs: 3_000 },
      leaseTtlMs: LEASE_MS,
      sendConcurrency: 2,
    })
  }

  /** Every other three seconds are blind ones. */
  async #polled(call: () => Promise<unknown>): Promise<unknown> {
    const reports = await call()
    if (this.plan.blind !== true || this.#steps % 6 < 3 || !(reports instanceof Map)) return reports
    const half = [...reports].filter((_, index) => index % 2 === 0)
    return Object.assign(new Map(half), { complete: false, incompleteReason: 'as the test wants it' })
  }

  /** Long enough for jobs that were started before the stall to end, be settled and be forgotten. */
  async #othersGoOn(): Promise<void> {
    const other = this.engine()
    this.#runtime.suspend()
    for (let second = 0; second < LEASE_MS / 1_000 + 5; second++) {
      await other.tick()
      await this.step()
    }
    await other.close()
    this.#runtime.resume()
  }

  /** A second passes: jobs that have run for two end as their fate is. */
  async step(): Promise<void> {
    const { world } = this
    this.#steps += 1
    await world.runtime.advance(1_000)
    for (const { id, uid, attempt } of world.worker.running()) {
      const name = `${id} ${uid} ${attempt}`
      const age = (this.#startedAt.get(name) ?? 0) + 1
      this.#startedAt.set(name, age)
      if (age < 2) continue
      if (fate(id, attempt) === 'vanish' && !this.#vanished.has(name)) {
        this.#vanished.add(name)
        this.#startedAt.delete(name)
        world.worker.loseJob(id)
      } else {
        world.worker.settleJob(id, {
          stage: fate(id, attempt) === 'fail' ? 'FAIL' : 'SUCCESS',
          result: attempt,
        })
      }
    }
  }

  async open(): Promise<boolean> {
    const { WAITING, PROCESSING } = await this.world.queue.sizes()
    return WAITING + PROCESSING > 0
  }
}

/** The worker can never accept this item. */
function rejectOne(worker: Worker, rejected: string): void {
  const [send, sendMany] = [worker.sendJob.bind(worker), worker.sendMany?.bind(worker)]
  const error = new SluiceError('SLUICE_JOB_REJECTED', 'never')
  worker.sendJob = (id, body, job) => (id === rejected ? Promise.reject(error) : send(id, body, job))
  worker.sendMany = async (jobs) => {
    const outcomes = [...((await sendMany?.(jobs.filter(({ id }) => id !== rejected))) ?? [])]
    return jobs.map(({ id }) => (id === rejected ? error : outcomes.shift()))
  }
}

function unavailable(side: 'queue' | 'worker'): SluiceError {
  const code = side === 'queue' ? 'SLUICE_QUEUE_UNAVAILABLE' : 'SLUICE_WORKER_UNAVAILABLE'
  return new SluiceError(code, 'as the test wants it')
}

/**
 * All engines tick once. The first may die of it; a supervisor starts it again at once, while its lease runs
 * on.
 */
async function tickAll(scenario: Scenario, engines: WorkQueue[]): Promise<void> {
  for (const [index, engine] of engines.entries()) {
    const result = await (engine === scenario.mortal
      ? Promise.race([engine.tick(), scenario.death])
      : engine.tick())
    if (result === 'dead') engines[index] = scenario.engine()
  }
}

async function play(plan: Plan): Promise<Outcome> {
  const scenario = new Scenario(plan)
  const { world } = scenario
  const ids = await world.put(12)
  await world.worker.sendJob('foreign', null, { uid: 'foreign', attempt: 1, queue: 'q' })
  const engines = [scenario.mortal, ...(plan.standby ? [scenario.engine()] : [])]
  let steps = 0
  for (; steps < MAX_STEPS && (await scenario.open()); steps++) {
    await tickAll(scenario, engines)
    await scenario.step()
  }
  // After the last item, what a crash left at the worker is tidied up too.
  for (let step = 0; step < 9; step++) {
    await tickAll(scenario, engines)
    await scenario.step()
  }
  expect((await world.worker.pollAllStatus()).size).toBe(0)
  const stages: Record<string, Stage> = {}
  for (const id of ids) stages[id] = await world.queue.lookupStatus(id)
  await assertSound(scenario, ids)
  return { stages, calls: scenario.calls, steps }
}

async function assertSound({ world }: Scenario, ids: readonly string[]): Promise<void> {
  for (const [name, count] of world.startCounts()) {
    // The job that vanished without a trace may be started again: it can’t be told from one that never
    // started.
    expect(`${name}: ${count}`).toBe(`${name}: ${name.startsWith('i9 ') ? count : 1}`)
  }
  expect(world.peak).toBeLessThanOrEqual(CAP)
  for (const id of ids) {
    const item = await world.queue.lookup(id)
    const last = item?.history.at(-1)
    expect(last?.outcome).toBe(item?.stage)
    if (item?.stage === 'SUCCESS') expect(item.result).toBe(item.attempt)
  }
}

const ALL_WELL: Record<string, Stage> = Object.fromEntries(
  Array.from({ length: 12 }, (_, index) => [`i${index}`, index === 4 || index === 5 ? 'FAIL' : 'SUCCESS']),
)

test('without a crash the scenario ends as its fates are', async () => {
  for (const standby of [false, true]) {
    for (const plan of [{}, { blind: true }, { many: true }]) {
      const { blind } = { blind: false, ...plan }
      const { stages, calls, steps } = await play({ standby, ...plan })
      expect(stages).toEqual(ALL_WELL)
      expect(calls).toBeGreaterThan('many' in plan ? 50 : 60)
      expect(steps).toBeLessThan(blind ? 45 : 30)
    }
  }
})

test.each([
  ['dies before', false],
  ['dies before', true],
  ['dies after', false],
  ['dies after', true],
  ['throws before', false],
  ['throws before', true],
  ['throws after', false],
  ['throws after', true],
  ['stalls before', false],
  ['stalls after', false],
] as const)(
  '%s any call, a standby there: %s; the end is the same, nothing runs twice, the cap holds',
  async (crash, standby) => {
    const { calls } = await play({ standby })
    for (let at = 0; at < calls; at++) {
      const { stages, steps } = await play({ crash, at, standby })
      expect({ at, stages }).toEqual({ at, stages: ALL_WELL })
      expect(steps).toBeLessThan(45)
    }
  },
  60_000,
)

test.each(['dies before', 'dies after', 'throws before', 'stalls after'] as const)(
  '%s any call while polls are incomplete now and then; the end is the same, nothing runs twice, the cap holds',
  async (crash) => {
    const plan = { standby: false, blind: true }
    const { calls } = await play(plan)
    for (let at = 0; at < calls; at += OTHER_PLANS_STEP) {
      const { stages, steps } = await play({ ...plan, crash, at })
      expect({ at, stages }).toEqual({ at, stages: ALL_WELL })
      expect(steps).toBeLessThan(60)
    }
  },
  60_000,
)

test.each([
  'dies before',
  'dies after',
  'throws before',
  'throws after',
  'stalls before',
  'stalls after',
] as const)(
  '%s any call while jobs are sent by many at once; the end is the same, nothing runs twice, the cap holds',
  async (crash) => {
    const plan = { standby: false, many: true }
    const { calls } = await play(plan)
    for (let at = 0; at < calls; at += OTHER_PLANS_STEP) {
      const { stages, steps } = await play({ ...plan, crash, at })
      expect({ at, stages }).toEqual({ at, stages: ALL_WELL })
      expect(steps).toBeLessThan(45)
    }
  },
  60_000,
)
