import { randomUUID } from 'node:crypto'
import { isSluiceError, type Logger } from '@sluice/core'
import { missingListPermission, storeLies } from './s3-errors.js'
import type { S3Store } from './s3-store.js'
import type { StorageOp } from './storage-op.js'

const RACERS = 8

/**
 * Finds out on scratch keys what the store really does, and refuses one that a queue isn't safe on: some accept `If-None-Match` and
 * ignore it. About twenty requests; the scratch keys are deleted.
 *
 * @throws SluiceError SLUICE_CONFIG_INVALID for a store that lies; SLUICE_QUEUE_DENIED, SLUICE_QUEUE_UNAVAILABLE as for any request
 */
export async function probeStore(store: S3Store, root: string, logger: Logger): Promise<void> {
  const prefix = `${root}PROBE/${randomUUID()}`
  const keys = [`${prefix}-a`, `${prefix}-b`] as const
  // LIST first: its errors have a body, and so tell more than those of a HEAD.
  await probeList(store, prefix, [])
  await probeMissing(store, `${prefix}-none`)
  try {
    await probeCreate(store, keys[0])
    await probeRace(store, keys[1])
    await probeList(store, prefix, keys)
  } catch (error) {
    await store.deleteAll(keys, store.patience()).catch((why: unknown) => {
      logger.warn({ err: why, prefix }, 'the scratch keys of the probe were left behind')
    })
    throw error
  }
  await store.deleteAll(keys, store.patience())
  await probeList(store, prefix, [])
}

/** Without s3:ListBucket a missing key is 403, and nothing could be told from a missing permission. */
async function probeMissing(store: S3Store, key: string): Promise<void> {
  try {
    await runLook(store, key)
  } catch (error) {
    throw isSluiceError(error, 'SLUICE_QUEUE_DENIED') ? missingListPermission(store.place, error) : error
  }
}

async function probeCreate(store: S3Store, key: string): Promise<void> {
  const first = await create(store, key, 'first')
  if (first === 'exists') throw storeLies(store.place, 'a key that was never written is said to exist')
  const second = await create(store, key, 'second')
  if (second === 'created') {
    throw storeLies(
      store.place,
      'PUT If-None-Match: * of a key that exists was answered as a success: the store ignores it',
    )
  }
  const kept = await runLook(store, key)
  if (kept !== 'first')
    throw storeLies(store.place, 'a PUT that was refused has changed the object, or its metadata is lost')
}

async function probeRace(store: S3Store, key: string): Promise<void> {
  const tokens = Array.from({ length: RACERS }, (_, index) => `racer${index}`)
  const ends = await Promise.all(tokens.map((token) => create(store, key, token)))
  const winners = ends.filter((end) => end === 'created').length
  if (winners !== 1) {
    throw storeLies(
      store.place,
      `of ${RACERS} concurrent PUT If-None-Match: * of one key ${winners} won instead of one`,
    )
  }
}

async function probeList(store: S3Store, prefix: string, keys: readonly string[]): Promise<void> {
  const page = await store.list({ prefix }, store.patience())
  const listed = page.objects.map(({ key }) => key)
  if (listed.join() === keys.join()) return
  const when = keys.length > 0 ? 'that were just written' : 'after they were deleted'
  throw storeLies(
    store.place,
    `LIST does not show keys as they are ${when}: listings there are late, or out of order`,
  )
}

/** Until there is a clear answer; a creation with no answer is told by its token. */
async function create(store: S3Store, key: string, token: string): Promise<'created' | 'exists'> {
  const patience = store.patience()
  const op: StorageOp = { do: 'create', key, content: token, meta: { token } }
  for (;;) {
    const { outcome } = await store.send(op, patience)
    if (outcome === 'created') return outcome
    const { object } = await store.send({ do: 'look', key }, patience)
    if (object !== undefined) return object.meta['token'] === token ? 'created' : 'exists'
    if (outcome === 'exists') return 'exists'
  }
}

async function runLook(store: S3Store, key: string): Promise<string | undefined> {
  const { object } = await store.send({ do: 'look', key }, store.patience())
  return object?.meta['token']
}
