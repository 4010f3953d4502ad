import type { Logger } from '@sluice/core'
import type { S3Store } from '../s3-store.js'
import { probeStore, type ProbeDepth } from './probe-store.js'

/** What passed in this process: by place, and by bucket for what racers showed. */
const passed = new Map<string, Promise<ProbeDepth>>()

export interface RememberedProbe {
  /** Which store, bucket and credentials: what racers show is the same for all queues there. */
  readonly bucketId: string
  readonly root: string
  readonly depth: ProbeDepth
  readonly logger: Logger
}

/**
 * Probes a store once in a process: the same place not again, and another queue in the same bucket without races. What fails is not
 * remembered.
 *
 * @throws SluiceError as `probeStore`
 */
export async function probeOnce(store: S3Store, probe: RememberedProbe): Promise<void> {
  const { bucketId, root, depth, logger } = probe
  await once(`${bucketId} ${root}`, depth, async () => {
    const known = await once(bucketId, depth, () => probeStore(store, { root, depth, races: true, logger }))
    if (known) await probeStore(store, { root, depth: 'quick', races: false, logger })
  })
}

/** Forgets what passed: the next opening probes again. */
export function forgetProbes(): void {
  passed.clear()
}

/** Gives whether it had passed before. One that is under way is waited for; its failure is that of who began it. */
async function once(id: string, depth: ProbeDepth, probe: () => Promise<void>): Promise<boolean> {
  for (let known = passed.get(id); known !== undefined; known = passed.get(id)) {
    // A probe that failed has said so to whoever began it; here another one follows.
    const [end] = await Promise.allSettled([known])
    if (end.status === 'fulfilled' && (end.value === 'thorough' || end.value === depth)) return true
    if (passed.get(id) === known) passed.delete(id)
  }
  const running = probe().then(() => depth)
  passed.set(id, running)
  try {
    await running
    return false
  } catch (error) {
    if (passed.get(id) === running) passed.delete(id)
    throw error
  }
}
