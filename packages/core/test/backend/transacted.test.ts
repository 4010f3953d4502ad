import { expect, test } from 'vitest'
import { isLeaseHeld, transactedParts, type QueueTables } from '../../src/backend/index.js'

function open() {
  const tables: QueueTables = {
    leases: new Map(),
    documents: new Map(),
    control: { paused: false, limits: {} },
  }
  const clock = { now: 1_000 }
  return {
    tables,
    clock,
    ...transactedParts(
      (act) => act(tables),
      () => clock.now,
    ),
  }
}

const at = (ifVersion?: number) => ({ ifVersion, lease: undefined })

test('a lease is one holder’s until it runs out or is given back, and its token grows with each holder', async () => {
  const { tables, clock, leases } = open()
  const mine = await leases.take('l', 'me', 100)
  expect(mine).toMatchObject({ holder: 'me', fencingToken: 1, ttlMs: 100 })
  expect(await leases.take('l', 'other', 100)).toBeUndefined()
  expect(await leases.read('l')).toMatchObject({ holder: 'me', leftMs: 100 })
  clock.now += 60
  expect(await mine?.renew()).toBe(true)
  clock.now += 100
  expect(await mine?.renew()).toBe(false)
  const theirs = await leases.take('l', 'other', 100)
  expect(theirs?.fencingToken).toBe(2)
  expect([mine, theirs].map((lease) => lease && isLeaseHeld(tables, lease, clock.now))).toEqual([false, true])
  await theirs?.release()
  expect(await leases.read('l')).toBeUndefined()
  expect((await leases.take('l', 'me', 100))?.fencingToken).toBe(3)
})

test('a document changes by its version, which never comes again, and under a lease that is held', async () => {
  const { clock, documents, leases } = open()
  expect(await documents.write('d', '1', at())).toBe('done')
  expect(await documents.write('d', '2', at())).toBe('other-version')
  expect(await documents.write('d', '2', at(1))).toBe('done')
  expect(await documents.read('d')).toEqual({ value: 2, version: 2 })
  expect(await documents.remove('d', at(1))).toBe('other-version')
  expect(await documents.remove('d', at())).toBe('done')
  expect(await documents.remove('d', at())).toBe('other-version')
  expect(await documents.write('d', '3', at())).toBe('done')
  expect((await documents.read('d'))?.version).toBe(4)
  expect(await documents.names('')).toEqual(['d'])
  const lease = await leases.take('l', 'me', 100)
  clock.now += 100
  expect(await documents.write('d', '4', { ifVersion: 4, lease })).toBe('lease-lost')
})

test('each call of control changes its own part', async () => {
  const { clock, control } = open()
  await control.setLimits([['b', 2]])
  await control.pause('why')
  clock.now += 10
  await control.pause(undefined)
  await control.setLimits([
    ['a', 1],
    ['b', null],
  ])
  expect(await control.sync()).toBe(1)
  expect(await control.read()).toEqual({ paused: true, pausedAt: 1_000, limits: { a: 1 }, syncs: 1 })
  await control.resume()
  expect(await control.read()).toEqual({ paused: false, limits: { a: 1 }, syncs: 1 })
})

test('a control state that was read is a copy', async () => {
  const { control } = open()
  await control.setLimits([['a', 1]])
  Object.assign((await control.read()).limits, { a: 2 })
  expect((await control.read()).limits).toEqual({ a: 1 })
})
