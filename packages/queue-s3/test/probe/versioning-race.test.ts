import { randomUUID } from 'node:crypto'
import { CreateBucketCommand, PutBucketVersioningCommand, S3Client } from '@aws-sdk/client-s3'
import { isSluiceError, type Queue } from '@sluice/core'
import { s3Stores, startS3Server } from '@sluice/fake-s3'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { openQueue } from '../../src/index.js'

/**
 * Ceph 16 itself where there is one (`node scripts/radosgw.mjs -- …`), else the testkit's server acting like
 * it.
 */
const { SLUICE_TEST_S3_ENDPOINT: given, SLUICE_TEST_S3_STORE: store } = process.env
const real = store === 'radosgw16' ? given : undefined
const ITEMS = 150
const CLAIMERS = 4
const BATCH = 10

const server = await startS3Server({ rules: s3Stores.radosgw16.rules, latencyMs: 2 })
const bucket = `versioning-${randomUUID()}`
const place = {
  region: 'us-east-1',
  endpoint: real ?? server.endpoint,
  credentials:
    real === undefined
      ? server.credentials
      : {
          accessKeyId: process.env['SLUICE_TEST_S3_ACCESS_KEY'] ?? '',
          secretAccessKey: process.env['SLUICE_TEST_S3_SECRET_KEY'] ?? '',
        },
}
const client = new S3Client({ ...place, credentials: { ...place.credentials }, forcePathStyle: true })
const queues: Queue[] = []

beforeAll(async () => {
  await client.send(new CreateBucketCommand({ Bucket: bucket }))
})
afterAll(async () => {
  await Promise.all(queues.map((queue) => queue.close()))
  client.destroy()
  await server.close()
})

const setVersioning = (Status: 'Enabled' | 'Suspended') =>
  client.send(new PutBucketVersioningCommand({ Bucket: bucket, VersioningConfiguration: { Status } }))

async function open(): Promise<Queue> {
  const queue = await openQueue({ ...place, name: 'race', bucket, probe: 'quick', timeoutMs: 30_000 })
  queues.push(queue)
  return queue
}

interface Run {
  readonly given: string[]
  refused: number
  /** Told how many there are by now. */
  readonly onGiven: (count: number) => Promise<unknown>
}

/** Claims until nothing is left, or until it is refused for a while. */
async function claim(queue: Queue, run: Run): Promise<void> {
  for (;;) {
    try {
      const items = await queue.get(BATCH)
      if (items.length === 0) return
      run.given.push(...items.map(({ id, attempt }) => `${id} ${attempt}`))
      await run.onGiven(run.given.length)
    } catch (error) {
      if (!isSluiceError(error, 'SLUICE_QUEUE_UNAVAILABLE')) throw error
      run.refused += 1
      if (error.message.startsWith('Moves are stopped')) return
    }
  }
}

/** By itself: it is only asked to do what it refused. */
async function untilItGoesOn(queue: Queue): Promise<void> {
  const tryIt = () =>
    queue.control.sync().then(
      () => 'goes on',
      () => 'stopped',
    )
  await expect.poll(tryIt, { timeout: 60_000, interval: 500 }).toBe('goes on')
}

test(
  'versioning switched on while four claim: no item is claimed twice; off again, all claims that were not relied on are found',
  { timeout: 180_000 },
  async () => {
    const claimers = await Promise.all(Array.from({ length: CLAIMERS }, open))
    const [first] = claimers
    if (first === undefined) throw new Error('there are claimers')
    await first.putMany(Array.from({ length: ITEMS }, (_, n) => ({ id: `i${n}`, body: n })))
    let isOn = false
    const run: Run = {
      given: [],
      refused: 0,
      onGiven: async (count) => {
        if (isOn || count < ITEMS / 6) return
        isOn = true
        await setVersioning('Enabled')
      },
    }
    await Promise.all(claimers.map((queue) => claim(queue, run)))
    const before = run.given.length
    expect(run.refused).toBeGreaterThan(0)
    expect(before).toBeLessThan(ITEMS)
    expect(new Set(run.given).size).toBe(before)
    await expect(first.get(1)).rejects.toThrow(/versioning is enabled on the bucket/)

    await setVersioning('Suspended')
    for (const queue of claimers) await untilItGoesOn(queue)
    await Promise.all(claimers.map((queue) => claim(queue, run)))
    expect(new Set(run.given).size).toBe(run.given.length)
    const inProcessing = await first.list('PROCESSING', { limit: 1_000 })
    const unknown = inProcessing.items.filter(({ id, attempt }) => !run.given.includes(`${id} ${attempt}`))
    // Each was claimed by a process that was not sure, and waits for the engine as the claims of a dead
    // process do.
    expect(run.given.length + unknown.length).toBeGreaterThanOrEqual(ITEMS)
    console.log(
      `${real === undefined ? 'the fake' : 'radosgw'}: ${before} given before versioning was noticed, ${run.refused} calls refused, ` +
        `${unknown.length} claims not relied on, ${run.given.length} claimed in all, 0 twice`,
    )
  },
)
