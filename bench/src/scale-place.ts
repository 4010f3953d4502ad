import { execFile } from 'node:child_process'
import { statSync } from 'node:fs'
import { join } from 'node:path'
import { promisify } from 'node:util'
import pg from 'pg'
import type { Adapter, Ground } from './adapter.ts'
import { limit } from './adapters/limit.ts'
import { bareSqlite } from './adapters/sqlite.ts'
import { dropOf, statement } from './grounds.ts'
import { removeFolder, temporaryFolder } from './temporary.ts'

/** Where one store of one kind may be: empty at first, and of its own. */
export interface Place {
  /** What a queue is opened with. */
  readonly url: string
  readonly ground: Ground
  /** Bytes on disk. */
  bytes(): Promise<number>
  /**
   * Waits until all that was written is on the disk: a commit would wait for gigabytes that a load before it
   * has left in memory.
   */
  calm(): Promise<void>
  /** Takes it away, with all that is in it. */
  leave(): Promise<void>
}

/** One kind of store. */
export interface ScaleStore {
  /** What inserts the same items by plain SQL. */
  readonly bare: Adapter
  makePlace(): Promise<Place>
}

let serial = 0
const run = promisify(execFile)

/** The command of the system: of all that any process wrote. */
async function sync(): Promise<void> {
  await run('sync')
}

/** Databases of a PostgreSQL server. */
export function postgresStore(serverUrl: string): ScaleStore {
  return {
    bare: limit,
    makePlace: async () => {
      const name = `scale_${process.pid}_${serial++}`
      await statement(serverUrl, `create database ${name}`)
      const url = new URL(serverUrl)
      url.pathname = `/${name}`
      return {
        url: url.href,
        ground: { postgresUrl: url.href, redisPort: undefined, directory: '' },
        bytes: () => databaseBytes(url.href),
        calm: async () => {
          await statement(url.href, 'checkpoint')
          await sync()
        },
        leave: () => statement(serverUrl, dropOf(name)),
      }
    },
  }
}

async function databaseBytes(url: string): Promise<number> {
  const client = new pg.Client({ connectionString: url })
  await client.connect()
  try {
    const { rows } = await client.query<{ bytes: string }>(
      'select pg_database_size(current_database()) as bytes',
    )
    return Number(rows[0]?.bytes)
  } finally {
    await client.end()
  }
}

/** Files of SQLite. */
export const sqliteStore: ScaleStore = {
  bare: bareSqlite,
  makePlace: async () => {
    const directory = temporaryFolder('scale')
    const file = join(directory, 'queue.db')
    return {
      url: `sqlite:${file}`,
      ground: { postgresUrl: '', redisPort: undefined, directory },
      bytes: async () =>
        statSync(file).size + (statSync(`${file}-wal`, { throwIfNoEntry: false })?.size ?? 0),
      calm: sync,
      leave: async () => removeFolder(directory),
    }
  },
}
