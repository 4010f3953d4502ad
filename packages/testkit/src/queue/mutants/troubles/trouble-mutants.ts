import { SluiceError, isSluiceError, type Queue } from '@sluice/core'
import { posingAs } from '../../../odd-values.js'
import type { QueueHarness } from '../../queue-harness.js'
import { interceptQueue, wrapQueue } from '../../queue-wrapping.js'
import { rewritten, troubledOf, type QueueMutant } from '../queue-mutant.js'

const MOVES = ['success', 'fail', 'release', 'settle', 'requeue', 'remove']
const OF_MOVES = ['h', 'i', 'j', 'k', 'l', 'm', 'n'].map((letter) => `Q-END-1/${letter}`)
const OF_WRITES = ['u', 'v', 'w', 'x', 'y'].map((letter) => `Q-END-1/${letter}`)
const OF_ALL = [
  'Q-END-1',
  ...Array.from('abcdefghijklmnopqrstuvwxyz', (letter) => `Q-END-1/${letter}`),
  'Q-UPDATE-4/a',
  'Q-GET-7/c',
  'Q-PEEK-1/c',
]

/** Queues that end a call wrongly when an operation of the storage went wrong. */
export const troubleMutants: readonly QueueMutant[] = [
  troubled('trouble-endless', 'a call whose storage does not answer never ends', ['Q-END-1/c'], {
    instead: () => Promise.withResolvers<never>().promise,
  }),
  troubled('trouble-close-endless', 'after an operation that went wrong close never ends', ['Q-END-1/j'], {
    instead: (_, __, error) => Promise.reject(error),
    close: () => Promise.withResolvers<never>().promise,
  }),
  troubled('trouble-raw', 'the error of the driver comes through', OF_ALL, {
    instead: () => Promise.reject(new Error('socket hang up')),
  }),
  troubled('trouble-final', 'an outage is reported as what is not to be tried again', OF_ALL, {
    instead: (_, __, { message }) =>
      Promise.reject(new SluiceError('SLUICE_QUEUE_UNAVAILABLE', message, { retryable: false })),
  }),
  troubled('trouble-unnamed', 'the error does not say where', OF_ALL, {
    instead: () => Promise.reject(new SluiceError('SLUICE_QUEUE_UNAVAILABLE', 'No answer. Try again')),
  }),
  troubled('trouble-loses', 'a move that went wrong takes the item with it', OF_MOVES.slice(0, -1), {
    instead: async (method, healthy, error) => {
      if (MOVES.includes(method)) await lose(healthy)
      throw error
    },
  }),
  {
    id: 'trouble-revives',
    title: 'a removal that went wrong leaves a new item of the same id',
    breaks: ['Q-END-1/n'],
    wrap: (harness) =>
      troubledBy(harness, (inner, healthy) =>
        wrapQueue(inner, {
          remove: async (ids, options) =>
            inner.remove(ids, options).catch(async (error: unknown) => {
              await healthy.remove(ids, options)
              await healthy.putMany(ids.map((id) => ({ id, body: { of: id } })))
              throw error
            }),
        }),
      ),
  },
  troubled(
    'trouble-swallowed',
    'a call says that it is done whatever its storage said',
    ['Q-END-1', 'Q-END-1/b', 'Q-END-1/e', ...OF_MOVES.slice(0, 4), ...OF_WRITES],
    {
      instead: async (method) => {
        if (method === 'get') return []
        return method.startsWith('document') ? true : undefined
      },
    },
  ),
  troubled('trouble-writes-half', 'a write that went wrong leaves half a value', OF_WRITES, {
    instead: async (_, healthy, error) => {
      for (const name of await healthy.documents()) {
        const ifVersion = (await healthy.document(name).read())?.version
        await healthy.document(name).write('half', { ifVersion })
      }
      throw error
    },
  }),
]

interface Ending {
  /** What becomes of a call that an outage ended. */
  readonly instead: (method: string, healthy: Queue, error: SluiceError) => Promise<unknown>
  readonly close?: () => Promise<never>
}

function troubled(
  id: string,
  title: string,
  breaks: readonly string[],
  ...[ending]: readonly [Ending]
): QueueMutant {
  const wrap = (harness: QueueHarness) =>
    troubledBy(harness, (inner, healthy) => endingSo(inner, healthy, ending))
  return { id, title, breaks, wrap }
}

/** The harness, its troubled queues put through a function. */
function troubledBy(harness: QueueHarness, rewrite: (inner: Queue, healthy: Queue) => Queue): QueueHarness {
  return {
    ...rewritten(harness, (queue) => queue),
    openTroubled: async (options) => {
      const inner = await troubledOf(harness, options)
      return { ...inner, queue: rewrite(inner.queue, await harness.open()) }
    },
  }
}

function endingSo(inner: Queue, healthy: Queue, { instead, close }: Ending): Queue {
  let wentWrong = false
  return interceptQueue(inner, async <T>(call: () => Promise<T>, method: string): Promise<T> => {
    if (method === 'close' && wentWrong && close !== undefined) return close()
    try {
      return await call()
    } catch (error) {
      if (!isSluiceError(error, 'SLUICE_QUEUE_UNAVAILABLE')) throw error
      wentWrong = true
      return posingAs(await instead(method, healthy, error))
    }
  })
}

async function lose(healthy: Queue): Promise<void> {
  for (const stage of ['PROCESSING', 'WAITING', 'FAIL', 'SUCCESS'] as const) {
    const { items } = await healthy.list(stage, { limit: 100 })
    if (stage === 'PROCESSING') for (const { id } of items) await healthy.success(id)
    await healthy.remove(items.map((item) => item.id))
  }
}
