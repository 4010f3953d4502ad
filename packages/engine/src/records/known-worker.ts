import { SluiceError, isSluiceError, type ItemHead, type JsonValue, type Lease } from '@sluice/core'
import type { Engine } from '../engine.js'
import { callWorker, isOutage } from '../engine-errors.js'
import { isReportOf, type Found } from '../found.js'
import { refOf } from '../settle.js'
import { WORKER_DOCUMENT } from './document-names.js'

/** So many of the jobs that were last seen running are looked up, where the worker is another one than before. */
const MAX_LOOKUPS = 20

type Parts = Pick<Engine, 'queue' | 'worker' | 'seen' | 'memory' | 'logger' | 'acceptNewWorker'>

/**
 * Holds the worker against the one that this queue was run with before, once for each term of the lease: a configuration that leads to another place
 * would start jobs a second time that still run at the first.
 */
export class KnownWorker {
  readonly #parts: Parts
  #fence: number | undefined
  #isConfirmed = false

  constructor(parts: Parts) {
    this.#parts = parts
  }

  /**
   * To be called after a poll, by which a worker knows its identity at the latest, and before anything follows from it. A worker without an
   * identity is not compared.
   *
   * @throws SluiceError SLUICE_CONFIG_INVALID when it is another worker, and items are in PROCESSING whose jobs it does not know;
   * SLUICE_LEASE_LOST; in an outage that of the queue or the worker: nothing is known then
   */
  async confirm(found: Found, lease: Lease | undefined): Promise<void> {
    const { identity } = this.#parts.worker
    if (lease?.fence !== this.#fence) this.#isConfirmed = false
    this.#fence = lease?.fence
    if (identity === undefined || this.#isConfirmed) return
    try {
      this.#isConfirmed = await this.#compare(identity, found, lease)
    } catch (error) {
      if (!isSluiceError(error, 'SLUICE_QUEUE_DENIED') && !isSluiceError(error, 'SLUICE_QUEUE_CORRUPT'))
        throw error
      // As with the other records: a permission that is missing for it alone stops nothing.
      this.#isConfirmed = true
      this.#parts.logger.warn(
        { err: error, document: WORKER_DOCUMENT },
        'which worker the queue is run with can’t be noted; the work goes on',
      )
    }
  }

  /** @returns `false`: another process wrote meanwhile, so that it is to be compared again */
  async #compare(identity: string, found: Found, lease: Lease | undefined): Promise<boolean> {
    const document = this.#parts.queue.document(WORKER_DOCUMENT)
    const stored = await document.read()
    const before = identityIn(stored?.value)
    if (before === identity) return true
    if (before !== undefined) await this.#judge({ before, identity, found })
    return document.write({ identity }, { ifVersion: stored?.version, ...(lease && { lease }) })
  }

  async #judge({ before, identity, found }: Difference): Promise<void> {
    const { logger, acceptNewWorker } = this.#parts
    const fields = { before, now: identity }
    const items = found.items.size
    if (items === 0)
      return logger.info(fields, 'the worker is another one than before; nothing was in PROCESSING')
    const { known, asked } = await this.#knownItem(found)
    if (known !== undefined) {
      const job = refOf(known)
      return logger.info(
        { ...fields, job },
        'the worker has a new identity, and knows the jobs: it is the same',
      )
    }
    if (!acceptNewWorker) throw this.#refusal({ before, identity, found }, asked)
    // Not one may be taken for a job that was never sent: it may run at the other worker.
    for (const item of found.items.values()) this.#parts.memory.noteSeenBefore(item)
    logger.warn(
      { ...fields, items },
      'a new worker was accepted: jobs that it does not know are lost ones, see the lost policy',
    )
  }

  /** One whose job the worker knows, of all that it reports, and of some that it is asked for by name. */
  async #knownItem({ items, reports }: Found): Promise<{ known: ItemHead | undefined; asked: number }> {
    const { worker } = this.#parts
    const known = [...items.values()].find((item) => isOwn(item, reports.get(item.id)))
    if (known !== undefined || worker.lookupJob === undefined) return { known, asked: 0 }
    const asked = this.#lastSeen(items.values())
    let failure: unknown
    for (const item of asked) {
      try {
        const report = await callWorker('lookupJob', async () => worker.lookupJob?.(refOf(item)))
        if (isOwn(item, report)) return { known: item, asked: asked.length }
      } catch (error) {
        if (!isOutage(error)) throw error
        // One may have trouble of its own; another one's answer is as good.
        failure ??= error
      }
    }
    if (failure !== undefined) throw failure
    return { known: undefined, asked: asked.length }
  }

  /** Those first whose jobs were seen: of the others none may have been sent. */
  #lastSeen(items: Iterable<ItemHead>): ItemHead[] {
    const { seen } = this.#parts
    const all = [...items]
    const sorted = [...all.filter((item) => seen.has(item)), ...all.filter((item) => !seen.has(item))]
    return sorted.slice(0, MAX_LOOKUPS)
  }

  #refusal({ before, identity, found }: Difference, asked: number): SluiceError {
    const { name } = this.#parts.queue
    const { size } = found.items
    const items = size === 1 ? '1 item is' : `${size} items are`
    return new SluiceError(
      'SLUICE_CONFIG_INVALID',
      `Queue ${JSON.stringify(name)} was run with another worker before: ${before}, and now with ${identity}. ${items} in PROCESSING, ` +
        `and this worker knows none of ${asked === 0 ? 'their jobs' : `the ${asked} jobs that it was asked for`}: they may still run there, and would be ` +
        'started once more. Run it with the configuration from before (worker.dir, or the address, namespace and template of the worker), ' +
        'or accept this worker with `sluice run --new-worker`: each job is then looked up, and those that are not known are lost (lost.policy).',
    )
  }
}

interface Difference {
  readonly before: string
  readonly identity: string
  readonly found: Found
}

function isOwn(item: ItemHead, report: Parameters<typeof isReportOf>[1] | undefined): boolean {
  return report !== undefined && isReportOf(item, report)
}

function identityIn(value: JsonValue | undefined): string | undefined {
  if (typeof value !== 'object' || value === null || !('identity' in value)) return undefined
  return typeof value.identity === 'string' ? value.identity : undefined
}
