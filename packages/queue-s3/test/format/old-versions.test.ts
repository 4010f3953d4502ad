import type { Queue } from '@sluice/core'
import { startS3Server, type S3Server } from '@sluice/fake-s3'
import { afterEach, describe, expect, test } from 'vitest'
import { openQueue } from '../../src/index.js'
import { optionsOn } from '../s3-harness.js'

const opened: { close(): Promise<void> }[] = []
afterEach(async () => {
  for (const one of opened.splice(0).toReversed()) await one.close()
})

type Open = (options: object) => Promise<Queue>

/** A release of a layout that is no more, as scripts/old-versions.mjs builds it. */
async function oldVersion(layout: string): Promise<Open> {
  const loaded: { openQueue: Open } = await import(
    new URL(`../old-versions/${layout}.mjs`, import.meta.url).href
  )
  return loaded.openQueue
}

async function server(): Promise<S3Server> {
  const made = await startS3Server()
  opened.push(made)
  return made
}

/** What a format 1 knew of: `probe` is an option since draft 1. */
const optionsFor = (layout: string, made: S3Server) => {
  const { probe: _, ...options } = optionsOn(made)
  return layout === 'format-1' ? options : optionsOn(made)
}

describe.each(['format-1', 'draft-1', 'draft-2', 'draft-3', 'draft-4'])(
  'two versions on one bucket: today’s and %s',
  (layout) => {
    test('the older is refused on the newer’s queue, with words, and changes nothing; the newer goes on', async () => {
      const [older, made] = [await oldVersion(layout), await server()]
      const queue = await openQueue(optionsOn(made))
      opened.push(queue)
      await queue.putMany(['a', 'b'].map((id) => ({ id, body: 1 })))
      const [item] = await queue.get(1)
      const before = made.keys()
      await expect(older(optionsFor(layout, made))).rejects.toMatchObject({
        code: 'SLUICE_QUEUE_CORRUPT',
        retryable: false,
      })
      expect(made.keys()).toEqual(before)
      expect(await queue.settle([{ id: item?.id ?? '', attempt: 1, stage: 'SUCCESS' }])).toMatchObject({
        settled: 1,
      })
      expect(await queue.sizes()).toEqual({ WAITING: 1, PROCESSING: 0, SUCCESS: 1, FAIL: 0 })
    })

    test('the newer is refused on the older’s queue, with words, while the older works on it', async () => {
      const [older, made] = [await oldVersion(layout), await server()]
      const queue = await older(optionsFor(layout, made))
      opened.push(queue)
      await queue.putMany(['a', 'b'].map((id) => ({ id, body: 1 })))
      const lease = await queue.lease('dispatcher', 'me', 15_000)
      const [item] = await queue.get(1)
      const before = made.keys()
      await expect(openQueue(optionsOn(made))).rejects.toMatchObject({
        code: 'SLUICE_QUEUE_CORRUPT',
        message: expect.stringMatching(
          /Finish its items with the version that made it|Use the version that made it/,
        ),
      })
      expect(made.keys()).toEqual(before)
      expect(await lease?.renew()).toBe(true)
      await queue.success(item?.id ?? '', { attempt: 1 })
      expect(await queue.sizes()).toEqual({ WAITING: 1, PROCESSING: 0, SUCCESS: 1, FAIL: 0 })
    })
  },
)
