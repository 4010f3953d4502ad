/**
 * Speed by rough count, on a fresh store: `node scripts/speed.ts [url …]` after a build. Without urls: SQLite in a temporary file, and
 * PostgreSQL from the test server, whose fsync is off.
 */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { openQueue } from '@sluice/queue-sql'
import { startPostgres } from '../test/postgres-server.ts'

const ITEMS = 20_000
const body = { source: 's3://bucket/some/where/tile.tif', text: 'x'.repeat(250) }

async function measure(url: string): Promise<void> {
  const queue = await openQueue({ name: `speed-${Date.now()}`, url })
  const ids = Array.from({ length: ITEMS }, (_, index) => `tile-${index}`)
  await rate(url, 'putMany of 1000', ITEMS, async () => {
    for (let at = 0; at < ITEMS; at += 1_000) {
      await queue.putMany(ids.slice(at, at + 1_000).map((id) => ({ id, body })))
    }
  })
  await rate(url, 'get(100) and settle', ITEMS, async () => {
    for (let items = await queue.get(100); items.length > 0; items = await queue.get(100)) {
      await queue.settle(items.map(({ id, attempt, uid }) => ({ id, attempt, uid, stage: 'SUCCESS' })))
    }
  })
  await rate(url, 'put, one after another', 500, async () => {
    for (let index = 0; index < 500; index++) await queue.put(`single-${index}`, body)
  })
  await rate(url, 'get(1) and success', 500, async () => {
    for (let [item] = await queue.get(1); item !== undefined; [item] = await queue.get(1)) {
      await queue.success(item.id, { attempt: item.attempt })
    }
  })
  await rate(url, 'put, 128 at once', 12_800, async () => {
    const lanes = Array.from({ length: 128 }, async (_, lane) => {
      for (let index = 0; index < 100; index++) await queue.put(`lane-${lane}-${index}`, body)
    })
    await Promise.all(lanes)
  })
  await rate(url, 'size', 200, async () => {
    for (let index = 0; index < 200; index++) await queue.size('SUCCESS')
  })
  await queue.close()
}

async function rate(url: string, what: string, count: number, run: () => Promise<void>): Promise<void> {
  const startedAt = performance.now()
  await run()
  const perSecond = Math.round(count / ((performance.now() - startedAt) / 1_000))
  console.log(`${url.split(':', 1)[0]}: ${what}: ${perSecond.toLocaleString('en')}/s`)
}

const urls = process.argv.slice(2)
if (urls.length > 0) {
  for (const url of urls) await measure(url)
} else {
  const directory = mkdtempSync(join(tmpdir(), 'sluice-speed-'))
  await measure(`sqlite:${join(directory, 'queue.db')}`)
  rmSync(directory, { recursive: true })
  const server = await startPostgres()
  await measure(server.url)
  await server.stop()
}
