import { MIN_BYTES_PER_SECOND, requestTimeMs } from '@sluice/core/backend'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import {
  TransferWindow,
  type Transfer,
  type TransferEnd,
  type TransferSize,
} from '../../../src/store/sending/transfer-window.js'

const TIMEOUT_MS = 10_000
const LEAST = (MIN_BYTES_PER_SECOND * TIMEOUT_MS) / 2_000
const MB = 1_000_000

/** Transfers in the order in which they were let in. */
function entering(window: TransferWindow) {
  const begun: Transfer[] = []
  return {
    begun,
    enter: (size: TransferSize): void => {
      void window.enter(size).then((transfer) => begun.push(transfer))
    },
    settle: async (): Promise<number> => {
      for (let turn = 0; turn < 20; turn++) await Promise.resolve()
      return begun.length
    },
  }
}

const done = (ms: number, bytes = MB): TransferEnd => ({ ms, bytes, how: 'done' })
const late: TransferEnd = { ms: requestTimeMs(TIMEOUT_MS, MB), bytes: MB, how: 'late' }

function end(transfer: Transfer | undefined, bytes: number): void {
  transfer?.answered(bytes)
  transfer?.ended(done(100, bytes))
}

describe('the window of bytes', () => {
  test('small requests wait for nothing', async () => {
    const { enter, settle } = entering(new TransferWindow(TIMEOUT_MS))
    for (let count = 0; count < 10; count++) enter(MB)
    expect(await settle()).toBe(1)
    for (let count = 0; count < 100; count++) enter(2_000)
    expect(await settle()).toBe(101)
  })

  test('as many medium ones go at once as the slowest link carries in half of the timeout', async () => {
    const { enter, settle } = entering(new TransferWindow(TIMEOUT_MS))
    for (let count = 0; count < 100; count++) enter(LEAST / 20)
    expect(await settle()).toBe(20)
  })

  test('it doubles while what fills it is quick, and stays as it is while none waits', async () => {
    const window = new TransferWindow(TIMEOUT_MS)
    const { enter, settle, begun } = entering(window)
    for (let count = 0; count < 40; count++) enter(MB)
    const atOnce: number[] = []
    for (let ended = 0; ended < 40;) {
      const started = await settle()
      atOnce.push(started - ended)
      while (ended < started) begun[ended++]?.ended(done(100))
    }
    expect(atOnce).toEqual([1, 1, 2, 4, 8, 16, 8])
    const { bytes } = window
    enter(MB)
    await settle()
    begun.at(-1)?.ended(done(100))
    expect(window.bytes).toBe(bytes)
  })

  test('a slow one halves it, once for all that were under way; a late one brings it back to the least', async () => {
    const window = new TransferWindow(TIMEOUT_MS)
    const { enter, settle, begun } = entering(window)
    for (let count = 0; count < 60; count++) enter(MB)
    let ended = 0
    while (window.bytes < 8 * MB) {
      await settle()
      begun[ended++]?.ended(done(100))
    }
    await settle()
    const { bytes } = window
    const earlier = begun.slice(ended)
    for (const transfer of earlier) transfer.ended(done(9_000))
    expect(window.bytes).toBe(bytes / 2)
    await settle()
    const [one, other] = begun.slice(ended + earlier.length)
    one?.ended(done(4_000))
    expect(window.bytes).toBe(bytes / 2)
    other?.ended(late)
    expect(window.bytes).toBe(LEAST)
  })

  test('what fails says nothing of the link', async () => {
    const window = new TransferWindow(TIMEOUT_MS)
    const { enter, settle, begun } = entering(window)
    for (let count = 0; count < 5; count++) enter(MB)
    for (let count = 0; count < 4; count++) {
      await settle()
      begun[count]?.ended({ ms: 5, bytes: MB, how: 'failed' })
    }
    expect(window.bytes).toBe(LEAST)
  })

  test('where not even the minimum gets through none waits, until something does', async () => {
    const { enter, settle, begun } = entering(new TransferWindow(TIMEOUT_MS))
    for (let count = 0; count < 32; count++) enter(MB)
    await settle()
    begun[0]?.ended(late)
    expect(await settle()).toBe(32)
    begun[1]?.ended(done(1_000))
    for (let count = 0; count < 10; count++) enter(MB)
    expect(await settle()).toBe(32)
  })

  test('of reads of a kind one goes first; once its answer begins, small ones all go, and large ones as there is room', async () => {
    for (const [bytes, atOnce] of [
      [300, 30],
      [MB, 1],
      [LEAST / 4, 4],
    ] as const) {
      const { enter, settle, begun } = entering(new TransferWindow(TIMEOUT_MS))
      for (let count = 0; count < 30; count++) enter({ kind: 'ITEMS' })
      expect(await settle()).toBe(1)
      begun[0]?.answered(bytes)
      expect(await settle()).toBe(atOnce)
    }
  })

  test('a read of which nothing is ever heard lets the others go', async () => {
    const { enter, settle, begun } = entering(new TransferWindow(TIMEOUT_MS))
    for (let count = 0; count < 30; count++) enter({ kind: 'ITEMS' })
    await settle()
    begun[0]?.ended({ ms: TIMEOUT_MS, bytes: 0, how: 'late' })
    expect(await settle()).toBe(30)
  })

  test('whatever sizes were expected and came, it is empty at the end, and lets in a kind that is read for the first time', async () => {
    const turns = fc.array(fc.nat(5), { minLength: 60, maxLength: 60 })
    const play = fc.asyncProperty(
      turns,
      fc.integer({ min: 5_000, max: LEAST / 8 }),
      async (order, largest) => {
        const { enter, settle, begun } = entering(new TransferWindow(TIMEOUT_MS))
        enter({ kind: 'WAITING' })
        await settle()
        end(begun.pop(), largest)
        // Small ones, of which each is expected to be a little smaller than the one before.
        for (const turn of order) {
          enter({ kind: 'WAITING' })
          if ((await settle()) > 5) end(begun.splice(turn, 1)[0], 10)
        }
        for (const transfer of begun.splice(0)) end(transfer, 10)
        enter({ kind: 'PROCESSING' })
        return (await settle()) === 1
      },
    )
    await expect(fc.assert(play, { numRuns: 100 })).resolves.toBeUndefined()
  })
})

/**
 * Transfers of one size over a link that all share alike. Gives how long it took, and how many ended after
 * their time.
 */
async function onLink(bytesPerSecond: number, { count, bytes }: { count: number; bytes: number }) {
  const window = new TransferWindow(TIMEOUT_MS)
  const waiting = Array.from({ length: count }, () => bytes)
  const underWay = new Set<{ left: number; beganAt: number; transfer: Transfer }>()
  let [now, lates, requests] = [0, 0, 0]
  const enter = async (): Promise<void> => {
    const transfer = await window.enter(bytes)
    underWay.add({ left: bytes, beganAt: now, transfer })
  }
  // As many as the limit of requests lets in at once.
  const fill = (): void => {
    while (requests < 32 && waiting.pop() !== undefined) {
      requests += 1
      void enter()
    }
  }
  for (fill(); requests > 0; fill()) {
    for (let turn = 0; turn < 40; turn++) await Promise.resolve()
    const stepMs = 10
    now += stepMs
    const share = (bytesPerSecond * stepMs) / 1_000 / underWay.size
    for (const one of underWay) {
      one.left -= share
      if (one.left > 0) continue
      underWay.delete(one)
      requests -= 1
      const ms = now - one.beganAt
      if (ms > requestTimeMs(TIMEOUT_MS, bytes)) lates += 1
      one.transfer.ended({ ms, bytes, how: 'done' })
    }
  }
  return { seconds: now / 1_000, lates }
}

test.each([
  [MIN_BYTES_PER_SECOND, MB],
  [MIN_BYTES_PER_SECOND, 50_000],
  [300_000, MB],
  [1_000_000, MB],
  [1_000_000, 200_000],
  [5_000_000, MB],
  [100_000_000, MB],
])(
  'on a link of %d bytes/s each transfer of %d bytes ends in time, and the link is used',
  async (rate, bytes) => {
    const count = 48
    const { seconds, lates } = await onLink(rate, { count, bytes })
    expect(lates).toBe(0)
    expect(seconds).toBeLessThan((count * bytes * 1.05) / rate + 0.5)
  },
)
