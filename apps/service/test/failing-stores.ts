import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import type { Queue } from '@sluice/core'
import { openQueue as openS3 } from '@sluice/queue-s3'
import { openQueue as openSql } from '@sluice/queue-sql'
import { answerWith, startS3Server, type S3Server } from '@sluice/fake-s3'
import pg from 'pg'

/** A storage that can be made to fail, as a storage fails: what the queue's package makes of it is its own affair. */
export interface FailingStore {
  /** The `queue` of a configuration. */
  readonly config: { readonly package: string; readonly name: string }
  /** From now on the storage takes no item of this id. */
  refuse(id: string): Promise<void>
  /** Another process's view of what is stored. */
  stored(): Promise<Record<'WAITING' | 'SUCCESS', number>>
  close(): Promise<void>
}

const name = 'tiles'

async function sizesOf(queue: Queue): Promise<Record<'WAITING' | 'SUCCESS', number>> {
  try {
    return await queue.sizes()
  } finally {
    await queue.close()
  }
}

/** The queue lives in one process: its package keeps it open for the test, and refuses what it is told to. */
export async function memoryStore(dir: string): Promise<FailingStore> {
  const refused: string[] = []
  const kept: { queue?: Queue } = {}
  const key = `sluice-test-${dir}`
  Reflect.set(globalThis, key, { refused, kept })
  await writeFile(
    join(dir, 'store.mjs'),
    `import { openQueue as open } from ${JSON.stringify(import.meta.resolve('@sluice/queue-memory'))}
    import { SluiceError } from ${JSON.stringify(import.meta.resolve('@sluice/core'))}
    const { refused, kept } = globalThis[${JSON.stringify(key)}]
    export async function openQueue(options) {
      const queue = await open(options)
      const putMany = queue.putMany.bind(queue)
      kept.queue = queue
      queue.close = async () => {}
      queue.putMany = async (items, how) => {
        if (items.some(({ id }) => refused.includes(id))) throw new SluiceError('SLUICE_QUEUE_UNAVAILABLE', 'no room')
        return putMany(items, how)
      }
      return queue
    }`,
  )
  return {
    config: { package: './store.mjs', name },
    refuse: async (id) => void refused.push(id),
    stored: async () => (await kept.queue?.sizes()) ?? { WAITING: 0, SUCCESS: 0 },
    close: async () => void Reflect.deleteProperty(globalThis, key),
  }
}

export async function sqliteStore(dir: string): Promise<FailingStore> {
  const path = join(dir, 'queue.db')
  const options = { name, url: `sqlite:${path}` }
  await (await openSql(options)).close()
  return {
    config: { package: 'sql', ...options },
    refuse: async (id) => {
      const database = new DatabaseSync(path)
      database.exec(`create trigger refusing before insert on sluice_items when new.id = '${id}'
        begin select raise(abort, 'refused by the storage'); end`)
      database.close()
    },
    stored: async () => sizesOf(await openSql(options)),
    close: async () => {},
  }
}

/** @param act what the server does when the item comes */
export async function postgresStore(
  url: string,
  act = `raise 'refused by the storage'`,
): Promise<FailingStore> {
  const tablePrefix = `t${process.pid}_${Date.now().toString(36)}_`
  const options = { name, url, tablePrefix }
  await (await openSql(options)).close()
  return {
    config: { package: 'sql', ...options },
    refuse: async (id) => {
      const client = new pg.Client({ connectionString: url })
      await client.connect()
      await client.query(`create function ${tablePrefix}refuse() returns trigger language plpgsql as
        $$ begin if new.id = '${id}' then ${act}; end if; return new; end $$`)
      await client.query(`create trigger refusing before insert on ${tablePrefix}items
        for each row execute function ${tablePrefix}refuse()`)
      await client.end()
    },
    stored: async () => sizesOf(await openSql(options)),
    close: async () => {},
  }
}

export async function s3Store(timeoutMs = 30_000): Promise<FailingStore & { readonly server: S3Server }> {
  const server = await startS3Server()
  const { endpoint, region, credentials } = server.clientOptions()
  const options = { name, bucket: server.bucket, endpoint, region, credentials, timeoutMs }
  await (await openS3(options)).close()
  return {
    server,
    config: { package: 's3', ...options },
    refuse: async (id) => {
      const escaped = encodeURIComponent(id)
      server.main.onRequest = ({ operation, key }) =>
        operation === 'PutObject' && key.split('/').includes(escaped) ? answerWith('AccessDenied') : undefined
    },
    stored: async () => {
      server.main.onRequest = undefined
      return sizesOf(await openS3(options))
    },
    close: () => server.close(),
  }
}
