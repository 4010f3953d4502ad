import { expect, test } from 'vitest'
import { RateMeter } from '../../src/output/rate-meter.js'

test('no rate before two readings', () => {
  const meter = new RateMeter()
  expect(meter.perMinute()).toBeUndefined()
  meter.add(0, 10)
  expect(meter.perMinute()).toBeUndefined()
  expect(meter.etaMs(5)).toBeUndefined()
  expect(meter.etaMs(0)).toBe(0)
})

test('rate and ETA follow the readings', () => {
  const meter = new RateMeter()
  meter.add(0, 0)
  meter.add(10_000, 20)
  expect(meter.perMinute()).toBe(120)
  expect(meter.etaMs(60)).toBe(30_000)
})

test('readings older than the window do not count', () => {
  const meter = new RateMeter(10_000)
  meter.add(0, 0)
  meter.add(10_000, 1000)
  meter.add(20_000, 1001)
  meter.add(30_000, 1002)
  expect(meter.perMinute()).toBe(6)
  expect(meter.spanMs()).toBe(10_000)
})

test('a requeue causes no negative rate, and a rate of zero has no ETA', () => {
  const meter = new RateMeter()
  meter.add(0, 100)
  meter.add(10_000, 40)
  expect(meter.perMinute()).toBe(0)
  expect(meter.etaMs(5)).toBeUndefined()
})
