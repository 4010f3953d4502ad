import { silentLogger, type LeaseView, type ListQueuesUse, type Stage, type StoredQueue } from '@sluice/core'
import { checkOptions } from '@sluice/core/backend'
import { RESERVED_PARTS, decodeKey } from './format/key-encoding.js'
import { heldLeases } from './state/lease-list.js'
import { openBackend, placeOf, settleClock } from './open-s3-queue.js'
import { runProtocol } from './store/protocol-run.js'
import { factsOf, type QueueFacts } from './format/queue-settings.js'
import { openingError } from './store/s3-errors.js'
import { optionsSchema, type CheckedS3Options, type S3QueueOptions } from './s3-options.js'
import type { S3Store } from './store/s3-store.js'
import { read } from './store/storage-op.js'

/** Sorts directly after every key of a folder when it replaces the slash. */
const BEHIND_SLASH = '0'

/**
 * The queues whose keys begin with `prefix`, by name: one LIST and two or three GETs for each, and a LIST for
 * each other folder there. It writes nothing without `sizes`, which lists each queue completely.
 *
 * @param options as for `openQueue`; `name` is ignored
 * @throws SluiceError as `openQueue` does
 */
export async function listQueues(
  options: S3QueueOptions,
  use: ListQueuesUse = {},
): Promise<readonly StoredQueue[]> {
  const checked = await checkOptions(optionsSchema, options, '@sluice/queue-s3')
  const { store, layout } = placeOf(checked)
  try {
    // Only a request for the bucket shows whether it exists: an empty listing is no error.
    await settleClock(store, layout)
    const found: StoredQueue[] = []
    for await (const folder of foldersUnder(store, prefixOf(checked))) {
      const queue = await describe(store, folder, { checked, use })
      if (queue !== undefined) found.push(queue)
    }
    return found.toSorted((a, b) => (a.name < b.name ? -1 : 1))
  } catch (error) {
    throw openingError(error)
  } finally {
    store.close()
  }
}

function prefixOf({ prefix }: CheckedS3Options): string {
  return prefix === '' || prefix.endsWith('/') ? prefix : `${prefix}/`
}

/**
 * The names of folders directly under a prefix. Their content is skipped, with a LIST for each that has more
 * than a page.
 */
async function* foldersUnder(store: S3Store, prefix: string): AsyncGenerator<string> {
  let after: string | undefined
  let latest: string | undefined
  for (;;) {
    const page = await store.list({ prefix, ...(after === undefined ? {} : { after }) })
    for (const { key } of page.objects) {
      const [folder = '', ...rest] = key.slice(prefix.length).split('/')
      after = key
      if (rest.length === 0 || folder === latest) continue
      latest = folder
      yield folder
    }
    if (!page.more) return
    const end = latest === undefined ? undefined : `${prefix}${latest}/`
    if (end !== undefined && after?.startsWith(end)) after = end.slice(0, -1) + BEHIND_SLASH
  }
}

interface Described {
  readonly checked: CheckedS3Options
  readonly use: ListQueuesUse
}

async function describe(
  store: S3Store,
  folder: string,
  { checked, use }: Described,
): Promise<StoredQueue | undefined> {
  // The objects of a queue whose root is the prefix itself are no folders of queues.
  if (folder === '' || RESERVED_PARTS.has(folder)) return undefined
  const root = `${prefixOf(checked)}${folder}/`
  const settings = await runProtocol(store, read(`${root}QUEUE`), { logger: silentLogger })
  const nameOfFolder = decodeKey(folder) ?? folder
  if (settings === undefined) return (await hasLeftovers(store, root)) ? leftovers(nameOfFolder) : undefined
  const { name = nameOfFolder, ...facts } = factsOf(settings.content)
  const isReady = facts.state === 'ready'
  const leases: readonly LeaseView[] = isReady ? await heldLeases(store, root) : []
  const sizes = isReady && use.sizes === true ? await sizesOf(checked, name) : undefined
  return { name, ...facts, leases, ...(sizes === undefined ? {} : { sizes }) }
}

function leftovers(name: string): StoredQueue {
  const format: QueueFacts['format'] = 'no object QUEUE'
  return { name, state: 'leftovers', format, leases: [] }
}

/** Whether there are objects of a queue without `QUEUE`. */
export async function hasLeftovers(store: S3Store, root: string): Promise<boolean> {
  for (const folder of ['ITEMS', 'WAITING', 'PROCESSING', 'SUCCESS', 'FAIL', 'LEFT', 'LEASES'] as const) {
    const page = await store.list({ prefix: `${root}${folder}/`, max: 1 })
    if (page.objects.length > 0) return true
  }
  return false
}

async function sizesOf(checked: CheckedS3Options, name: string): Promise<Record<Stage, number>> {
  // The queue itself has the number of shards.
  const { shards: _, ...options } = checked
  const queue = await openBackend({ ...options, name }, { reading: true })
  try {
    return await queue.sizes({})
  } finally {
    await queue.close()
  }
}
