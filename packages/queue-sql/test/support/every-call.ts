import type { Queue } from '@sluice/core'

/** A call by its name. */
export type NamedCall = readonly [name: string, call: (queue: Queue) => Promise<unknown>]

const RETENTION_MS = 1

async function past(queue: Queue, ms: number): Promise<void> {
  const startedAt = await queue.now()
  while ((await queue.now()) <= startedAt + ms);
}

/** Every call that writes, in an order in which each has something to do in a fresh queue. */
export const writes: readonly NamedCall[] = [
  ['put', (queue) => queue.put('a', 1)],
  ['a put of a known id', (queue) => queue.put('a', 1).catch(() => queue.put('b', 1))],
  ['putMany', (queue) => queue.putMany(['c', 'd', 'e', 'f', 'g'].map((id) => ({ id, body: id })))],
  ['putMany that compares', (queue) => queue.putMany([{ id: 'g', body: 'another' }], { compare: true })],
  ['update of a body', (queue) => queue.update([{ id: 'g', body: 'new' }])],
  ['update of a place', (queue) => queue.update([{ id: 'g', priority: -1, notBeforeAt: 0 }])],
  ['get', (queue) => queue.get(2)],
  ['release', (queue) => queue.release('a')],
  ['release to its place', (queue) => queue.release('b', { keepPlace: true })],
  ['get of all', (queue) => queue.get(100)],
  ['success', (queue) => queue.success('a')],
  ['success with a result', (queue) => queue.success('b', { result: 1 })],
  ['fail', (queue) => queue.fail('c', { reason: 'no' })],
  ['settle', (queue) => queue.settle([{ id: 'd', attempt: 1, stage: 'FAIL', exitCode: 1 }])],
  ['settle of uniform moves', (queue) => queue.settle([{ id: 'e', attempt: 1, stage: 'SUCCESS' }])],
  ['requeue', (queue) => queue.requeue(['c'])],
  ['remove', (queue) => queue.remove(['c'])],
  [
    'sweep',
    async (queue) => [await past(queue, RETENTION_MS), await queue.sweep?.({ retentionMs: RETENTION_MS })],
  ],
  ['sweep again', async (queue) => queue.sweep?.({ retentionMs: RETENTION_MS })],
  ['lease', (queue) => queue.lease('one', 'me', 60_000)],
  ['renewal', async (queue) => (await queue.lease('two', 'me', 60_000))?.renew()],
  ['release of a lease', async (queue) => (await queue.lease('two', 'me', 60_000))?.release()],
  ['a new document', (queue) => queue.document('doc').write(1, { ifVersion: undefined })],
  ['a write of a document', (queue) => queue.document('doc').write(2, { ifVersion: 1 })],
  ['a removal of a document', (queue) => queue.document('doc').remove()],
  ['pause', (queue) => queue.control.pause('why')],
  ['resume', (queue) => queue.control.resume()],
  ['sync', async (queue) => queue.control.sync?.()],
  ['setLimits', (queue) => queue.control.setLimits({ gpu: 1, cpu: 2 })],
  ['removal of a limit', (queue) => queue.control.setLimits({ gpu: null })],
]

/** Every call that only reads. */
export const reads: readonly NamedCall[] = [
  ['peek', (queue) => queue.peek(10)],
  ['sizes', (queue) => queue.sizes()],
  ['lookupStatus', (queue) => queue.lookupStatus('f')],
  ['lookup', (queue) => queue.lookup('f')],
  ['list WAITING', (queue) => queue.list('WAITING', { limit: 10 })],
  ['list PROCESSING', (queue) => queue.list('PROCESSING', { limit: 10 })],
  ['listSummaries PROCESSING', (queue) => queue.listSummaries('PROCESSING', { limit: 10 })],
  ['list FAIL', (queue) => queue.list('FAIL', { limit: 10 })],
  ['listSummaries SUCCESS', (queue) => queue.listSummaries('SUCCESS', { limit: 10 })],
  ['read of a document', (queue) => queue.document('doc').read()],
  ['documents', (queue) => queue.documents()],
  ['control', (queue) => queue.control.read()],
  ['read of a lease', (queue) => queue.readLease('one')],
  ['now', (queue) => queue.now()],
]

/** Claims, moves and documents under a lease. */
export const leased: readonly NamedCall[] = [
  [
    'get under a lease',
    async (queue) => {
      const lease = await queue.lease('claims', 'me', 60_000)
      if (lease === undefined) throw new Error('another holder has the lease')
      await queue.put('leased', 1)
      await queue.get(5, { lease })
      await queue.document('leased').write(1, { ifVersion: undefined, lease })
      await queue.document('leased').remove({ lease })
    },
  ],
]

/** Makes every call, and gives those that failed with their errors. */
export async function failedCalls(
  queue: Queue,
  calls: readonly NamedCall[] = [...writes, ...reads, ...leased],
): Promise<string[]> {
  const failed: string[] = []
  for (const [name, call] of calls) {
    await call(queue).catch((error: unknown) => failed.push(`${name}: ${String(error)}`))
  }
  return failed
}
