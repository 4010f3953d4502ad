import type { Logger } from '@sluice/core'
import type { S3Store } from '../store/s3-store.js'
import { probeStore, type ProbeDepth, type ProbeFinding } from './probe-store.js'

/** What passed in this process: by place, and by bucket for the races. */
const passed = new Map<string, Promise<ProbeFinding & { readonly depth: ProbeDepth }>>()

export interface RememberedProbe {
  /** Which store, bucket and credentials: races have the same result for all queues there. */
  readonly bucketId: string
  readonly root: string
  readonly depth: ProbeDepth
  readonly logger: Logger
}

/**
 * Probes a store once in a process: the same place not again, and another queue in the same bucket without
 * races. Failures are not remembered.
 *
 * @throws SluiceError as `probeStore`
 */
export async function probeOnce(store: S3Store, probe: RememberedProbe): Promise<ProbeFinding> {
  const { bucketId, root, depth, logger } = probe
  const place = await once(`${bucketId} ${root}`, depth, async () => {
    const bucket = await once(bucketId, depth, () => probeStore(store, { root, depth, races: true, logger }))
    if (!bucket.isOld) return bucket.finding
    return probeStore(store, { root, depth: 'quick', races: false, logger })
  })
  return place.finding
}

/** Forgets what passed, of one bucket or of all: the next opening probes again. */
export function dropProbes(bucketId = ''): void {
  for (const id of passed.keys()) if (id.startsWith(bucketId)) passed.delete(id)
}

interface Known {
  readonly finding: ProbeFinding
  /** It had passed before. */
  readonly isOld: boolean
}

/** A probe under way is awaited; its failure concerns only the call that began it. */
async function once(id: string, depth: ProbeDepth, probe: () => Promise<ProbeFinding>): Promise<Known> {
  for (let known = passed.get(id); known !== undefined; known = passed.get(id)) {
    // A failed probe has rejected the call that began it; here another one follows.
    const [end] = await Promise.allSettled([known])
    if (end.status === 'fulfilled' && (end.value.depth === 'thorough' || end.value.depth === depth))
      return { finding: end.value, isOld: true }
    if (passed.get(id) === known) passed.delete(id)
  }
  const running = probe().then((finding) => ({ ...finding, depth }))
  passed.set(id, running)
  try {
    return { finding: await running, isOld: false }
  } catch (error) {
    if (passed.get(id) === running) passed.delete(id)
    throw error
  }
}
