import pg from 'pg'
import type { Adapter, Ground, Store } from './adapter.ts'
import { removeFolder, temporaryFolder } from './temporary.ts'

/** A store on ground of its own. */
export interface Opened {
  readonly store: Store
  readonly url: string
  /** Closes it, and takes its database and files away. */
  leave(): Promise<void>
}

let serial = 0

/** Gives each store a database and a directory of its own. */
export class Grounds {
  readonly #url: string
  readonly #redisPort: number | undefined

  constructor(url: string, redisPort: number | undefined) {
    this.#url = url
    this.#redisPort = redisPort
  }

  async open(adapter: Adapter, clients: number): Promise<Opened> {
    const name = `bench_${process.pid}_${serial++}`
    await this.admin(`create database ${name}`)
    const directory = temporaryFolder('bench')
    const url = new URL(this.#url)
    url.pathname = `/${name}`
    const ground: Ground = { postgresUrl: url.href, redisPort: this.#redisPort, directory }
    const store = await adapter.open(ground, clients)
    return {
      store,
      url: url.href,
      leave: async () => {
        await store.close()
        await this.admin(dropOf(name))
        removeFolder(directory)
      },
    }
  }

  /** Runs one statement as an administrator. */
  admin(text: string): Promise<void> {
    return statement(this.#url, text)
  }
}

/**
 * Not `with (force)`: a pool is said to be closed when its goodbyes are under way, and a connection that is
 * cut off meanwhile throws where no code catches it. The server waits five seconds for them by itself, and
 * a client that has not left by then is a mistake to be reported.
 */
export function dropOf(database: string): string {
  return `drop database if exists ${database}`
}

/** Runs one statement on a connection of its own. */
export async function statement(url: string, text: string): Promise<void> {
  const client = new pg.Client({ connectionString: url })
  await client.connect()
  try {
    await client.query(text)
  } finally {
    await client.end()
  }
}

/**
 * A freshly filled database is vacuumed by the server sooner or later: done beforehand, it doesn't fall into
 * a measurement.
 */
export async function tidy(url: string): Promise<void> {
  await statement(url, 'vacuum analyze')
  await statement(url, 'checkpoint')
}
