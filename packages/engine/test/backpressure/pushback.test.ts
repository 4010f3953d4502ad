import { expect, test } from 'vitest'
import { checkedBackpressure } from '../../src/backpressure/backpressure-options.js'
import {
  fullPushback,
  isOverload,
  latencyPushback,
  pendingPushback,
} from '../../src/backpressure/pushback.js'
import { SendLatency } from '../../src/backpressure/send-latency.js'

const AIMD = { algorithm: 'aimd', minLimit: 10, slowSendMs: 250, pendingMs: 30_000 } as const
const GRADIENT = { ...AIMD, algorithm: 'gradient' } as const

test.each([
  ['as usual', AIMD, 50, 50, undefined],
  ['three times as long, and still quick', AIMD, 200, 50, undefined],
  ['slow, and always so', AIMD, 900, 800, undefined],
  ['slow', AIMD, 300, 50, 85],
  ['slow, by how much', GRADIENT, 300, 100, 66 + 4],
  ['very slow, by half at most', GRADIENT, 5_000, 100, 50 + 3],
  ['slow, and the duration of sends is left aside', { ...AIMD, slowSendMs: 0 }, 9_000, 50, undefined],
] as const)('sends that are %s', (_, rule, nowMs, usualMs, target) => {
  const { pushback } = latencyPushback(rule, { nowMs, usualMs }, 100)
  expect(pushback && Math.floor(pushback.target)).toBe(target)
})

test('what is usual falls at once, and grows over minutes', () => {
  const latency = new SendLatency()
  const read = (ms: number, atMonotonic: number) => {
    for (let send = 0; send < 5; send++) latency.note(ms, atMonotonic)
    return latency.read(atMonotonic)
  }
  read(400, 1_000)
  expect(read(50, 2_000)?.usualMs).toBe(50)
  expect(read(500, 12_000)?.usualMs).toBeLessThan(60)
  for (let atMs = 20_000; atMs < 1_800_000; atMs += 10_000) read(500, atMs)
  expect(read(500, 1_800_000)?.usualMs).toBeGreaterThan(400)
  latency.note(1, 1_900_000)
  expect(latency.read(1_900_000)).toBeUndefined()
  expect(latency.read(1_905_000)?.nowMs).toBe(1)
})

const pending = (count: number, ms: number) => Array.from({ length: count }, () => ms)

test.each([
  ['few', { pendingMs: pending(9, 60_000) }, undefined],
  ['many, and not for long', { pendingMs: pending(60, 5_000), acceptedOfLate: 60 }, undefined],
  ['many', { pendingMs: pending(40, 60_000) }, 66],
  ['all', { pendingMs: pending(100, 60_000) }, 50],
  [
    'many, while what came later has started',
    { pendingMs: pending(40, 60_000), acceptedOfLate: 30 },
    undefined,
  ],
  [
    'many, and what came later too',
    { pendingMs: [...pending(40, 60_000), ...pending(30, 9_000)], acceptedOfLate: 30 },
    66,
  ],
] as const)('pending for long are %s of 100', (_, jobs, target) => {
  expect(pendingPushback(AIMD, { unfinished: 100, acceptedOfLate: 0, ...jobs }).pushback?.target).toBe(target)
})

test('a worker that is full at the same number has a limit; one that is full at fewer is overloaded', () => {
  expect(fullPushback({ message: 'full' }, 100, 0)).toBeUndefined()
  expect(fullPushback({ message: 'full' }, 99, 100)).toBeUndefined()
  expect(fullPushback({ message: 'full' }, 80, 100)).toMatchObject({ target: 68 })
  expect([isOverload({ message: '', sends: 2 }, 0), isOverload({ message: '', sends: 3 }, 50)]).toEqual([
    false,
    false,
  ])
  expect(isOverload({ message: '', sends: 6 }, 50)).toBe(true)
})

test.each([
  [{ algorithm: 'vegas' }, /backpressure\.algorithm/u],
  [{ minLimit: 0 }, /backpressure\.minLimit/u],
  [{ minLimit: 1.5 }, /backpressure\.minLimit/u],
  [{ slowSendMs: -1 }, /backpressure\.slowSendMs/u],
  [{ pendingMs: Number.NaN }, /backpressure\.pendingMs/u],
  [{ max: 3 }, /backpressure\.max/u],
  ['on', /backpressure/u],
] as const)('%j is refused by its name', (options, message) => {
  expect(() => Reflect.apply(checkedBackpressure, undefined, [options])).toThrow(message)
})
