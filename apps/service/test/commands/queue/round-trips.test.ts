import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from 'vitest'
import { startPostgres } from '../../fixtures/postgres.js'
import { Sandbox } from '../../fixtures/sandbox.js'

/** Waits of a command for the database, one after the other: what a database far away takes. */
interface Trips {
  readonly trips: number
  /** Of these, until the first connection is ready: three with a plain password, four with SCRAM. */
  readonly connecting: number
  readonly connections: number
}

const COUNTER = new URL('../../fixtures/count-trips.ts', import.meta.url).href

let server: { readonly url: string; stop(): Promise<void> }
let box: Sandbox
let prefix = 0

beforeAll(async () => {
  server = await startPostgres()
})
afterAll(() => server.stop())

beforeEach(async () => {
  box = await Sandbox.open()
  const queue = { package: 'sql', name: 'tiles', url: server.url, tablePrefix: `trips_${++prefix}_` }
  await writeFile(join(box.dir, 'sluice.config.json'), JSON.stringify({ queue }))
})
afterEach(() => box.close())

async function tripsOf(args: readonly string[]): Promise<Trips> {
  const file = join(box.dir, 'trips.json')
  const env = { NODE_OPTIONS: `--import=${COUNTER}`, TRIPS_FILE: file }
  const { code, err } = await box.spawn(args, { env })
  if (code !== 0) throw new Error(`sluice ${args.join(' ')} ended with ${code}: ${err}`)
  return JSON.parse(await readFile(file, 'utf8'))
}

test.each([
  // The opening, and all reads at once.
  { args: ['status'], after: 2 },
  { args: ['limit'], after: 2 },
  { args: ['put', 'b', '1'], after: 2 },
  { args: ['pause'], after: 3 },
  { args: ['show', 'a'], after: 5 },
])('sluice $args waits $after times for the database once it is connected', async ({ args, after }) => {
  expect(await box.run(['put', 'a', '1'])).toMatchObject({ code: 0 })
  const { trips, connecting, connections } = await tripsOf(args)
  expect({ connections, after: trips - connecting }).toEqual({ connections: 1, after })
})
