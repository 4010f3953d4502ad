import type { Logger } from '@sluice/core'
import { storeLies } from '../store/s3-errors.js'
import type { S3Store } from '../store/s3-store.js'
import type { StoredObject } from '../store/storage-op.js'

/** A probe deletes what it writes within seconds: older objects were left by a process that was killed. */
const LEFT_AFTER_MS = 3_600_000
const MAX_LEFT = 1_000

/** Where probes write. */
export function probeFolder(root: string): string {
  return `${root}PROBE/`
}

/**
 * Does once, on a key of its own, what a queue does with objects: create, read, overwrite, delete. Deleting
 * is tried before anything is written, so that nothing is left where it is not permitted.
 *
 * @throws SluiceError SLUICE_QUEUE_DENIED, SLUICE_QUEUE_UNAVAILABLE as for any request; SLUICE_CONFIG_INVALID
 * for a store that does not keep what it acknowledges
 */
export async function checkWrites(store: S3Store, root: string): Promise<void> {
  const key = `${probeFolder(root)}${store.runtime.newId()}-check`
  await store.deleteAll([key])
  const content = JSON.stringify({ probe: 'ü🧪\0' })
  try {
    await create(store, key, content)
    assertKept(store, await read(store, key), { content, token: 'created' })
    await store.send({ do: 'empty', key, meta: { token: 'emptied' } }, store.patience())
    assertKept(store, await read(store, key), { content: '', token: 'emptied' })
  } finally {
    await store.deleteAll([key])
  }
  if ((await read(store, key)) !== undefined) throw lies(store, 'an object that was deleted is still there')
}

/** Deletes the leftovers of probes that were killed. */
export async function deleteLeftProbes(store: S3Store, root: string, logger: Logger): Promise<void> {
  const { objects } = await store.list({ prefix: probeFolder(root), max: MAX_LEFT })
  const { clock } = store
  const isLeft = ({ modifiedAt }: { readonly modifiedAt: number }): boolean =>
    clock.isSure && clock.now() - clock.spreadMs - modifiedAt > LEFT_AFTER_MS
  const left = objects.filter(isLeft).map(({ key }) => key)
  if (left.length === 0) return
  await store.deleteAll(left)
  logger.info({ keys: left.length }, 'deleted the leftovers of a probe that was killed')
}

/** Until there is a clear answer; a lost one is resolved by the object's token. */
async function create(store: S3Store, key: string, content: string): Promise<void> {
  const patience = store.patience()
  for (;;) {
    const { outcome, cause } = await store.send(
      { do: 'create', key, content, meta: { token: 'created' } },
      patience,
    )
    if (outcome === 'created') return
    if (outcome === 'refused') throw cause ?? lies(store, 'it takes no object under a key of its own')
    if ((await read(store, key))?.meta['token'] === 'created') return
    if (outcome === 'exists') throw lies(store, 'a key that was never written is reported to exist')
  }
}

async function read(store: S3Store, key: string): Promise<StoredObject | undefined> {
  return (await store.send({ do: 'read', key }, store.patience())).object
}

interface Kept {
  readonly content: string
  readonly token: string
}

function assertKept(store: S3Store, object: StoredObject | undefined, { content, token }: Kept): void {
  if (object?.content === content && object.meta['token'] === token) return
  throw lies(store, 'an object that was just written does not read as it was written')
}

function lies(store: S3Store, seen: string): Error {
  const advice =
    'Items would be lost. Use a store that shows each write at once, and keeps objects as they are'
  return storeLies(store.place, { seen, advice })
}
