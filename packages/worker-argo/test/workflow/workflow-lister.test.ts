import { SluiceError } from '@sluice/core'
import { ManualRuntime } from '@sluice/testkit'
import { describe, expect, test } from 'vitest'
import { WorkflowLister } from '../../src/workflow/workflow-lister.js'

/** A lister whose lists end when they are told to, on a clock that stands still. */
function listerOf(timeoutMs = 120_000) {
  const runtime = new ManualRuntime()
  const lists: { end: () => void; fail: (error: Error) => void; signal: AbortSignal }[] = []
  let running = 0
  let most = 0
  let late = 0
  const read = async (signal: AbortSignal): Promise<void> => {
    const { promise, resolve, reject } = Promise.withResolvers<void>()
    lists.push({ end: resolve, fail: reject, signal })
    most = Math.max(most, ++running)
    signal.addEventListener('abort', () => reject(unavailable()))
    await promise.finally(() => (running -= 1))
  }
  const lister = new WorkflowLister({ runtime, ioRuntime: runtime, timeoutMs, read, onLate: () => late++ })
  return { runtime, lister, lists, seen: () => ({ most, late }) }
}

function unavailable(retryAfterMs?: number): SluiceError {
  const more = retryAfterMs === undefined ? {} : { retryAfterMs }
  return new SluiceError('SLUICE_WORKER_UNAVAILABLE', 'no list', more)
}

describe('a list', () => {
  test('that is read in time is what the poll goes by', async () => {
    const { lister, lists } = listerOf()
    const poll = lister.list()
    lists[0]?.end()
    expect(await poll).toEqual({ kind: 'read' })
  })

  test('that is late is awaited while polls do without, and reported when it comes: there is no second one meanwhile', async () => {
    const { lister, lists, runtime, seen } = listerOf()
    const first = lister.list()
    await runtime.advance(5_000)
    expect(await first).toEqual({ kind: 'late', why: 'it has taken 5 s so far' })
    for (let poll = 0; poll < 3; poll++) {
      await runtime.advance(10_000)
      expect(await lister.list()).toMatchObject({ kind: 'late' })
    }
    expect([lists.length, seen()]).toEqual([1, { most: 1, late: 0 }])
    lists[0]?.end()
    await runtime.advance(0)
    expect(seen().late).toBe(1)
  })

  test('that took long is followed by a rest as long, and then waited for until it is whole', async () => {
    const { lister, lists, runtime } = listerOf()
    void lister.list()
    await runtime.advance(40_000)
    lists[0]?.end()
    await runtime.advance(39_000)
    expect(await lister.list()).toEqual({
      kind: 'late',
      why: 'the next one is in 1 s: the last one took long',
    })
    await runtime.advance(1_000)
    const second = lister.list()
    await runtime.advance(50_000)
    lists[1]?.end()
    expect(await second).toEqual({ kind: 'read' })
    // Only now and then: outcomes are not to wait for so long each time.
    await runtime.advance(50_000)
    const third = lister.list()
    await runtime.advance(5_000)
    expect(await third).toMatchObject({ kind: 'late' })
  })

  test('that a later poll meets as it ends does not count: what was started since may be missing in it', async () => {
    const { lister, lists, runtime } = listerOf()
    const first = lister.list()
    await runtime.advance(4_000)
    const second = lister.list()
    lists[0]?.end()
    expect(await first).toEqual({ kind: 'read' })
    expect(await second).toMatchObject({ kind: 'late' })
  })

  test.each([[[15_000, 30_000, 60_000, 120_000, 240_000, 300_000, 300_000]]])(
    'that is given up is followed by a pause, of %j ms',
    async (pauses) => {
      const { lister, lists, runtime, seen } = listerOf(1_000)
      for (const [index, pauseMs] of pauses.entries()) {
        const poll = lister.list()
        await runtime.advance(1_000)
        expect(await poll).toMatchObject({ kind: 'failed' })
        expect(lists[index]?.signal.aborted).toBe(true)
        await runtime.advance(pauseMs - 1)
        expect(await lister.list()).toMatchObject({ kind: 'late', why: expect.stringContaining('given up') })
        await runtime.advance(1)
      }
      expect([lists.length, seen().most]).toEqual([pauses.length, 1])
      const good = lister.list()
      lists.at(-1)?.end()
      expect(await good).toEqual({ kind: 'read' })
      const poll = lister.list()
      await runtime.advance(1_000)
      await poll
      await runtime.advance(15_000)
      void lister.list()
      expect(lists).toHaveLength(pauses.length + 3)
      lists.at(-1)?.end()
      await runtime.advance(1_000)
    },
  )

  test('that fails may be followed at once, or as the server asks', async () => {
    const { lister, lists, runtime } = listerOf()
    for (const [index, error] of [unavailable(), unavailable(3_000)].entries()) {
      const poll = lister.list()
      lists[index]?.fail(error)
      expect(await poll).toEqual({ kind: 'failed', error })
    }
    await runtime.advance(2_999)
    expect(await lister.list()).toMatchObject({
      kind: 'late',
      why: 'the next one is in 1 s: the server asked for it',
    })
    await runtime.advance(1)
    void lister.list()
    expect(lists).toHaveLength(3)
    lists[2]?.end()
  })

  test('that is refused is no outage, in time or late', async () => {
    const { lister, lists, runtime } = listerOf()
    const denied = new SluiceError('SLUICE_WORKER_DENIED', 'no')
    const poll = lister.list()
    lists[0]?.fail(denied)
    await expect(poll).rejects.toBe(denied)
    const late = lister.list()
    await runtime.advance(5_000)
    expect(await late).toMatchObject({ kind: 'late' })
    lists[1]?.fail(denied)
    await runtime.advance(0)
    const next = lister.list()
    lists[2]?.fail(denied)
    await expect(next).rejects.toBe(denied)
  })
})
