import type { JsonValue, StandardSchema } from '@sluice/core'
import { openQueue } from '@sluice/queue-memory'
import { expect, test } from 'vitest'
import { processingLimit } from '../../src/index.js'
import { World } from '../world.js'

interface Tile {
  readonly url: string
}

/** What the schema makes of a body. */
interface ReadTile {
  readonly address: string
}

class TileWorld extends World {
  /** What the schema does instead, while it is set. */
  trouble: (() => Promise<never>) | undefined
  parsed = 0
  readonly bodies: unknown[] = []

  readonly schema: StandardSchema<Tile, ReadTile> = {
    '~standard': {
      version: 1,
      vendor: 'test',
      validate: (value) => {
        this.parsed += 1
        if (this.trouble !== undefined) return this.trouble()
        const url = typeof value === 'object' && value !== null && 'url' in value ? value.url : undefined
        if (typeof url !== 'string') return { issues: [{ message: 'must be a string', path: ['url'] }] }
        return { value: { address: url } }
      },
    },
  }

  async tileEngine({ maxJobsPerSend = 1 } = {}) {
    const queue = await openQueue({ name: 'q', store: this.store, body: this.schema })
    const worker = this.openManyWorker(maxJobsPerSend)
    const [send, sendMany] = [worker.sendJob.bind(worker), worker.sendMany.bind(worker)]
    Object.assign(worker, {
      sendJob: async (...[id, body, job]: Parameters<typeof send>) => {
        this.bodies.push(body)
        await send(id, body, job)
      },
      sendMany: async (jobs: Parameters<typeof sendMany>[0]) => {
        this.bodies.push(...jobs.map(({ body }) => body))
        return sendMany(jobs)
      },
    })
    return this.ticker({ queue, worker, policy: processingLimit(20) })
  }

  /** As a program without the schema puts and claims them. */
  async claimed(bodies: readonly JsonValue[]): Promise<void> {
    await this.queue.putMany(bodies.map((body, at) => ({ id: `i${at}`, body })))
    await this.queue.get(bodies.length)
  }

  errors(): string[] {
    return this.logs.filter(({ level }) => level === 'error').map(({ message }) => message)
  }
}

const FITS: readonly JsonValue[] = [{ url: 'a' }, { url: 'b' }, { url: 'c' }, { url: 'd' }]

test('what is claimed is sent as the schema reads it; what does not fit fails where it is claimed', async () => {
  const world = new TileWorld()
  await world.queue.putMany([...FITS, { url: 7 }].map((body, at) => ({ id: `i${at}`, body })))
  const engine = await world.tileEngine()
  expect(await engine.tick()).toMatchObject({ sent: 4, processing: 4 })
  expect(world.bodies).toEqual(['a', 'b', 'c', 'd'].map((address) => ({ address })))
  expect(await world.queue.lookup('i4')).toMatchObject({ stage: 'FAIL', failureClass: 'invalid-body' })
})

test.each([1, 5])(
  'claims of a process that died are read by the schema before they are sent again, %d at once; one that does not fit fails, with the path',
  async (maxJobsPerSend) => {
    const world = new TileWorld()
    await world.claimed([...FITS.slice(0, 2), { url: 7 }, ...FITS.slice(2)])
    const engine = await world.tileEngine({ maxJobsPerSend })
    expect(await engine.tick()).toMatchObject({ resent: 4, rejected: 0, settled: { fail: 1 }, processing: 4 })
    expect(world.bodies).toEqual(['a', 'b', 'c', 'd'].map((address) => ({ address })))
    expect(await world.queue.lookup('i2')).toMatchObject({
      stage: 'FAIL',
      attempt: 1,
      failureClass: 'invalid-body',
      reason: 'the body does not fit the schema: $.url: must be a string',
    })
    expect(world.started.map(({ id }) => id)).not.toContain('i2')
    expect(await engine.tick()).toMatchObject({ sent: 0, settled: { fail: 0 }, processing: 4 })
  },
)

test('bodies that do not fit are no refusals of the worker: however many, they pause nothing', async () => {
  const world = new TileWorld()
  await world.claimed(Array.from({ length: 25 }, () => null))
  const engine = await world.tileEngine()
  for (let tick = 0; tick < 4; tick++) await engine.tick()
  expect(await world.queue.sizes()).toMatchObject({ FAIL: 25, PROCESSING: 0 })
  expect(await world.queue.control.read()).toMatchObject({ paused: false })
})

test.each([
  ['throws', async (): Promise<never> => Promise.reject(new Error('boom'))],
  ['rejects after 5 s', undefined],
])(
  'a schema that %s: nothing is settled, the items stay for the next tick, and it is logged once',
  async (_, trouble) => {
    const world = new TileWorld()
    await world.claimed(FITS)
    const slowly = async (): Promise<never> => {
      await world.runtime.sleep(5_000)
      throw new Error('boom')
    }
    world.trouble = trouble ?? slowly
    const engine = await world.tileEngine()
    for (let tick = 0; tick < 3; tick++) {
      const ticking = engine.tick()
      await world.runtime.advance(12_000)
      expect(await ticking).toMatchObject({
        role: 'dispatcher',
        sent: 0,
        processing: 4,
        settled: { fail: 0 },
      })
    }
    expect(world.parsed).toBeGreaterThanOrEqual(12)
    expect(world.errors()).toEqual([expect.stringContaining('schema of the bodies failed')])
    world.trouble = undefined
    expect(await engine.tick()).toMatchObject({ resent: 4, settled: { fail: 0 } })
    expect(world.bodies).toHaveLength(4)
    expect([...world.startCounts().values()].every((count) => count === 1)).toBe(true)
  },
)

test('a schema that fails for what is claimed ends no tick: the items wait, and it is logged once', async () => {
  const world = new TileWorld()
  await world.queue.putMany(FITS.map((body, at) => ({ id: `i${at}`, body })))
  world.trouble = async () => Promise.reject(new Error('boom'))
  const engine = await world.tileEngine()
  for (let tick = 0; tick < 3; tick++) {
    expect(await engine.tick()).toMatchObject({ role: 'dispatcher', sent: 0, processing: 0 })
    await world.runtime.advance(1_000)
  }
  expect(await world.queue.sizes()).toMatchObject({ WAITING: 4, FAIL: 0 })
  expect(world.errors()).toEqual([expect.stringContaining('schema of the bodies failed')])
  world.trouble = undefined
  expect(await engine.tick()).toMatchObject({ sent: 4 })
})

test('a probe is made of what the schema reads', async () => {
  const world = new TileWorld()
  await world.queue.put('done', { url: 'z' })
  const [done] = await world.queue.get(1)
  await world.queue.success('done', { attempt: done?.attempt ?? 0 })
  await world.claimed(FITS)
  const queue = await openQueue({ name: 'q', store: world.store, body: world.schema })
  const worker = world.openWorker()
  const samples: unknown[] = []
  worker.probeSend = async (sample) => void samples.push(sample)
  for (let at = 0; at < 4; at++) worker.troubleItem(`i${at}`, {})
  await world.ticker({ queue, worker, policy: processingLimit(4) }).tick()
  expect(samples).toEqual([{ id: 'done', body: { address: 'z' } }])
})
