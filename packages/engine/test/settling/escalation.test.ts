import type { ItemRecord } from '@sluice/core'
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { processingLimit, type RetryRule, type WorkQueue } from '../../src/index.js'
import { World, wrapped } from '../world.js'

const HOUR_MS = 3_600_000
const escalate = (...values: string[]) => ({ parameter: 'memory', values })
const oom = (...values: string[]): RetryRule => ({
  classes: ['oom'],
  maxAttempts: 99,
  ...(values.length === 0 ? {} : { escalate: escalate(...values) }),
})
const OTHERS: RetryRule = { classes: ['evicted', 'killed'], maxAttempts: 99 }
const gib = (size = ''): number => Number.parseInt(size, 10)

function overridesOf({ details }: Pick<ItemRecord, 'details'>): unknown {
  return typeof details === 'object' && details !== null && 'overrides' in details
    ? details.overrides
    : undefined
}

interface Outcome {
  readonly items: readonly ItemRecord[]
  /** GiB times hours of all attempts. */
  readonly gibHours: number
}

/**
 * Runs items of which some need more than the first value; a job below its need ends halfway, out of memory.
 */
async function run(
  need: (index: number) => number,
  values: readonly string[],
  count: number,
): Promise<Outcome> {
  const world = new World()
  const ids = await world.put(count)
  const engine = world.engine({
    policy: processingLimit(50),
    retry: { rules: [oom(...values)], backoff: { baseMs: 1_000, jitter: 0 } },
  })
  const durationMs = 600_000
  let gibHours = 0
  const endedOf = new Set<string>()
  while ((await world.queue.sizes()).WAITING + (await world.queue.sizes()).PROCESSING > 0) {
    await engine.tick()
    for (const job of world.worker.running()) {
      const known = world.jobs.find('q', job)
      const given = gib(known?.overrides?.['memory'])
      const isEnough = given >= need(ids.indexOf(job.id))
      const ranMs = world.runtime.now() - (known?.startedAt ?? 0)
      if (ranMs < (isEnough ? durationMs : durationMs / 2) || endedOf.has(`${job.id} ${job.attempt}`))
        continue
      endedOf.add(`${job.id} ${job.attempt}`)
      gibHours += (given * ranMs) / HOUR_MS
      const end = isEnough
        ? ({ stage: 'SUCCESS' } as const)
        : ({ stage: 'FAIL', failureClass: 'oom' } as const)
      world.worker.settleJob(job.id, end)
    }
    await world.runtime.advance(30_000)
  }
  const { items } = await world.queue.list('SUCCESS', { limit: count + 1 })
  return { items: items.toSorted((a, b) => ids.indexOf(a.id) - ids.indexOf(b.id)), gibHours }
}

const need = (index: number): number => (index % 20 === 7 ? 8 : 3)

test('5 % of items need 8Gi: all succeed, with at most 0.4 of the memory-hours of 16Gi for all', async () => {
  const escalated = await run(need, ['4Gi', '8Gi', '16Gi'], 400)
  const flat = await run(need, ['16Gi'], 400)
  for (const { items } of [escalated, flat]) expect(items).toHaveLength(400)
  const share = escalated.gibHours / flat.gibHours
  expect(share).toBeLessThanOrEqual(0.4)
  expect(share).toBeGreaterThan(0.2)
  const large = escalated.items[7]?.history.map(overridesOf)
  expect(large).toEqual([{ memory: '4Gi' }, { memory: '8Gi' }])
})

/** The values of the attempts of one item that fails with these classes, and then ends well. */
async function valuesOf(classes: readonly string[], engineOf: (world: World) => () => Promise<unknown>) {
  const world = new World()
  const [id = ''] = await world.put(1)
  const tick = engineOf(world)
  for (let step = 0; step < 200; step++) {
    await tick()
    const item = await world.queue.lookup(id)
    if (item?.stage === 'SUCCESS') return { values: item.history.map(overridesOf), world }
    for (const { attempt } of world.worker.running()) {
      const failureClass = classes[attempt - 1]
      if (failureClass === undefined) world.worker.settleJob(id, { stage: 'SUCCESS' })
      else world.worker.settleJob(id, { stage: 'FAIL', failureClass })
    }
    await world.runtime.advance(1_000)
  }
  throw new Error('it has not ended')
}

test.each(['before', 'after'] as const)(
  'killed %s each call of an escalation, the values are the same, and no job starts twice',
  async (when) => {
    const classes = ['oom', 'evicted', 'oom']
    const options = {
      retry: { rules: [oom('4Gi', '8Gi', '16Gi'), OTHERS], backoff: { baseMs: 500, jitter: 0 } },
      leaseTtlMs: 1_000,
    }
    const expected = ['4Gi', '8Gi', '8Gi', '16Gi'].map((memory) => ({ memory }))
    let calls = 0
    for (let at = -1; at < calls; at++) {
      let made = 0
      const { values, world } = await valuesOf(classes, (place) => {
        let die: (how: 'dead') => void
        const death = new Promise<'dead'>((resolve) => (die = resolve))
        let isDead = false
        let isMortal = true
        const { queue, worker } = wrapped(place, async (_side, _name, call) => {
          if (isDead) return new Promise(() => {})
          const isIt = made++ === at
          if (isIt && when === 'before') return kill()
          const answer = await call()
          return isIt ? kill() : answer
        })
        const kill = (): Promise<never> => {
          isDead = true
          die('dead')
          return new Promise(() => {})
        }
        let engine: WorkQueue<unknown> = place.engine({ ...options, queue, worker })
        return async () => {
          if (!isMortal) return engine.tick()
          if ((await Promise.race([engine.tick(), death])) !== 'dead') return undefined
          isMortal = false
          engine = place.engine(options)
          return place.runtime.advance(2_000)
        }
      })
      if (at === -1) calls = made
      expect({ at, values }).toEqual({ at, values: expected })
      expect([...world.startCounts().values()].every((count) => count === 1)).toBe(true)
    }
    expect(calls).toBeGreaterThan(30)
  },
  60_000,
)

type Step =
  | { readonly do: 'fail'; readonly failureClass: 'oom' | 'evicted' | 'failed' }
  | { readonly do: 'restart' | 'lose answer' | 'refuse' | 'release' }
  | { readonly do: 'configure'; readonly rules: number }

const RULES = [
  [oom('4Gi', '8Gi', '16Gi'), OTHERS],
  [oom('6Gi', '12Gi'), OTHERS],
  [oom(), OTHERS],
] as const

const step: fc.Arbitrary<Step> = fc.oneof(
  {
    weight: 4,
    arbitrary: fc.record({
      do: fc.constant('fail' as const),
      failureClass: fc.constantFrom('oom', 'evicted', 'failed'),
    }),
  },
  fc.record({ do: fc.constantFrom('restart', 'lose answer', 'refuse', 'release') }),
  fc.record({ do: fc.constant('configure' as const), rules: fc.nat(RULES.length - 1) }),
)

/** What the next attempt after a failure gets, by the rules. */
function model(rules: number, value: string | undefined, failureClass: string): string | undefined {
  const values = RULES[rules]?.[0].escalate?.values
  if (values === undefined) return undefined
  if (value === undefined) return values[0]
  if (failureClass !== 'oom') return value
  return values.find((one) => gib(one) > gib(value)) ?? value
}

test('any order of failures, restarts, refusals and changes of the rules: the values are those of a model', async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(step, { maxLength: 14 }), async (steps) => {
      const world = new World()
      const [id = ''] = await world.put(1)
      let rules = 0
      const open = () =>
        world.engine({
          worker: world.worker,
          retry: { rules: RULES[rules] ?? [], backoff: { baseMs: 500 } },
          leaseTtlMs: 1_000,
        })
      let engine = open()
      /** What was recorded for the next attempt; `undefined`: it is the first. */
      let recorded: string | undefined
      const untilRuns = async () => {
        for (let tick = 0; tick < 60 && world.worker.running().length === 0; tick++) {
          await engine.tick()
          await world.runtime.advance(1_000)
        }
        await engine.tick()
        const [job] = world.worker.running()
        return job && world.jobs.find('q', job)?.overrides?.['memory']
      }
      const firstOf = () => RULES[rules]?.[0].escalate?.values[0]
      for (const one of steps) {
        if (one.do === 'configure') rules = one.rules
        if (one.do === 'configure' || one.do === 'restart') {
          engine = open()
          await world.runtime.advance(2_000)
          continue
        }
        if (one.do === 'lose answer') {
          world.worker.loseAnswer()
          continue
        }
        if (one.do === 'refuse') {
          world.worker.troubleItem(id)
          await engine.tick()
          world.worker.troubleItem(id, 'none')
          continue
        }
        const before = world.worker.running().length
        const value = await untilRuns()
        expect(value).toBe(before === 0 ? (recorded ?? firstOf()) : value)
        if (one.do !== 'fail') {
          world.worker.settleJob(id, { stage: 'FAIL' })
          await world.queue.release(id).catch(() => undefined)
          recorded = undefined
          continue
        }
        world.worker.settleJob(id, { stage: 'FAIL', failureClass: one.failureClass })
        await engine.tick()
        recorded = model(rules, value, one.failureClass)
        if ((await world.queue.lookupStatus(id)) !== 'FAIL') continue
        await world.queue.requeue([id])
        recorded = undefined
      }
    }),
    { numRuns: 150 },
  )
}, 60_000)
