// A process of its own: claims and settles items of a SQLite queue, a hundred at a time, from the word "go"
// until there are none or its time is over.
import { once } from 'node:events'
import { openQueue } from '@sluice/queue-sql'
import { storeOf } from './adapters/sluice.ts'
import { crowd } from './crowd.ts'

const [url = '', seconds = ''] = process.argv.slice(2)
const store = storeOf([await openQueue({ name: 'bench', url, timeoutMs: 60_000 })])
console.log('ready')
await once(process.stdin, 'data')
const startedAt = performance.now()
const items = await crowd(1, { items: Number.POSITIVE_INFINITY, seconds: Number(seconds) }, async () => {
  const claimed = (await store.claim?.(100, 0)) ?? []
  if (claimed.length > 0) await store.settle?.(claimed, 0)
  return claimed.length
})
console.log(JSON.stringify({ items, seconds: (performance.now() - startedAt) / 1000 }))
await store.close()
