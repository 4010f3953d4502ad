import type { LeaseView } from '@sluice/core'
import { DISPATCHER_LEASE } from '@sluice/engine'
import { openQueue } from '@sluice/queue-memory'
import { expect, test } from 'vitest'
import { logStandby } from '../../src/run/standby-log.js'
import { RateMeter } from '../../src/output/rate-meter.js'
import { readStatus } from '../../src/status/read-status.js'

const TTL_MS = 15_000

function leaseOf(leftMs: number): LeaseView {
  return { name: DISPATCHER_LEASE, holder: 'host/7/abc', fencingToken: 1, leftMs, ttlMs: TTL_MS }
}

async function holdupsAt(leftMs: number) {
  const queue = await openQueue({ name: 'tiles' })
  await queue.put('a', 1)
  queue.readLease = async () => leaseOf(leftMs)
  const runtime = { monotonicMs: () => 0 }
  const { holdups, service } = await readStatus(queue, {
    configuredLimit: 1,
    meter: new RateMeter(),
    runtime,
  })
  await queue.close()
  expect(service.state).toBe('dispatching')
  return holdups
}

test('a dispatcher that renews its lease in time holds nothing up', async () => {
  expect(await holdupsAt(TTL_MS - 7_400)).toEqual([])
})

test('one that has missed a renewal: when it was last seen, and when another takes over', async () => {
  expect(await holdupsAt(TTL_MS - 8_000)).toMatchObject([
    {
      code: 'no-dispatcher',
      message: expect.stringMatching(/was last seen 8s ago: .* can take over in 7s$/u),
    },
  ])
})

async function standby(readLease: () => Promise<LeaseView | undefined>): Promise<unknown[]> {
  const lines: unknown[] = []
  const log = (_: object, text: string) => void lines.push(text)
  await logStandby({ readLease }, { debug: log, info: log, warn: log, error: log })
  return lines
}

test('a standby says who dispatches, when it was last seen, and when it takes over', async () => {
  expect(await standby(async () => leaseOf(12_300))).toEqual([
    'standing by: another service dispatches this queue (host/7/abc, last seen 3s ago); this one takes over in up to 13s if that one has ended',
  ])
})

test('without a lease to read it says only that it stands by', async () => {
  const bare = ['standing by: another service dispatches this queue']
  expect(await standby(async () => undefined)).toEqual(bare)
  expect(await standby(() => Promise.reject(new Error('down')))).toEqual(bare)
})
