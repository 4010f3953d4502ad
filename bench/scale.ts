// What ten million waiting items do to a queue:
//   node scale.ts                              PostgreSQL and SQLite at 10 thousand, 1 million and 10 million; the result goes to results/
//   node scale.ts --sizes 1000,10000 --stores sqlite
// It needs some 10 GB in the temporary folder, and takes them away again.
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { parseArgs } from 'node:util'
import { startPostgres } from '../packages/queue-sql/test/postgres-server.ts'
import { commit, machine } from './src/machine.ts'
import type { ScalePoint, ScaleResult } from './src/scale-result.ts'
import { measureStore } from './src/scale-store.ts'
import { serverSettings } from './src/settings.ts'

const { values } = parseArgs({
  options: {
    sizes: { type: 'string', default: '10000,1000000,10000000' },
    stores: { type: 'string', default: 'postgres,sqlite' },
    out: { type: 'string', default: join(import.meta.dirname, 'results/scale.json') },
  },
})
const sizes = values.sizes.split(',').map(Number)
const settings = serverSettings(true)
const stores: { store: string; points: ScalePoint[] }[] = []

for (const store of values.stores.split(',')) {
  console.log(store)
  const points = store === 'postgres' ? await inPostgres() : await inSqlite()
  stores.push({ store, points })
}
const result: ScaleResult = {
  at: new Date().toISOString(),
  command: `node bench/scale.ts ${process.argv.slice(2).join(' ')}`.trim(),
  commit: commit(),
  machine: machine(),
  settings: Object.fromEntries(settings.map((each) => each.split('=', 2))),
  stores,
}
mkdirSync(dirname(values.out), { recursive: true })
writeFileSync(values.out, `${JSON.stringify(result, undefined, 1)}\n`)

async function inPostgres(): Promise<ScalePoint[]> {
  const server = await startPostgres(settings)
  try {
    return await measureStore(server.url, sizes, say)
  } finally {
    await server.stop()
  }
}

async function inSqlite(): Promise<ScalePoint[]> {
  const folder = mkdtempSync(join(tmpdir(), 'sluice-scale-'))
  try {
    return await measureStore(`sqlite:${join(folder, 'queue.db')}`, sizes, say)
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
}

function say({ items, putPerSecond, serviceMb, ms }: ScalePoint): void {
  const costs = Object.entries(ms).map(([name, value]) => `${name} ${value.toFixed(3)} ms`)
  console.log(
    `  ${items}: put ${Math.round(putPerSecond)}/s · ${costs.join(' · ')} · service ${serviceMb.toFixed(0)} MB`,
  )
}
