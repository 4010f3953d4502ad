import { MAX_FAILURE_CLASS_CHARS, MAX_JOB_UID_CHARS, MAX_RETRY_STATE_BYTES, type Queue } from '@sluice/core'
import { startS3Server, type S3Server } from '@sluice/fake-s3'
import { afterEach, describe, expect, test } from 'vitest'
import { openQueue } from '../../src/index.js'
import { optionsOn } from '../s3-harness.js'

/** What S3 takes: names and values together. */
const S3_METADATA_BYTES = 2_048
const opened: { close(): Promise<void> }[] = []

afterEach(async () => {
  for (const one of opened.splice(0).toReversed()) await one.close()
})

async function open(): Promise<{ server: S3Server; queue: Queue }> {
  const server = await startS3Server()
  opened.push(server)
  const queue = await openQueue(optionsOn(server))
  opened.push(queue)
  return { server, queue }
}

/** Another process on the same store. */
async function otherOn(server: S3Server): Promise<Queue> {
  const queue = await openQueue(optionsOn(server))
  opened.push(queue)
  return queue
}

async function requests(server: S3Server, work: () => Promise<unknown>) {
  server.resetCounts()
  await work()
  return Object.fromEntries(Object.entries(server.counts()).filter(([, count]) => count > 0))
}

describe('listSummaries', () => {
  test('reads the objects of the items that have a retryState, each once, and of no others', async () => {
    const { server, queue } = await open()
    await queue.putMany(Array.from({ length: 60 }, (_, index) => ({ id: `i${index}`, body: index })))
    const items = await queue.get(60)
    await queue.settle(
      items.map(({ id, attempt }, index) => ({
        id,
        attempt,
        stage: 'WAITING',
        keepPlace: true,
        ...(index % 20 === 0 ? { retryState: { tries: index } } : {}),
      })),
    )
    const other = await otherOn(server)
    await other.listSummaries('WAITING', { limit: 1 })
    const cold = await requests(server, async () => {
      const { items: summaries } = await other.listSummaries('WAITING', { limit: 1_000 })
      expect(
        summaries.flatMap(({ id, retryState }) => (retryState === undefined ? [] : [[id, retryState]])),
      ).toEqual([
        ['i0', { tries: 0 }],
        ['i20', { tries: 20 }],
        ['i40', { tries: 40 }],
      ])
    })
    expect(cold.GetObject).toBe(2)
    const warm = await requests(server, () => other.listSummaries('WAITING', { limit: 1_000 }))
    expect(warm.GetObject).toBeUndefined()
    const own = await requests(server, async () => {
      const { items: summaries } = await queue.listSummaries('WAITING', { limit: 1_000 })
      expect(summaries.filter(({ retryState }) => retryState !== undefined)).toHaveLength(3)
    })
    expect(own.GetObject).toBeUndefined()
  })
})

/** Releases item `a`, dying at the first request after the decision; what another process then finds. */
async function afterDeath(release: Parameters<Queue['release']>[1]) {
  const { server, queue } = await open()
  await queue.putMany(['a', 'b'].map((id) => ({ id, body: id })))
  await queue.get(1)
  const endpoint = await server.addEndpoint()
  const dying = await openQueue({ ...optionsOn(server, endpoint), timeoutMs: 3_000 })
  opened.push(dying)
  await dying.lookup('a')
  let headers: Readonly<Record<string, string | undefined>> = {}
  endpoint.onRequest = (request) => {
    if (request.operation !== 'PutObject') return undefined
    if (!(request.key ?? '').includes('/SUCCESS/')) return { do: 'crash' }
    headers = request.headers
    return undefined
  }
  await expect(dying.release('a', release)).rejects.toMatchObject({ code: 'SLUICE_QUEUE_UNAVAILABLE' })
  return { server, queue, headers }
}

describe('a process that dies right after it has decided a release', () => {
  test('leaves all of it to the process that finishes the move', async () => {
    const outcome = { failureClass: 'evicted', exitCode: -1, jobUid: 'job-1', reason: 'why é' }
    const retryState = { tries: 3, words: '„é“' }
    const { queue } = await afterDeath({ keepPlace: true, unsent: true, retryState, ...outcome })
    const { items } = await queue.list('WAITING', { limit: 10 })
    expect(items.map(({ id }) => id)).toEqual(['a', 'b'])
    expect(items[0]).toMatchObject({ attempt: 1, uncounted: 1, retryState, ...outcome })
    expect(items[0]?.history).toMatchObject([{ attempt: 1, outcome: 'WAITING', unsent: true, ...outcome }])
    expect(items[0]?.notBeforeAt).toBeUndefined()
    expect(await queue.get(2)).toMatchObject([{ id: 'a', attempt: 2, retryState }, { id: 'b' }])
  })

  test('leaves its retryState also beside all else at its greatest, within what a store takes', async () => {
    const retryState = 'é'.repeat(MAX_RETRY_STATE_BYTES / 2 - 1)
    const { queue, headers } = await afterDeath({
      retryState,
      failureClass: '界'.repeat(MAX_FAILURE_CLASS_CHARS),
      jobUid: '界'.repeat(MAX_JOB_UID_CHARS),
      exitCode: Number.MIN_SAFE_INTEGER,
      reason: '界'.repeat(2_000),
    })
    const meta = Object.entries(headers).flatMap(([name, value = '']) =>
      name.startsWith('x-amz-meta-') ? [name.slice('x-amz-meta-'.length) + value] : [],
    )
    expect(meta.join('').length).toBeLessThanOrEqual(S3_METADATA_BYTES)
    expect(meta.join('').length).toBeGreaterThan(1_366)
    expect(await queue.lookup('a')).toMatchObject({
      stage: 'WAITING',
      retryState,
      exitCode: Number.MIN_SAFE_INTEGER,
    })
    expect((await queue.lookup('a'))?.reason?.startsWith('界')).toBe(true)
  })
})
