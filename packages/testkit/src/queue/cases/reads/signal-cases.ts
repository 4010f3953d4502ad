import { eachSummary, type CallOptions, type Queue } from '@sluice/core'
import { check, refuses, resolves, same } from '../../../check.js'
import { posingAs } from '../../../odd-values.js'
import type { QueueCase } from '../../queue-harness.js'
import { selecting } from '../selection/selecting.js'

/** A call that takes a signal. */
type SignalledCall = readonly [name: string, call: (options: CallOptions) => Promise<unknown>]

/** Every call that takes a signal, with good arguments. */
function signalledCalls(queue: Queue): readonly SignalledCall[] {
  const sweep = queue.sweep?.bind(queue)
  return [
    ...(queue.supports.selection === undefined
      ? []
      : [['peekSummaries', (options: CallOptions) => selecting(queue).peekSummaries(1, options)] as const]),
    ...(sweep === undefined ? [] : [['sweep', (options: CallOptions) => sweep(options)] as const]),
    ['putMany', (options) => queue.putMany([{ id: 'new', body: 1 }], options)],
    ['update', (options) => queue.update([{ id: 'w', body: 2 }], options)],
    ['settle', (options) => queue.settle([{ id: 'p', attempt: 1, stage: 'SUCCESS' }], options)],
    ['requeue', (options) => queue.requeue(['f'], options)],
    ['remove', (options) => queue.remove(['f'], options)],
    ['peek', (options) => queue.peek(1, options)],
    ['size', (options) => queue.size('WAITING', options)],
    ['sizes', (options) => queue.sizes(options)],
    ['lookupStatus', (options) => queue.lookupStatus('w', options)],
    ['lookup', (options) => queue.lookup('w', options)],
    ['list', (options) => queue.list('WAITING', { limit: 1, ...options })],
    ['listSummaries', (options) => queue.listSummaries('WAITING', { limit: 1, ...options })],
  ]
}

/** An item in WAITING, PROCESSING and FAIL each: `w`, `p` and `f`. */
async function fill(queue: Queue): Promise<void> {
  await queue.putMany(['f', 'p', 'w'].map((id) => ({ id, body: 1 })))
  await queue.get(2)
  await queue.fail('f')
}

async function reasonOf(call: Promise<unknown>): Promise<unknown> {
  return call.then(
    () => 'it resolved',
    (error: unknown) => error,
  )
}

/** Q-ABORT-1. */
export const signalCases: readonly QueueCase[] = [
  {
    id: 'Q-ABORT-1',
    title: 'a call whose signal has aborted rejects with the reason of the signal, and changes nothing',
    async run(harness) {
      const queue = await harness.open()
      await fill(queue)
      const before = await queue.sizes()
      const reason = new Error('the operator pressed Ctrl-C')
      const signal = AbortSignal.abort(reason)
      for (const [name, call] of signalledCalls(queue)) {
        check((await reasonOf(call({ signal }))) === reason, `${name} rejects with the reason itself`)
      }
      same(await queue.sizes(), before, 'no item moved, came or went')
      same((await queue.lookup('w'))?.body, 1, 'no body changed')
    },
  },
  {
    id: 'Q-ABORT-1/a',
    title: 'with a signal that does not abort, every call is as without one',
    async run(harness) {
      const queue = await harness.open()
      await fill(queue)
      const { signal } = new AbortController()
      for (const [name, call] of signalledCalls(queue)) await resolves(call({ signal }), `${name} resolves`)
      same(await queue.sizes(), { WAITING: 2, PROCESSING: 0, SUCCESS: 1, FAIL: 0 }, 'all of them took effect')
    },
  },
  {
    id: 'Q-ABORT-1/b',
    title:
      'aborted while it puts many, the call rejects with the reason, each item is whole or not there, and the call can be repeated',
    async run(harness) {
      const queue = await harness.open()
      const items = Array.from({ length: 300 }, (_, index) => ({ id: `i${index}`, body: { index } }))
      const stop = new AbortController()
      const reason = new Error('enough')
      const putting = queue.putMany(items, { signal: stop.signal })
      stop.abort(reason)
      const end = await reasonOf(putting)
      check(
        end === reason || end === 'it resolved',
        'it rejects with the reason, or was through by then',
        end,
      )
      const { added, skipped } = await resolves(queue.putMany(items), 'the same call again resolves')
      same(added + skipped.length, items.length, 'and accounts for every item')
      same(await queue.size('WAITING'), items.length, 'each is there once')
      for await (const { id } of eachSummary(queue, 'WAITING', { pageItems: 50 })) {
        const record = await queue.lookup(id)
        same(record?.body, { index: Number(id.slice(1)) }, `${id} is whole`)
      }
    },
  },
  {
    id: 'Q-ABORT-1/c',
    title: 'aborted while it settles many, each move is done or not, and the call can be repeated',
    async run(harness) {
      const queue = await harness.open()
      const ids = Array.from({ length: 60 }, (_, index) => `i${index}`)
      await queue.putMany(ids.map((id) => ({ id, body: 1 })))
      const claimed: string[] = []
      while (claimed.length < ids.length) claimed.push(...(await queue.get(60)).map(({ id }) => id))
      const moves = ids.map((id) => ({ id, attempt: 1, stage: 'SUCCESS' as const, result: id }))
      const stop = new AbortController()
      const settling = queue.settle(moves, { signal: stop.signal })
      stop.abort()
      const end = await reasonOf(settling)
      check(
        end === stop.signal.reason || end === 'it resolved',
        'it rejects with the reason, or resolves',
        end,
      )
      same(await queue.settle(moves), { settled: ids.length, refused: [] }, 'the same call again settles all')
      same(await queue.size('SUCCESS'), ids.length, 'each is in SUCCESS once')
    },
  },
  {
    id: 'Q-ABORT-1/d',
    title: 'a signal that is none is a TypeError, and nothing changes',
    async run(harness) {
      const queue = await harness.open()
      await fill(queue)
      const before = await queue.sizes()
      for (const signal of [null, true, {}, 'abort']) {
        const options: CallOptions = posingAs({ signal })
        for (const [name, call] of signalledCalls(queue))
          await refuses(async () => call(options), `${name} refuses it`)
      }
      same(await queue.sizes(), before, 'no item moved, came or went')
    },
  },
]
