import { Queue } from 'bullmq'
import type { Adapter } from '../adapter.ts'

/**
 * BullMQ on Redis with an append-only file that is synced each second: a power cut may cost the last second.
 */
export const bullmq: Adapter = {
  name: 'BullMQ',
  open: async ({ redisPort }, clients) => {
    const queues = Array.from({ length: clients }, () => newQueue(redisPort))
    const of = (client: number): Queue => {
      const queue = queues[client % queues.length]
      if (queue === undefined) throw new TypeError('a store needs a queue')
      return queue
    }
    await of(0).obliterate({ force: true })
    return {
      put: async (items, client) => {
        const [first] = items
        if (items.length === 1 && first !== undefined) await of(client).add('bench', first.body)
        else await of(client).addBulk(items.map(({ body }) => ({ name: 'bench', data: body })))
      },
      close: async () => {
        for (const queue of queues) await queue.close()
      },
    }
  },
}

export function newQueue(port: number | undefined): Queue {
  if (port === undefined) throw new TypeError('BullMQ needs a redis-server')
  return new Queue('bench', { connection: { host: '127.0.0.1', port } })
}
