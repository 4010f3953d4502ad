import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import {
  all,
  processingLimit,
  rateLimit,
  unlimited,
  type DispatchPolicy,
  type DispatchSnapshot,
} from '../../src/index.js'
import { judge, roomIn } from '../../src/policies/dispatch-policy.js'
import { World } from '../world.js'

const at = (processing: number, more: Partial<DispatchSnapshot> = {}): DispatchSnapshot => ({
  processing,
  orphans: 0,
  limits: {},
  nowAt: 0,
  ...more,
})

test('processingLimit: what is left of the number; orphans take places', () => {
  expect(processingLimit(3)(at(1))).toBe(2)
  expect(processingLimit(3)(at(1, { orphans: 1 }))).toBe(1)
  expect(processingLimit(3)(at(9))).toBe(0)
  expect(processingLimit(0)(at(0))).toBe(0)
})

test('a live limit takes the place of the number, 0 included', () => {
  expect(processingLimit(3)(at(1, { limits: { maxProcessing: 10 } }))).toBe(9)
  expect(processingLimit(3)(at(0, { limits: { maxProcessing: 0 } }))).toBe(0)
  expect(processingLimit(3)(at(0, { limits: { other: 0 } }))).toBe(3)
})

test('unlimited: all, unless a person has set a limit', () => {
  expect(unlimited()(at(1_000))).toBe(Number.POSITIVE_INFINITY)
  expect(unlimited()(at(4, { limits: { maxProcessing: 5 } }))).toBe(1)
})

test('the result of a third party’s policy is made a whole number of 0 or more', () => {
  for (const [said, room] of [
    [Number.NaN, 0],
    [-3, 0],
    [2.9, 2],
    [Number.POSITIVE_INFINITY, Number.POSITIVE_INFINITY],
  ] as const) {
    expect(roomIn(() => said, at(0))).toBe(room)
  }
})

test('a wrong number is a TypeError', () => {
  for (const wrong of [-1, 1.5, Number.NaN, Number.POSITIVE_INFINITY]) {
    expect(() => processingLimit(wrong)).toThrow(TypeError)
  }
})

const held =
  (room: number, message: string): DispatchPolicy =>
  () => ({ room, holdup: { code: 'rate', message } })

describe('all', () => {
  test('the least room, and what the part says that gives it; of several the first', () => {
    expect(
      judge(
        all(held(5, 'a'), held(2, 'b'), () => 3),
        at(0),
      ),
    ).toEqual({
      room: 2,
      holdup: { code: 'rate', message: 'b' },
    })
    expect(judge(all(held(0, 'a'), held(0, 'b')), at(0)).holdup?.message).toBe('a')
    expect(judge(all(processingLimit(2), held(0, 'a')), at(2))).toEqual({ room: 0 })
    expect(judge(all(processingLimit(3), held(2, 'a')), at(2))).toEqual({ room: 1 })
  })

  test('is data, and remembers for the longest of its parts', () => {
    const policy = all(
      processingLimit(3),
      rateLimit({ count: 100, perMs: 1_000 }),
      rateLimit({ count: 3_600, perMs: 3_600_000 }),
      ({ processing }) => 7 - processing,
    )
    expect(policy.state).toEqual({ claimsForMs: 3_600_000, claimsAhead: 5 })
    expect(policy.settings).toEqual({
      policy: 'all',
      of: [
        { policy: 'processingLimit', maxProcessing: 3 },
        { policy: 'rateLimit', count: 100, perMs: 1_000 },
        { policy: 'rateLimit', count: 3_600, perMs: 3_600_000 },
        { policy: 'custom' },
      ],
    })
    expect(all(processingLimit(1)).state).toBeUndefined()
  })

  test('any parts in any order: the room is the least, as each alone gives it', () => {
    const part = fc.oneof(
      fc.nat(20).map((limit) => processingLimit(limit)),
      fc.constant(unlimited()),
      fc.nat(20).map((room): DispatchPolicy => () => ({ room })),
      fc.nat(20).map(
        (limit): DispatchPolicy =>
          ({ processing }) =>
            limit - processing,
      ),
    )
    fc.assert(
      fc.property(fc.array(part, { minLength: 1 }), fc.nat(25), fc.nat(5), (parts, processing, orphans) => {
        const snapshot = at(processing, { orphans })
        const rooms = parts.map((policy) => roomIn(policy, snapshot))
        expect(roomIn(all(...parts), snapshot)).toBe(Math.min(...rooms))
      }),
    )
  })

  test('nothing, and what is no function, is refused', () => {
    expect(() => all()).toThrow('at least one policy')
    expect(() => Reflect.apply(all, undefined, [5])).toThrow('must be a function')
  })
})

test('a result with a reason is made a whole number too', () => {
  expect(judge(() => ({ room: Number.NaN }), at(0))).toEqual({ room: 0 })
})

test('a live limit below what runs ends nothing: jobs go on, and as they end none starts before there is room', async () => {
  const world = new World()
  await world.put(10)
  const engine = world.engine({ policy: all(processingLimit(6), rateLimit({ count: 100, perMs: 1_000 })) })
  await engine.tick()
  await world.queue.control.setLimits({ maxProcessing: 2 })
  for (const left of [6, 5, 4, 3, 2]) {
    await engine.tick()
    expect(world.worker.running()).toHaveLength(left)
    if (left > 2) world.worker.settleJob(`i${6 - left}`, { stage: 'SUCCESS' })
  }
  world.worker.settleJob('i4', { stage: 'SUCCESS' })
  await engine.tick()
  expect(world.worker.running().map(({ id }) => id)).toEqual(['i5', 'i6'])
})
