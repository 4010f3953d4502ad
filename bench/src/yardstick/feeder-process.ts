// A process of its own: puts items, so that there is always something to claim.
import { setTimeout as pause } from 'node:timers/promises'
import { makeItems } from '../adapter.ts'
import { openQueueOf, type QueueSetup } from './build.ts'
import { answer, setupOf } from './helper.ts'

/**
 * `depth`: keeps so many items waiting · `rate`: puts so many each second · `burst`: puts so many at once,
 * and then keeps the depth · `off`: puts nothing.
 */
export type Feed =
  | { readonly kind: 'depth'; readonly items: number }
  | { readonly kind: 'rate'; readonly perSecond: number }
  | { readonly kind: 'off' }

/** All since the process started. */
export interface FeederReading {
  readonly put: number
  readonly cpuUs: number
  /** Items that waited when the feeder looked last. */
  readonly waiting: number
}

const BATCH = 1_000
/** From one batch to the next at a fixed rate. */
const STEP_MS = 10

const queue = await openQueueOf(setupOf<QueueSetup>())
let feed: Feed = { kind: 'off' }
let isEnded = false
let put = 0
let waiting = 0

answer({
  feed: (next: Feed) => {
    feed = next
  },
  /** Puts so many now, whatever the feed is. */
  putNow: async (count: number) => {
    for (let left = count; left > 0; left -= BATCH) await putBatch(Math.min(left, BATCH))
  },
  read: (): FeederReading => {
    const { user, system } = process.cpuUsage()
    return { put, cpuUs: user + system, waiting }
  },
  end: async () => {
    isEnded = true
    await feeding
    await queue.close()
  },
})
const feeding = run()

async function run(): Promise<void> {
  while (!isEnded) {
    if (feed.kind === 'depth') await keep(feed.items)
    else if (feed.kind === 'rate') await putAtRate(feed.perSecond, feed)
    else await pause(STEP_MS)
  }
}

async function keep(items: number): Promise<void> {
  waiting = await queue.size('WAITING')
  if (waiting >= items) await pause(STEP_MS)
  else await putBatch(Math.min(BATCH, Math.max(items - waiting, items / 10)))
}

/** Until the feed changes. What it is behind by is put in the next batches. */
async function putAtRate(perSecond: number, mine: Feed): Promise<void> {
  const [startedAt, from] = [performance.now(), put]
  while (feed === mine && !isEnded) {
    const due = Math.floor(((performance.now() - startedAt) / 1_000) * perSecond) - (put - from)
    if (due > 0) await putBatch(Math.min(due, BATCH))
    else await pause(STEP_MS)
  }
}

async function putBatch(count: number): Promise<void> {
  const at = Date.now()
  await queue.putMany(makeItems(Math.ceil(count)).map(({ id, body }) => ({ id, body: { ...body, at } })))
  put += Math.ceil(count)
}
