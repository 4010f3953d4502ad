import { DISPATCHER_LEASE } from '@sluice/engine'
import { openQueue } from '@sluice/queue-memory'
import { expect, test } from 'vitest'
import { RateMeter } from '../../src/output/rate-meter.js'
import { readStatus, statusLimit } from '../../src/status/read-status.js'
import { limitText } from '../../src/status/status-text.js'

const LOWERED = { limit: 80, pushedBackAt: 94, cause: 'refused', reason: '429 Too Many Requests' } as const

test('the lowered limit of the service that dispatches is part of the limit, with its reason', async () => {
  const queue = await openQueue({ name: 'tiles' })
  const lease = await queue.lease(DISPATCHER_LEASE, 'host/7/abc', 15_000)
  if (lease === undefined) throw new Error('the lease is taken')
  const { holder, fencingToken } = lease
  const state = {
    holder,
    fencingToken,
    is: 'working',
    sinceAt: 1,
    leaseTtlMs: 15_000,
    syncedTo: 0,
    holdups: [],
  }
  await queue
    .document('engine/dispatcher')
    .write({ ...state, atMost: 200, lowered: { ...LOWERED } }, { ifVersion: undefined, lease })
  const options = { configuredLimit: 200, meter: new RateMeter(), runtime: { monotonicMs: () => 0 } }
  const status = await readStatus(queue, options)
  expect(status.limit).toEqual({ configured: 200, effective: 80, reason: '429 Too Many Requests' })
  expect(limitText(status.limit, status.service.atMost)).toBe(
    'at most 200 jobs at once, as the service is configured; lowered to 80 for now: 429 Too Many Requests',
  )
  await lease.release()
  expect((await readStatus(queue, options)).limit).toEqual({ configured: 200 })
  await queue.close()
})

test('a live limit below it is the one that counts', () => {
  expect(statusLimit(50, 200, LOWERED)).toEqual({ live: 50, configured: 200 })
  expect(statusLimit(150, 200, LOWERED)).toMatchObject({ live: 150, effective: 80 })
})
