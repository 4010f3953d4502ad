import { mkdirSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { setImmediate as turnOfOthers } from 'node:timers/promises'
import { STAGES, type ItemSummary, type Queue, type QueueItem, type Stage } from '@sluice/core'
import { afterEach, describe, expect, inject, test } from 'vitest'
import { openSqlQueue } from '../support/open-sql-queue.js'
import { optionsSchema } from '../../src/sql-options.js'
import { Crash } from '../support/crashing-dialect.js'
import { oldVersion, type OldLayout } from '../support/old-version.js'
import { freshPrefix } from '../support/postgres-harness.js'
import { fastDirectory } from '../support/sqlite-harness.js'

const UPGRADE = {
  retryable: false,
  message: expect.stringMatching(/a newer @sluice\/queue-sql has upgraded .*: upgrade it here too/s),
}
/** Of a queue that was opened with tables that are too new. */
const TOO_NEW = {
  code: 'SLUICE_QUEUE_CORRUPT',
  retryable: false,
  message: expect.stringMatching(/Upgrade @sluice\/queue-sql here too/),
}

const LONG_MS = 600_000
const directories: string[] = []
const opened: Queue[] = []

afterEach(async () => {
  await Promise.allSettled(opened.splice(0).map((queue) => queue.close()))
  for (const directory of directories.splice(0)) rmSync(directory, { recursive: true, force: true })
})

interface Store {
  readonly older: () => Promise<Queue>
  readonly newer: (crash?: Crash) => Promise<Queue>
  /** A crash of the kind that this store has. */
  readonly crashAt: (point: number) => Crash
}

function keep(queue: Queue): Queue {
  opened.push(queue)
  return queue
}

function storeOf(kind: 'SQLite' | 'PostgreSQL', layout: OldLayout): Store {
  const isFile = kind === 'SQLite'
  const directory = fastDirectory()
  if (isFile) {
    directories.push(directory)
    mkdirSync(directory)
  }
  const options = {
    name: 'work',
    url: isFile ? `sqlite:${join(directory, 'queue.db')}` : inject('postgresUrl'),
    tablePrefix: freshPrefix(),
    poolSize: 3,
    timeoutMs: 60_000,
  }
  return {
    older: async () => keep(await (await oldVersion(layout))(options)),
    newer: async (crash) => keep(await openSqlQueue(optionsSchema.parse(options), { wrap: crash?.wrap })),
    crashAt: (point) => {
      const crash = new Crash(point, isFile ? undefined : 'select pg_terminate_backend(pg_backend_pid())')
      crash.arm()
      return crash
    },
  }
}

/** What was given out and acknowledged, by whatever version. */
class Ledger {
  readonly claims: string[] = []
  readonly put: string[] = []

  claimed(items: readonly QueueItem[]): readonly QueueItem[] {
    this.claims.push(...items.map(({ uid, attempt }) => `${uid} ${attempt}`))
    return items
  }
}

const nothing = () => []
const ignored = () => undefined

/** A process of an older release at work under its lease, until that lease ends it. */
async function workUntilRefused(
  queue: Queue,
  { ledger, onTurn, holder }: { ledger: Ledger; onTurn: (turn: number) => void; holder: string },
): Promise<unknown> {
  for (let turn = 0; turn < 2_000; turn++) {
    try {
      const lease = await queue.lease('dispatcher', holder, LONG_MS)
      await lease?.renew()
    } catch (error) {
      return error
    }
    onTurn(turn)
    const id = `${holder}-${turn}`
    // What the new tables refuse did not happen; whether that is so is what the ledger is held against.
    await queue.put(id, { turn }).then(() => ledger.put.push(id), ignored)
    const items = ledger.claimed(await queue.get(5).catch(nothing))
    const stages = ['SUCCESS', 'WAITING', 'FAIL', 'SUCCESS'] as const
    const moves = items.slice(0, 4).map((item, index) => {
      return { id: item.id, attempt: item.attempt, stage: stages[index] ?? 'SUCCESS' }
    })
    await queue.settle(moves).catch(ignored)
    // SQLite answers without a turn of the event loop, so that a process that waits for a lock would never
    // wake in this one.
    await turnOfOthers()
  }
  throw new Error('the older one was never refused')
}

/** The fencing token of a lease as releases before 1.0 named it. */
function fenceOf(lease: object | undefined): number {
  const tokens: Record<string, unknown> = { ...lease }
  return Number(tokens['fencingToken'] ?? tokens['fence'])
}

async function summariesOf(queue: Queue, stage: Stage): Promise<ItemSummary[]> {
  const { items } = await queue.listSummaries(stage, { limit: 2_500 })
  return [...items]
}

/** Finishes all there is with today's release, and holds the ledger against what is found. */
async function expectNothingLostOrDoubled(queue: Queue, ledger: Ledger): Promise<void> {
  const held = await summariesOf(queue, 'PROCESSING')
  const back = await queue.settle(held.map(({ id, attempt }) => ({ id, attempt, stage: 'WAITING' })))
  expect(back).toEqual({ settled: held.length, refused: [] })
  for (;;) {
    const items = ledger.claimed(await queue.get(100))
    if (items.length === 0) break
    const done = await queue.settle(items.map(({ id, attempt }) => ({ id, attempt, stage: 'SUCCESS' })))
    expect(done).toEqual({ settled: items.length, refused: [] })
  }
  const summaries = await Promise.all(STAGES.map((stage) => summariesOf(queue, stage)))
  expect(summaries.map(({ length }) => length)).toEqual(Object.values(await queue.sizes()))
  const found = summaries.flat().map(({ id }) => id)
  expect(new Set(found).size).toBe(found.length)
  expect(ledger.put.filter((id) => !found.includes(id))).toEqual([])
  expect(new Set(ledger.claims).size).toBe(ledger.claims.length)
}

async function putSome(queue: Queue, ledger: Ledger, count: number): Promise<void> {
  const items = Array.from({ length: count }, (_, index) => ({ id: `item-${index}`, body: { index } }))
  await queue.putMany(items)
  ledger.put.push(...items.map(({ id }) => id))
}

describe.each(['SQLite', 'PostgreSQL'] as const)('two versions on one queue in %s', (kind) => {
  describe.each(['schema-1', 'schema-2', 'schema-3', 'schema-4'] as const)(
    'today’s and that of %s',
    (layout) => {
      // Since schema 4 a lease itself compares the version of the tables.
      const refusal = layout === 'schema-4' ? TOO_NEW : UPGRADE
      test('the older is refused on the newer’s queue with a reason, and the newer continues', async () => {
        const store = storeOf(kind, layout)
        const ledger = new Ledger()
        const queue = await store.newer()
        await putSome(queue, ledger, 10)
        ledger.claimed(await queue.get(3))
        await expect(store.older()).rejects.toMatchObject(TOO_NEW)
        await expectNothingLostOrDoubled(queue, ledger)
      })

      test('the newer upgrades while two of the older claim and settle: they end at their next lease, and nothing is lost or duplicated', async () => {
        const store = storeOf(kind, layout)
        const ledger = new Ledger()
        const older = [await store.older(), await store.older()]
        await putSome(await store.older(), ledger, 400)
        let newer: Promise<Queue> | undefined
        const onTurn = (turn: number) => {
          if (turn === 8) newer ??= store.newer()
        }
        const errors = await Promise.all(
          older.map((queue, index) => workUntilRefused(queue, { ledger, onTurn, holder: `older-${index}` })),
        )
        expect(errors).toMatchObject([refusal, refusal])
        const queue = await newer
        if (queue === undefined) throw new Error('no upgrade happened')
        // A process without a lease may continue as long as its statements fit: it, too, loses and duplicates
        // nothing.
        for (const one of older) {
          ledger.claimed(await one.get(3).catch(nothing))
          await one.put('late', 1).then(() => ledger.put.push('late'), ignored)
          await expect(one.lease('dispatcher', 'older-0', LONG_MS)).rejects.toMatchObject(refusal)
        }
        await expect(store.older()).rejects.toMatchObject(TOO_NEW)
        await expectNothingLostOrDoubled(queue, ledger)
      })

      test('a lease of the older release is held until it expires, with its token', async () => {
        const store = storeOf(kind, layout)
        const older = await store.older()
        const lease = await older.lease('dispatcher', 'older', LONG_MS)
        const short = await older.lease('sweep', 'older', 100)
        const queue = await store.newer()
        await expect(lease?.renew()).rejects.toMatchObject(refusal)
        expect(await queue.lease('dispatcher', 'newer', LONG_MS)).toBeUndefined()
        const taken = async () => (await queue.lease('sweep', 'newer', LONG_MS))?.fencingToken
        await expect.poll(taken, { timeout: 30_000 }).toBe(fenceOf(short) + 1)
      })

      test('the newer is killed at points of the upgrade, while the older works: nothing changes, and the next one upgrades', async () => {
        const store = storeOf(kind, layout)
        const ledger = new Ledger()
        const older = await store.older()
        await putSome(older, ledger, 40)
        const lease = await older.lease('dispatcher', 'older', LONG_MS)
        let queue: Queue | undefined
        let crashes = 0
        // The last version's every point, of longer ways every fifth.
        const step = layout === 'schema-4' ? 1 : 5
        for (let point = 0; queue === undefined; point += step) {
          const crash = store.crashAt(point)
          queue = await store.newer(crash).catch((error: unknown) => {
            if (crash.crashed) return undefined
            throw error
          })
          if (queue !== undefined || (await isUpgraded(store))) break
          crashes += 1
          expect(await lease?.renew()).toBe(true)
          const [item] = ledger.claimed(await older.get(1))
          if (item !== undefined) await older.release(item.id, { attempt: item.attempt })
        }
        expect(crashes).toBeGreaterThan(6)
        queue = await store.newer()
        await expect(lease?.renew()).rejects.toMatchObject(refusal)
        await expectNothingLostOrDoubled(queue, ledger)
      })
    },
  )
})

/** A process killed after its commit has upgraded all the same. */
async function isUpgraded(store: Store): Promise<boolean> {
  return store.older().then(
    () => false,
    () => true,
  )
}
