import type { Logger } from '@sluice/core'
import { storeLies } from '../store/s3-errors.js'
import type { S3Store, Versioning } from '../store/s3-store.js'
import { Scratch } from './scratch.js'
import { StoreLie, type Lie } from './store-lie.js'

/** How thoroughly a store is tried: {@link probeStore}. */
export type ProbeDepth = 'quick' | 'thorough'

/**
 * How many racers run for each key. Four find nearly as much as eight at half the price; some stores need the
 * eight. A store where two win in every second race passes 20 of them once in a million times, and 10 once in
 * a thousand.
 */
const RACERS: Readonly<Record<ProbeDepth | 'again', readonly number[]>> = {
  again: [8, 8],
  quick: [8, 4, 8, 4, 8, 4, 8, 4, 8, 4],
  thorough: Array.from({ length: 20 }, (_, index) => (index % 6 === 5 ? 8 : 4)),
}

export interface ProbeOptions {
  /** The prefix of the queue's keys. */
  readonly root: string
  /** `again`: of a store that was tried before. */
  readonly depth: ProbeDepth | 'again'
  /** Whether racers run: not again where they did for another queue of this process in the same bucket. */
  readonly races: boolean
  readonly logger: Logger
}

/** The result of a probe that passed. */
export interface ProbeFinding {
  /** All its creations were versions: the condition is honoured while versioning is enabled. */
  readonly isVersioned: boolean
}

/**
 * Tries the store on scratch keys, and refuses one that is not safe for a queue: some ignore `If-None-Match`,
 * some check it and write later, some ignore it while versioning is enabled. The scratch keys are deleted.
 *
 * - `quick`: some 75 requests, in some 25 steps. A key is created, again, and read back; racers run for ten
 *   keys.
 * - `again`: some 25, in some 12 steps. The same, for two keys: a store changes for all requests or for none.
 * - `thorough`: some 130, in some 40 steps. Racers run for 20 keys, on all addresses of the endpoint;
 *   listings; versioning.
 *
 * @throws SluiceError SLUICE_CONFIG_INVALID for an unsafe store; SLUICE_QUEUE_DENIED,
 * SLUICE_QUEUE_UNAVAILABLE as for any request
 */
export async function probeStore(store: S3Store, options: ProbeOptions): Promise<ProbeFinding> {
  const finding = await tryOrRefuse(store, options)
  const { depth, races, logger } = options
  if (depth === 'thorough' && races) warnOfVersions(await store.versioning(), store, logger)
  return finding
}

async function tryOrRefuse(store: S3Store, options: ProbeOptions): Promise<ProbeFinding> {
  try {
    return await tryStore(store, options)
  } catch (error) {
    if (!(error instanceof StoreLie)) throw error
    throw storeLies(store.place, await explained(error.lie, store))
  }
}

async function tryStore(store: S3Store, { root, depth, races, logger }: ProbeOptions): Promise<ProbeFinding> {
  const scratch = new Scratch(store, root)
  // LIST first: its errors have a body, and so more detail than those of a HEAD.
  await scratch.assertListed()
  await scratch.assertMissing()
  try {
    await scratch.create()
    if (races) await scratch.race(RACERS[depth])
    if (depth === 'thorough') await scratch.assertListed()
  } catch (error) {
    await scratch.delete().catch((why: unknown) => {
      logger.warn({ err: why, prefix: scratch.prefix }, 'the scratch keys of the probe were left behind')
    })
    throw error
  }
  await scratch.delete()
  if (depth === 'thorough') await scratch.assertListed()
  return { isVersioned: scratch.isVersioned }
}

/** What was seen, and what to do about it. Versioning explains a void condition. */
async function explained(
  { about, seen }: Lie,
  store: S3Store,
): Promise<{ readonly seen: string; readonly advice: string }> {
  if (about !== 'condition') return { seen, advice: ADVICE[about] }
  const versioning = await store.versioning()
  if (versioning === 'Enabled') {
    return {
      seen: `versioning is enabled on the bucket, and there ${seen}`,
      advice: 'Items would be claimed twice. Suspend versioning of this bucket, or use one without it',
    }
  }
  const doubt = versioning === 'unknown' ? VERSIONING_UNKNOWN : ''
  return { seen, advice: `${ADVICE.condition}${doubt}` }
}

const VERSIONING_UNKNOWN =
  '. Ceph 16 ignores the condition while versioning is enabled; whether it is could not be read (s3:GetBucketVersioning)'

const ADVICE: Readonly<Record<Lie['about'], string>> = {
  condition:
    'Items would be lost or claimed twice. Use a store that honours PUT If-None-Match, under concurrent requests too ' +
    '(AWS S3, MinIO, Cloudflare R2, Ceph, SeaweedFS)',
  order: 'Items would be claimed in another order, or not at all. Use a store that lists keys by their bytes',
  lag: 'Items would be missed. Use a store whose listings show each write at once',
  names: 'Items would be missed. Use a store that keeps names as they are, or another `prefix`',
  metadata: 'Lost answers could not be resolved. Use a store that keeps user metadata',
}

function warnOfVersions(versioning: Versioning, { place }: S3Store, logger: Logger): void {
  const { bucket } = place
  if (versioning === 'Enabled') {
    logger.warn(
      { bucket },
      'versioning is enabled on the bucket: what the queue deletes or empties stays as an old version and is charged. ' +
        'Suspend it, or add a lifecycle rule that expires noncurrent versions and delete markers',
    )
  }
  if (versioning === 'Suspended') {
    logger.warn(
      { bucket },
      'versioning is suspended on the bucket: each deletion leaves a delete marker, which slows listings down. ' +
        'Add a lifecycle rule that removes expired delete markers',
    )
  }
}
