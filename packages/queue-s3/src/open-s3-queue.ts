import { isSluiceError, silentLogger, type QueueUse, type StorageFinding } from '@sluice/core'
import { checkOptions, queueOpener, systemRuntime, type OpenQueue } from '@sluice/core/backend'
import { makeQueueContext } from './queue-context.js'
import { GuaranteeWatch } from './probe/guarantee-watch.js'
import { has } from './format/item-state.js'
import { Layout } from './format/layout.js'
import { checkWrites, deleteLeftProbes } from './probe/check-writes.js'
import { dropProbes, probeOnce } from './probe/probe-memory.js'
import { probeStore, type ProbeFinding } from './probe/probe-store.js'
import { settledShards } from './format/queue-settings.js'
import { openingError, storeLies } from './store/s3-errors.js'
import { optionsSchema, type CheckedS3Options, type S3QueueOptions } from './s3-options.js'
import { S3Backend } from './s3-backend.js'
import { S3Store } from './store/s3-store.js'
import { AttemptCache } from './items/attempt-cache.js'
import { AttemptNaming } from './format/attempt-naming.js'
import { ForeignObjectLog } from './stages/foreign-object-log.js'

/**
 * Opens a queue in a bucket. The store is probed first, as the option `probe` says: a queue on a store that
 * ignores conditional writes, or honours them for one request at a time only, would lose items. A passed
 * probe is remembered for the process.
 *
 * @param options see {@link optionsSchema}
 * @param use with `reading` there is no probe, which writes; with `brief` a quick one, unless `probe` says
 * otherwise. `list` still needs to write: it finishes unfinished moves. Its `logger` applies where the option
 * of that name is missing
 * @throws SluiceError SLUICE_CONFIG_INVALID naming each wrong option, for an unsafe store, a missing bucket,
 * a wrong region, or other `shards` than the queue was made with; SLUICE_QUEUE_CORRUPT for a queue of another
 * format, or one that needs what this version does not know; SLUICE_QUEUE_DENIED for credentials or
 * permissions; SLUICE_QUEUE_UNAVAILABLE
 */
export const openQueue: OpenQueue<S3QueueOptions> = queueOpener({
  packageName: '@sluice/queue-s3',
  optionsSchema,
  open: openBackend,
})

/** The same without the front, which checks arguments. */
export async function openBackend(checked: CheckedS3Options, use: QueueUse): Promise<S3Backend> {
  const { name, logger = use.logger ?? silentLogger } = checked
  const { store, layout } = placeOf(checked, logger)
  try {
    const finding = await probe(store, layout, { checked, use })
    const watch = watchOf(store, layout, { checked, use, finding })
    const count = await settledShards(store, layout, { name, shards: checked.shards, watch })
    await settleClock(store, layout)
    const shards = Array.from({ length: count }, (_, shard) => shard.toString(16).padStart(2, '0'))
    const names = new AttemptNaming(store.runtime, () => store.clock.now(), count)
    const foreignObjects = new ForeignObjectLog(logger, store)
    const cache = new AttemptCache(store.runtime)
    const parts = { store, layout, logger, watch, foreignObjects, cache, names, shards }
    return new S3Backend(makeQueueContext(parts), checked.purgeAfterMs)
  } catch (error) {
    store.close()
    throw openingError(error)
  }
}

/** The maximum number of requests until the answers agree on the time. */
const MAX_CLOCK_READS = 5

/** The first answer may be the one whose `Date` is off: until some agree, nothing is put or claimed by it. */
export async function settleClock(store: S3Store, layout: Layout): Promise<void> {
  const { clock } = store
  const patience = store.patience()
  for (let reads = 0; !clock.isSure && reads < MAX_CLOCK_READS; reads++)
    await store.send({ do: 'head', key: layout.settings() }, patience)
  if (clock.isSet) return
  const seen = 'its answers have no `Date`, by which items are put in order and leases end'
  throw storeLies(store.place, {
    seen,
    advice: 'Let the proxy in front of it pass that header on, or use another store',
  })
}

/**
 * Tries all that a service does with the store: it creates, reads, overwrites and deletes an object, and
 * probes the store thoroughly, whatever the option `probe` says. It creates no queue, and deletes what it
 * writes, and the leftovers of probes that were killed.
 *
 * @throws SluiceError as `openQueue` does
 */
export async function checkStorage(options: S3QueueOptions, use: QueueUse = {}): Promise<StorageFinding> {
  const checked = await checkOptions(optionsSchema, options, '@sluice/queue-s3')
  const logger = checked.logger ?? use.logger ?? silentLogger
  const { store, layout } = placeOf(checked, logger)
  try {
    // LIST first: its errors have a body, and so more detail than those of a HEAD.
    await store.list({ prefix: layout.settings(), max: 1 })
    await checkWrites(store, layout.root)
    await probe(store, layout, {
      checked: { ...checked, probe: 'thorough' },
      use: { ...use, reading: false },
    })
    await deleteLeftProbes(store, layout.root, logger)
    return {}
  } catch (error) {
    throw openingError(error)
  } finally {
    store.close()
  }
}

interface Probed {
  readonly checked: CheckedS3Options
  readonly use: QueueUse
}

/** `undefined` where there is none. */
async function probe(
  store: S3Store,
  { root }: Layout,
  { checked, use }: Probed,
): Promise<ProbeFinding | undefined> {
  const depth = checked.probe ?? (use.brief === true ? 'quick' : 'thorough')
  if (use.reading === true || depth === 'off') return undefined
  // Warnings about the bucket go to a process that keeps the queue open, and not to each short command.
  const logger = checked.logger ?? (use.brief === true ? silentLogger : (use.logger ?? silentLogger))
  return probeOnce(store, { bucketId: bucketIdOf(checked), root, depth, logger })
}

/** Without a probe at the opening there are none later, except where an answer gives a reason for one. */
function watchOf(
  store: S3Store,
  { root }: Layout,
  { checked, use, finding }: Probed & { readonly finding: ProbeFinding | undefined },
): GuaranteeWatch {
  const logger = checked.logger ?? use.logger ?? silentLogger
  const probeAgain = async () => {
    try {
      return await probeStore(store, { root, depth: 'again', races: true, logger })
    } catch (error) {
      // What had passed is invalid for the next opening too.
      if (isSluiceError(error, 'SLUICE_CONFIG_INVALID')) dropProbes(bucketIdOf(checked))
      throw error
    }
  }
  const watch = new GuaranteeWatch({ store, logger, probe: probeAgain, isScheduled: finding !== undefined })
  if (finding !== undefined) watch.passed(finding)
  return watch
}

/**
 * Whether the queue that `openQueue` would open with these options exists. It writes nothing.
 *
 * @throws SluiceError as `openQueue` does
 */
export async function queueExists(options: S3QueueOptions): Promise<boolean> {
  const { store, layout } = placeOf(await checkOptions(optionsSchema, options, '@sluice/queue-s3'))
  try {
    // LIST rather than HEAD: its errors say what is wrong.
    const page = await store.list({ prefix: layout.settings(), max: 1 })
    return page.objects.some(({ key }) => key === layout.settings())
  } catch (error) {
    throw openingError(error)
  } finally {
    store.close()
  }
}

/** The store and the layout that options name; to be closed by the caller. */
export function placeOf(
  checked: CheckedS3Options,
  logger = silentLogger,
): { store: S3Store; layout: Layout } {
  const { name, prefix, bucket, endpoint, concurrency, timeoutMs, runtime = systemRuntime } = checked
  const layout = new Layout(prefix, name)
  const place = { bucket, root: layout.root, ...has({ endpoint }) }
  const store = new S3Store({
    client: clientOptions(checked),
    place,
    concurrency,
    timeoutMs,
    runtime,
    logger,
  })
  return { store, layout }
}

/** What the store's behaviour may depend on. */
function bucketIdOf({ endpoint, region, bucket, credentials }: CheckedS3Options): string {
  return JSON.stringify([endpoint, region, bucket, credentials?.accessKeyId])
}

/** Other stores than AWS get none of the checksums that only AWS needs: some answer 501 to them. */
function clientOptions({ endpoint, region, forcePathStyle, credentials }: CheckedS3Options) {
  const foreign = {
    region: region ?? 'us-east-1',
    forcePathStyle: forcePathStyle ?? true,
    requestChecksumCalculation: 'WHEN_REQUIRED',
    responseChecksumValidation: 'WHEN_REQUIRED',
  } as const
  const own = credentials && {
    accessKeyId: credentials.accessKeyId,
    secretAccessKey: credentials.secretAccessKey,
    ...has({ sessionToken: credentials.sessionToken }),
  }
  return {
    ...has({ endpoint, region, forcePathStyle, credentials: own }),
    ...(endpoint === undefined ? {} : foreign),
  }
}
