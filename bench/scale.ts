// What ten million waiting items do to a queue:
//   node scale.ts                              PostgreSQL and SQLite at 10 thousand, 1 million and 10 million; the result goes to results/
//   node scale.ts --sizes 5000,10000 --stores sqlite
//   node scale.ts --smoke                      tiny, and kept nowhere: does it run at all?
// It needs some 40 GB in the temporary folder, and takes them away again, when it is interrupted too.
import { mkdirSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { parseArgs } from 'node:util'
import { startPostgres } from '../packages/queue-sql/test/postgres-server.ts'
import { commit, machine } from './src/machine.ts'
import { postgresStore, sqliteStore } from './src/scale-place.ts'
import type { ScalePoint, ScaleResult } from './src/scale-result.ts'
import { measureStore } from './src/scale-store.ts'
import { serverSettings } from './src/settings.ts'

const { values } = parseArgs({
  options: {
    sizes: { type: 'string', default: '10000,1000000,10000000' },
    stores: { type: 'string', default: 'postgres,sqlite' },
    smoke: { type: 'boolean', default: false },
    out: { type: 'string' },
  },
})
const sizes = values.smoke ? [5_000] : values.sizes.split(',').map(Number)
if (!sizes.every((size, index) => Number.isInteger(size) && size >= 5_000 && size > (sizes[index - 1] ?? 0)))
  throw new TypeError(
    `--sizes must be whole numbers of 5000 or more, each larger than the one before; got ${values.sizes}`,
  )
const settings = serverSettings(true)
const facts = {
  at: new Date().toISOString(),
  command: `node bench/scale.ts ${process.argv.slice(2).join(' ')}`.trim(),
  commit: commit(),
  machine: machine(),
  settings: Object.fromEntries(settings.map((each) => each.split('=', 2))),
}
const stores: { store: string; points: ScalePoint[] }[] = []

for (const store of values.stores.split(',')) {
  if (store !== 'postgres' && store !== 'sqlite')
    throw new TypeError(`no store ${store}; there are postgres, sqlite`)
  console.log(store)
  const points: ScalePoint[] = []
  stores.push({ store, points })
  const note = (point: ScalePoint): void => {
    points.push(point)
    say(point)
    save()
  }
  if (store === 'postgres') await inPostgres(note)
  else await measureStore(sqliteStore, sizes, note)
}

async function inPostgres(note: (point: ScalePoint) => void): Promise<void> {
  const server = await startPostgres(settings)
  try {
    await measureStore(postgresStore(server.url), sizes, note)
  } finally {
    await server.stop()
  }
}

/** After each size: a run that is ended before its last one has not been for nothing. */
function save(): void {
  if (values.smoke && values.out === undefined) return
  const path = values.out ?? join(import.meta.dirname, 'results/scale.json')
  const result: ScaleResult = { ...facts, stores }
  mkdirSync(dirname(path), { recursive: true })
  writeFileSync(path, `${JSON.stringify(result, undefined, 1)}\n`)
}

function say({ items, putPerSecond, serviceMb, diskMb, load, ms }: ScalePoint): void {
  const costs = Object.entries(ms).map(([name, value]) => `${name} ${value.toFixed(3)} ms`)
  console.log(
    [
      `  ${items}: put ${Math.round(putPerSecond)}/s`,
      ...costs,
      `service ${serviceMb.toFixed(0)} MB`,
      `disk ${diskMb.toFixed(0)} MB`,
      `load ${Math.round(load.perSecond)}/s, ${load.ratio.toFixed(2)}x of bare, ${load.peakMb.toFixed(0)} MB`,
    ].join(' · '),
  )
}
