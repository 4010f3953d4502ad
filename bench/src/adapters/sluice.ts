import type { Queue } from '@sluice/core'
import { openQueue } from '@sluice/queue-sql'
import type { Adapter, Store } from '../adapter.ts'

/** Sluice as one process uses it: one object, whose callers' single calls share statements. */
export const sluice: Adapter = {
  name: 'sluice',
  open: async ({ postgresUrl }, clients) => storeOf([await open(postgresUrl, { poolSize: clients })]),
}

/**
 * Sluice with an object, and so a connection, for each caller: as many processes, none of which has calls to
 * share.
 */
export const sluiceAlone: Adapter = {
  name: 'sluice, each alone',
  open: async ({ postgresUrl }, clients) => {
    const queues: Queue[] = []
    for (let client = 0; client < clients; client++) queues.push(await open(postgresUrl, { poolSize: 1 }))
    return storeOf(queues)
  },
}

/** Sluice without prepared statements, as behind an old pooler. */
export const sluiceUnprepared: Adapter = {
  name: 'sluice, unprepared',
  open: async ({ postgresUrl }, clients) =>
    storeOf([await open(postgresUrl, { poolSize: clients, preparedStatements: false })]),
}

function open(url: string, options: object): Promise<Queue> {
  return openQueue({ name: 'bench', url, timeoutMs: 120_000, ...options })
}

/** @param queues one for all callers, or one for each */
export function storeOf(queues: readonly Queue[]): Store {
  const of = (client: number): Queue => {
    const queue = queues[client % queues.length]
    if (queue === undefined) throw new TypeError('a store needs a queue')
    return queue
  }
  return {
    put: async (items, client) => {
      const [first] = items
      if (items.length === 1 && first !== undefined) await of(client).put(first.id, first.body)
      else await of(client).putMany(items)
    },
    claim: (max, client) => of(client).get(max),
    settle: async (claimed, client) => {
      const [first] = claimed
      if (claimed.length === 1 && first !== undefined) {
        await of(client).success(first.id, { attempt: first.attempt })
        return
      }
      const { refused } = await of(client).settle(
        claimed.map(({ id, attempt }) => ({ id, attempt, stage: 'SUCCESS' })),
      )
      if (refused.length > 0) throw new Error(`${refused.length} settlements were refused`)
    },
    countWaiting: () => of(0).size('WAITING'),
    lookup: (id, client) => of(client).lookupStatus(id),
    close: async () => {
      for (const queue of queues) await queue.close()
    },
  }
}
