import { isSluiceError, type QueueItem, type Stage, type Queue } from '@sluice/core'
import {
  answerWith,
  startS3Server,
  type S3Endpoint,
  type S3Fault,
  type S3Request,
  type S3Server,
} from '@sluice/fake-s3'
import pLimit from 'p-limit'
import { expect, test } from 'vitest'
import { openQueue } from '../../src/index.js'
import { lots } from '../explorer/explore.js'
import { optionsOn, sweep } from '../s3-harness.js'

/** One schedule: SLUICE_SCHEDULE=seed. More of them: SLUICE_EXPLORE=25. */
const SEED = process.env['SLUICE_SCHEDULE']
const COUNT = 20 * Number(process.env['SLUICE_EXPLORE'] ?? 1)
const IDS = ['a', 'b', 'c', 'd']
const CALLS = 14

test(
  `${COUNT} schedules over HTTP with late, doubled, dropped and falsely answered requests keep every promise`,
  async () => {
    const seeds = SEED === undefined ? Array.from({ length: COUNT }, (_, index) => index + 1) : [Number(SEED)]
    // They wait for answers that don't come, most of the time.
    await pLimit(8).map(seeds, async (seed) => {
      const wrong = await new Schedule(seed).run()
      expect([`SLUICE_SCHEDULE=${seed}`, ...wrong]).toEqual([`SLUICE_SCHEDULE=${seed}`])
    })
  },
  6_000 * COUNT,
)

/** Three processes that do things by lot over connections that go wrong by lot. */
class Schedule {
  readonly #lot: (bound: number) => number
  readonly #wrong: string[] = []
  readonly #given = new Set<string>()
  readonly #acknowledged = new Map<string, Stage>()
  readonly #running: QueueItem[] = []
  readonly #put = new Set<string>()
  readonly #removing = new Set<string>()
  #release = Promise.withResolvers<void>()

  constructor(seed: number) {
    this.#lot = lots(seed)
  }

  async run(): Promise<string[]> {
    const server = await startS3Server()
    const endpoints = [await server.addEndpoint(), await server.addEndpoint(), await server.addEndpoint()]
    const queues = await Promise.all(
      endpoints.map((endpoint) => openQueue({ ...optionsOn(server, endpoint), timeoutMs: 2_000 })),
    )
    for (const endpoint of endpoints) endpoint.onRequest = (request) => this.#fault(request)
    await Promise.all(queues.map((queue) => this.#process(queue)))
    await this.#calm(server, endpoints)
    await this.#check(server)
    await Promise.all(queues.map((queue) => queue.close()))
    await server.close()
    return this.#wrong
  }

  #fault({ operation }: S3Request): S3Fault | undefined {
    const kind = this.#lot(40)
    if (operation === 'ListObjectsV2' || kind > 7) return undefined
    const until = this.#release.promise
    const faults: readonly S3Fault[] = [
      { do: 'hold', until, reply: 'dropped' },
      { do: 'duplicate' },
      { do: 'duplicate', until },
      { do: 'duplicate', answer: 'second' },
      { do: 'drop-request' },
      { do: 'drop-reply' },
      answerWith('InternalError', { applied: this.#lot(2) === 0 }),
      answerWith(this.#lot(2) === 0 ? 'ConditionalRequestConflict' : 'SlowDown'),
    ]
    return faults[kind]
  }

  async #process(queue: Queue): Promise<void> {
    for (let call = 0; call < CALLS; call++) {
      try {
        await this.#act(queue)
      } catch (error) {
        if (!isSluiceError(error)) this.#wrong.push(`an error that is not ours: ${String(error)}`)
      }
      // What was held lands late, in the middle of what the others do.
      if (this.#lot(4) === 0) this.#letLand()
    }
  }

  #letLand(): void {
    this.#release.resolve()
    this.#release = Promise.withResolvers<void>()
  }

  async #act(queue: Queue): Promise<void> {
    const id = IDS[this.#lot(IDS.length)] ?? 'a'
    switch (this.#lot(7)) {
      case 0:
      case 1:
        await queue.put(id, { of: id })
        this.#put.add(id)
        return
      case 2:
      case 3:
        for (const item of await queue.get(1 + this.#lot(2))) this.#take(item)
        return
      case 4:
        await queue.requeue([id])
        return
      case 5:
        if (this.#lot(3) > 0) return
        this.#removing.add(id)
        await queue.remove([id])
        return
      default:
        await this.#settle(queue)
    }
  }

  #take(item: QueueItem): void {
    const job = `${item.id} ${item.uid} ${item.attempt}`
    if (this.#given.has(job)) this.#wrong.push(`${job} was claimed twice`)
    this.#given.add(job)
    this.#running.push(item)
  }

  async #settle(queue: Queue): Promise<void> {
    const item = this.#running[this.#lot(this.#running.length)]
    if (item === undefined) return
    const { id, uid, attempt } = item
    const stage = (['SUCCESS', 'FAIL', 'WAITING'] as const)[this.#lot(3)] ?? 'FAIL'
    const report = await queue.settle([{ id, uid, attempt, stage }])
    if (report.settled === 0) return
    const job = `${id} ${uid} ${attempt}`
    const before = this.#acknowledged.get(job)
    if (before !== undefined && before !== stage)
      this.#wrong.push(`${job} was settled as ${before} and as ${stage}`)
    this.#acknowledged.set(job, stage)
  }

  async #calm(server: S3Server, endpoints: readonly S3Endpoint[]): Promise<void> {
    for (const endpoint of endpoints) endpoint.onRequest = undefined
    this.#letLand()
    await server.settled()
  }

  async #check(server: S3Server): Promise<void> {
    const queue = await openQueue(optionsOn(server))
    // Finishes puts that were cut off, as any lookup of an id does.
    const records = await Promise.all(IDS.map((id) => queue.lookup(id)))
    await sweep(queue)
    const listed: string[] = []
    for (const stage of ['WAITING', 'PROCESSING', 'SUCCESS', 'FAIL'] as const) {
      const { items } = await queue.list(stage, { limit: 100 })
      listed.push(...items.map((item) => `${item.id} ${item.uid} ${item.stage} ${item.attempt}`))
      const summaries = await queue.listSummaries(stage, { limit: 100 })
      if ((await queue.size(stage)) !== items.length || summaries.items.length !== items.length) {
        this.#wrong.push(`size, list and listSummaries of ${stage} differ`)
      }
    }
    const found = records.flatMap((item) =>
      item ? [`${item.id} ${item.uid} ${item.stage} ${item.attempt}`] : [],
    )
    if (listed.toSorted().join() !== found.toSorted().join())
      this.#wrong.push(`lookup finds ${found.join()}; listed: ${listed.join()}`)
    for (const [index, id] of IDS.entries()) this.#checkItem(id, records[index])
    await queue.close()
  }

  #checkItem(id: string, record: Awaited<ReturnType<Queue['lookup']>>): void {
    if (record === undefined) {
      if (this.#put.has(id) && !this.#removing.has(id))
        this.#wrong.push(`${id} was put, never removed, and is lost`)
      return
    }
    if (JSON.stringify(record.body) !== JSON.stringify({ of: id }))
      this.#wrong.push(`the body of ${id} is another`)
    const stage = this.#acknowledged.get(`${id} ${record.uid} ${record.attempt}`)
    if (stage === 'SUCCESS' && record.stage !== 'SUCCESS')
      this.#wrong.push(`${id} had succeeded, and is ${record.stage}`)
  }
}
