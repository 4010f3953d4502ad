import { MAX_RETRY_STATE_BYTES, type JsonValue, type Queue, type Stage } from '@sluice/core'
import { at, check, refuses, resolves, same } from '../../../check.js'
import { badBodies, bodies, posingAs } from '../../../odd-values.js'
import type { QueueCase } from '../../queue-harness.js'
import { bring, getOne, headsOf, recordOf, recordsOf } from '../../queue-walk.js'

const NONE = 'absent'

/** Q-MOVE-6. */
export const retryStateCases: readonly QueueCase[] = [
  {
    id: 'Q-MOVE-6',
    title: 'the retryState of a release is in every view of the item, and is given out with the next claim',
    async run(harness) {
      const [queue, other] = [await harness.open(), await harness.open()]
      await bring(queue, 'a', 'PROCESSING')
      await bring(queue, 'b', 'PROCESSING')
      await everyView(other, 'a', 'PROCESSING', NONE)
      await queue.release('a', { attempt: 1, retryState: { tries: 1, since: [7] } })
      await queue.settle([{ id: 'b', attempt: 1, stage: 'WAITING', keepPlace: true, retryState: 'of b' }])
      await everyView(other, 'a', 'WAITING', { tries: 1, since: [7] })
      await everyView(other, 'b', 'WAITING', 'of b')
      const seen = new Map((await other.peek(2)).map((item) => [item.id, item.retryState]))
      same([seen.get('a'), seen.get('b')], [{ tries: 1, since: [7] }, 'of b'], 'peek shows both')
      const given = new Map((await other.get(2)).map((item) => [item.id, item.retryState]))
      same([given.get('a'), given.get('b')], [{ tries: 1, since: [7] }, 'of b'], 'get gives both')
      await everyView(queue, 'a', 'PROCESSING', { tries: 1, since: [7] })
      await everyView(queue, 'b', 'PROCESSING', 'of b')
    },
  },
  {
    id: 'Q-MOVE-6/a',
    title: 'the latest release counts: another value replaces it, none takes it away',
    async run(harness) {
      const queue = await harness.open()
      await bring(queue, 'a', 'PROCESSING')
      await queue.release('a', { retryState: { tries: 1 } })
      await claimed(queue, { tries: 1 })
      await queue.release('a', { retryState: { tries: 2 }, countAttempt: false })
      await claimed(queue, { tries: 2 })
      await queue.settle([{ id: 'a', attempt: 3, stage: 'WAITING', retryState: [3], unsent: true }])
      await claimed(queue, [3])
      await queue.release('a', { attempt: 4, keepPlace: true })
      await everyView(queue, 'a', 'WAITING', NONE)
      await claimed(queue, NONE)
      await queue.release('a', { retryState: 0 })
      await claimed(queue, 0)
      await queue.settle([{ id: 'a', attempt: 6, stage: 'WAITING' }])
      await everyView(queue, 'a', 'WAITING', NONE)
      await claimed(queue, NONE)
    },
  },
  {
    id: 'Q-MOVE-6/b',
    title: 'a fail and a success leave it, a requeue takes it away, and a new item of the id has none',
    async run(harness) {
      const queue = await harness.open()
      await bring(queue, 'a', 'PROCESSING')
      await queue.release('a', { retryState: { tries: 7 } })
      await claimed(queue, { tries: 7 })
      await queue.fail('a', { attempt: 2, reason: 'x' })
      await everyView(queue, 'a', 'FAIL', { tries: 7 })
      await queue.requeue(['a'])
      await everyView(queue, 'a', 'WAITING', NONE)
      await claimed(queue, NONE)
      await queue.release('a', { retryState: 'again' })
      await claimed(queue, 'again')
      await queue.success('a', { attempt: 4 })
      await everyView(queue, 'a', 'SUCCESS', 'again')
      await queue.remove(['a'])
      await queue.put('a', 1)
      await everyView(queue, 'a', 'WAITING', NONE)
    },
  },
  {
    id: 'Q-MOVE-6/c',
    title: `any JSON of up to ${MAX_RETRY_STATE_BYTES} bytes comes back deep-equal, null as null`,
    async run(harness) {
      const queue = await harness.open()
      const full = [`é${'x'.repeat(MAX_RETRY_STATE_BYTES - 4)}`, { k: 'x'.repeat(MAX_RETRY_STATE_BYTES - 8) }]
      const states = [...bodies.filter((body) => bytesOf(body) <= MAX_RETRY_STATE_BYTES), ...full]
      same(full.map(bytesOf), [MAX_RETRY_STATE_BYTES, MAX_RETRY_STATE_BYTES], 'two are as large as may be')
      await queue.putMany(states.map((_, index) => ({ id: `i${index}`, body: index })))
      const stateOf = (body: JsonValue) => at(states, Number(body), 'a state')
      const claims = await queue.get(states.length)
      await queue.settle(
        claims.map(({ id, attempt, body }) => ({ id, attempt, stage: 'WAITING', retryState: stateOf(body) })),
      )
      for (const { id, body, retryState } of await recordsOf(queue, 'WAITING')) {
        same(retryState, stateOf(body), `list shows the state of ${id} as it was given`)
      }
      const items = await queue.get(states.length)
      same(items.length, states.length, 'all are given out again')
      for (const item of items) {
        check('retryState' in item, `get gives a state with ${item.id}`, item)
        same(item.retryState, stateOf(item.body), `get gives the state of ${item.id} as it was given`)
      }
    },
  },
  {
    id: 'Q-MOVE-6/d',
    title: `more than ${MAX_RETRY_STATE_BYTES} bytes, and what isn’t JSON, is a TypeError, and nothing moves`,
    async run(harness) {
      const queue = await harness.open()
      await bring(queue, 'a', 'PROCESSING')
      const before = await recordOf(queue, 'a')
      const wrong: readonly (readonly [what: string, state: unknown, path?: string])[] = [
        ['one byte more', 'x'.repeat(MAX_RETRY_STATE_BYTES - 1)],
        ['fewer characters but more bytes', 'é'.repeat(MAX_RETRY_STATE_BYTES / 2)],
        ...badBodies.filter(([, state]) => state !== undefined),
      ]
      for (const [what, state] of wrong) {
        const retryState: never = posingAs(state)
        await refuses(() => queue.release('a', { retryState }), `release refuses ${what}`)
        const outcome = { id: 'a', attempt: 1, stage: 'WAITING', retryState } as const
        await refuses(() => queue.settle([outcome]), `settle refuses ${what}`)
      }
      same(await recordOf(queue, 'a'), before, 'the item is as it was')
    },
  },
  {
    id: 'Q-MOVE-6/e',
    title: 'the repeat of a release changes no retryState',
    async run(harness) {
      const queue = await harness.open()
      await bring(queue, 'a', 'PROCESSING')
      await queue.release('a', { attempt: 1, retryState: 'first' })
      await resolves(queue.release('a', { attempt: 1, retryState: 'second' }), 'it succeeds')
      await resolves(queue.release('a', { attempt: 1 }), 'without one too')
      await everyView(queue, 'a', 'WAITING', 'first')
      await claimed(queue, 'first')
    },
  },
]

/** Throws unless list, listSummaries and lookup show this state of the item in the stage. */
async function everyView(queue: Queue, id: string, stage: Stage, state: JsonValue): Promise<void> {
  const views = [
    ['lookup', await recordOf(queue, id)],
    ['list', (await recordsOf(queue, stage)).find((record) => record.id === id)],
    ['listSummaries', (await headsOf(queue, stage)).find((head) => head.id === id)],
  ] as const
  for (const [call, view] of views) {
    same(view?.stage, stage, `${call} shows ${id} in ${stage}`)
    same(stateIn(view), state, `${call} shows the retryState of ${id} in ${stage}`)
  }
}

/** Throws unless the next claim gives this state. */
async function claimed(queue: Queue, state: JsonValue): Promise<void> {
  same(stateIn(await getOne(queue)), state, 'the next claim gives the retryState')
}

function stateIn(view: { readonly retryState?: JsonValue } | undefined): JsonValue | undefined {
  return view !== undefined && 'retryState' in view ? view.retryState : NONE
}

function bytesOf(value: JsonValue): number {
  return Buffer.byteLength(JSON.stringify(value))
}
