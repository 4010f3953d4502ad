// Claims under fire: processes claim and settle while some of them are killed (SIGKILL) and, on PostgreSQL,
// backends of the server are terminated. What was given out is counted outside of them, by (uid, attempt). It
// prints a line of JSON for each store, and exits 1 if anything was lost or doubled.
//   node kill-load.ts                                100,000 claims, 40 kills, 200 backends: PostgreSQL and SQLite; 3,000 claims, 10 kills: S3
//   node kill-load.ts --stores postgres --claims 20000 --kills 10 --backends 40
//   node kill-load.ts --smoke                        tiny: does it run at all?
import { fork } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import { parseArgs } from 'node:util'
import { isSluiceError, type Queue } from '@sluice/core'
import pg from 'pg'
import { startPostgres } from '../packages/queue-sql/test/postgres-server.ts'
import { Books, headsOf } from './src/kill-books.ts'
import { Crew, type Work } from './src/kill-crew.ts'

const PACKAGES = join(import.meta.dirname, '../packages')
/** Held for longer than this, an item is taken for one of a dead process; it may be wrong about that. */
const SUSPECTED_MS = 3_000
/** Items that are put at once, at most. */
const FEED = 4_000

const { values } = parseArgs({
  options: {
    stores: { type: 'string', default: 'postgres,sqlite,s3' },
    claims: { type: 'string' },
    kills: { type: 'string' },
    backends: { type: 'string' },
    smoke: { type: 'boolean', default: false },
  },
})

interface Sizes {
  readonly claims: number
  readonly kills: number
  readonly backends: number
}

interface Place extends Work {
  /** Ends one connection at the server; whether there was one. */
  readonly killBackend?: () => Promise<boolean>
  readonly close: () => Promise<void> | void
}

const FULL: Readonly<Record<string, Sizes>> = {
  postgres: { claims: 100_000, kills: 40, backends: 200 },
  sqlite: { claims: 100_000, kills: 40, backends: 0 },
  s3: { claims: 3_000, kills: 10, backends: 0 },
}
const SMOKE: typeof FULL = {
  postgres: { claims: 1_000, kills: 2, backends: 6 },
  sqlite: { claims: 1_000, kills: 2, backends: 0 },
  s3: { claims: 100, kills: 1, backends: 0 },
}
const openers: Readonly<Record<string, () => Promise<Place>>> = { postgres, sqlite, s3 }

for (const store of values.stores.split(',')) {
  const [base, open] = [(values.smoke ? SMOKE : FULL)[store], openers[store]]
  if (base === undefined || open === undefined) throw new Error(`no store ${store}: postgres, sqlite or s3`)
  const sizes = {
    claims: Number(values.claims ?? base.claims),
    kills: Number(values.kills ?? base.kills),
    backends: base.backends === 0 ? 0 : Number(values.backends ?? base.backends),
  }
  const place = await open()
  try {
    const report = { store, ...(await load(place, sizes)) }
    console.log(JSON.stringify(report))
    if (report.lost + report.doubled + report.undone + report.strange > 0) process.exitCode = 1
  } finally {
    await place.close()
  }
}

async function load(place: Place, sizes: Sizes) {
  const beganMs = performance.now()
  const loaded: { openQueue(options: object): Promise<Queue> } = await import(place.module)
  const queue = await loaded.openQueue(place.options)
  const books = new Books()
  const crew = new Crew(place, books)
  const fed = { count: 0, atOnce: Math.min(FEED, Math.ceil(sizes.claims / 2)) }
  const seen = new Map<string, number>()
  await feed(queue, books, fed)
  await crew.fill()
  const killed = { processes: 0, backends: 0 }
  while (books.claims < sizes.claims || killed.processes < sizes.kills || killed.backends < sizes.backends) {
    if (killed.processes < due(sizes.kills, books.claims, sizes.claims)) {
      await crew.killOne(killed.processes)
      killed.processes += 1
    }
    if (killed.backends < due(sizes.backends, books.claims, sizes.claims) && (await place.killBackend?.()))
      killed.backends += 1
    if ((await tried(() => queue.size('WAITING'))) < fed.atOnce / 2) await feed(queue, books, fed)
    await releaseHeld(queue, seen, SUSPECTED_MS)
    await pause(20)
  }
  await crew.end()
  await finish(queue, books)
  const verdict = await books.compare(queue)
  await queue.close()
  return { ...verdict, items: fed.count, killed, seconds: Math.round((performance.now() - beganMs) / 1_000) }
}

/** How many of so many are to be killed by now. */
function due(all: number, claims: number, ofClaims: number): number {
  return Math.min(all, Math.ceil((all * (claims + 1)) / ofClaims))
}

interface Fed {
  count: number
  readonly atOnce: number
}

/** What was not acknowledged is put again: it is there once all the same. */
async function feed(queue: Queue, books: Books, fed: Fed): Promise<void> {
  const items = Array.from({ length: fed.atOnce }, (_, index) => ({
    id: `item-${fed.count + index}`,
    body: index,
  }))
  await tried(() => queue.putMany(items))
  fed.count += fed.atOnce
  books.put(items.map(({ id }) => id))
}

/** Gives back what has been in PROCESSING for long, from when it was first seen there. */
async function releaseHeld(queue: Queue, seen: Map<string, number>, forMs: number): Promise<void> {
  const nowMs = performance.now()
  const held = new Map<string, number>()
  await tried(async () => {
    for await (const { id, attempt } of headsOf(queue, 'PROCESSING')) {
      const sinceMs = seen.get(`${id} ${attempt}`) ?? nowMs
      held.set(`${id} ${attempt}`, sinceMs)
      if (nowMs - sinceMs >= forMs) await queue.settle([{ id, attempt, stage: 'WAITING' }])
    }
  })
  seen.clear()
  for (const [key, sinceMs] of held) seen.set(key, sinceMs)
}

/** All that is left succeeds, at attempts of its own. */
async function finish(queue: Queue, books: Books): Promise<void> {
  await releaseHeld(queue, new Map(), 0)
  for (;;) {
    const items = await tried(() => queue.get(500))
    if (items.length === 0) return
    for (const { id, uid, attempt } of items) books.claimed(id, uid, attempt)
    await tried(() => queue.settle(items.map(({ id, attempt }) => ({ id, attempt, stage: 'SUCCESS' }))))
    for (const { id, attempt } of items) books.settled(id, attempt, 'SUCCESS')
  }
}

async function tried<T>(call: () => Promise<T>): Promise<T> {
  for (;;) {
    try {
      return await call()
    } catch (error) {
      if (!isSluiceError(error) || !error.retryable) throw error
      await pause(20)
    }
  }
}

async function postgres(): Promise<Place> {
  const server = await startPostgres()
  const admin = new pg.Client({ connectionString: server.url })
  await admin.connect()
  return {
    module: join(PACKAGES, 'queue-sql/dist/index.js'),
    options: { name: 'kill', url: server.url, poolSize: 3 },
    batch: 25,
    killBackend: async () => {
      const { rowCount } = await admin.query(
        `select pg_terminate_backend(pid) from pg_stat_activity where application_name = 'sluice' order by random() limit 1`,
      )
      return rowCount === 1
    },
    close: async () => {
      await admin.end()
      await server.stop()
    },
  }
}

async function sqlite(): Promise<Place> {
  const folder = mkdtempSync(join(tmpdir(), 'sluice-kill-load-'))
  return {
    module: join(PACKAGES, 'queue-sql/dist/index.js'),
    options: { name: 'kill', url: `sqlite:${join(folder, 'queue.db')}`, timeoutMs: 60_000 },
    batch: 25,
    close: () => rmSync(folder, { recursive: true, force: true }),
  }
}

async function s3(): Promise<Place> {
  const server = fork(join(PACKAGES, 'queue-s3/scripts/s3-server-process.mjs'))
  const [options]: object[] = await once(server, 'message')
  return {
    module: join(PACKAGES, 'queue-s3/dist/index.js'),
    options: { name: 'kill', probe: 'off', ...options },
    batch: 10,
    close: () => server.disconnect(),
  }
}
