import {
  SluiceError,
  isSluiceError,
  type ItemSummary,
  type JsonValue,
  type QueueDocument,
} from '@sluice/core'
import type { Tick } from '../tick/tick.js'
import { callWorker, isOutage } from '../engine-errors.js'
import { isReportOf, type Found } from '../reconcile/found.js'
import { listProcessing } from '../reconcile/found.js'
import { refOf } from '../settling/settle.js'
import { WORKER_DOCUMENT } from './document-names.js'

/** How many jobs are looked up where the worker has another identity than before. */
const MAX_LOOKUPS = 20

/**
 * Compares the worker with the one that this queue was run with before, once for each term of the lease: with
 * a configuration for another place, jobs that still run at the first one would be started again.
 */
export class KnownWorker {
  #fencingToken: number | undefined
  #isConfirmed = false
  #isForeseen = false

  /**
   * To be called after a poll, by which a worker knows its identity at the latest, and before the poll is
   * used. A worker without an identity is not compared.
   *
   * @throws SluiceError SLUICE_CONFIG_INVALID when it is another worker, and items are in PROCESSING whose
   * jobs it does not know; SLUICE_LEASE_LOST; an outage of the queue or the worker
   */
  async confirm(tick: Tick, found: Found): Promise<void> {
    const { worker, lease } = tick
    if (lease.fencingToken !== this.#fencingToken) this.#isConfirmed = false
    this.#fencingToken = lease.fencingToken
    const { identity } = worker
    if (identity === undefined || this.#isConfirmed) return
    this.#isConfirmed = await usable(tick, () => compare(tick, identity, found))
  }

  /**
   * The same for a standby, once, before it takes over. Nothing is written, and where the worker is the
   * same as before only the document is read.
   *
   * @throws SluiceError as {@link KnownWorker.confirm}
   */
  async foresee(tick: Tick): Promise<void> {
    const { identity } = tick.worker
    if (identity === undefined || this.#isForeseen) return
    this.#isForeseen = await usable(tick, async () => {
      const before = identityIn((await documentOf(tick).read())?.value)
      if (before !== undefined && before !== identity)
        await judge(tick, { before, identity, found: await observe(tick) })
      return true
    })
  }
}

function documentOf({ queue }: Tick): QueueDocument {
  return queue.document(WORKER_DOCUMENT)
}

async function observe({ queue, worker }: Tick): Promise<Found> {
  const items = await listProcessing(queue)
  const awaited = [...items.values()].map(refOf)
  return { items, reports: await callWorker('pollAllStatus', () => worker.pollAllStatus(awaited)) }
}

/** As with the other records, a missing permission stops nothing. */
async function usable({ logger }: Tick, compareNow: () => Promise<boolean>): Promise<boolean> {
  try {
    return await compareNow()
  } catch (error) {
    if (!isSluiceError(error, 'SLUICE_QUEUE_DENIED') && !isSluiceError(error, 'SLUICE_QUEUE_CORRUPT'))
      throw error
    logger.warn(
      { err: error, document: WORKER_DOCUMENT },
      'the worker that the queue is run with can’t be recorded; the work goes on',
    )
    return true
  }
}

/** @returns `false`: another process wrote meanwhile, so that it must be compared again */
async function compare(tick: Tick, identity: string, found: Found): Promise<boolean> {
  const { current: lease } = tick.lease
  const document = documentOf(tick)
  const stored = await document.read()
  const before = identityIn(stored?.value)
  if (before === identity) return true
  if (before !== undefined) {
    const difference = { before, identity, found }
    note(tick, difference, await judge(tick, difference))
  }
  return document.write({ identity }, { ifVersion: stored?.version, ...(lease && { lease }) })
}

/** @throws SluiceError SLUICE_CONFIG_INVALID; an outage of the worker */
async function judge(tick: Tick, difference: Difference): Promise<Verdict> {
  const { found } = difference
  if (found.items.size === 0) return { kind: 'idle' }
  const { known, asked } = await findKnown(tick, found)
  if (known !== undefined) return { kind: 'same', known }
  if (tick.acceptNewWorker) return { kind: 'accepted' }
  throw refusal(tick, difference, asked)
}

function note({ logger, memory }: Tick, { before, identity, found }: Difference, verdict: Verdict): void {
  const fields = { before, now: identity }
  switch (verdict.kind) {
    case 'idle':
      logger.info(fields, 'the worker is another one than before; no items were in PROCESSING')
      return
    case 'same':
      logger.info(
        { ...fields, job: refOf(verdict.known) },
        'the worker has a new identity, and knows the jobs: it is the same worker',
      )
      return
    case 'accepted':
      // None may count as never sent: it may run at the other worker.
      for (const item of found.items.values()) memory.noteSeenBefore(item)
      logger.warn(
        { ...fields, items: found.items.size },
        'a new worker was accepted: jobs that it does not know are lost, see the lost policy',
      )
  }
}

/** An item whose job the worker knows, by its poll or by a few look-ups. */
async function findKnown(
  tick: Tick,
  { items, reports }: Found,
): Promise<{ known: ItemSummary | undefined; asked: number }> {
  const { worker } = tick
  const known = [...items.values()].find((item) => isOwn(item, reports.get(item.id)))
  if (known !== undefined || worker.lookupJob === undefined) return { known, asked: 0 }
  const asked = lastSeen(tick, items.values())
  let failure: SluiceError | undefined
  for (const item of asked) {
    try {
      const report = await callWorker('lookupJob', async () => worker.lookupJob?.(refOf(item)))
      if (isOwn(item, report)) return { known: item, asked: asked.length }
    } catch (error) {
      if (!isOutage(error)) throw error
      // One job may have its own trouble; another answer is as good.
      failure ??= error
    }
  }
  if (failure !== undefined) throw failure
  return { known: undefined, asked: asked.length }
}

/** First those whose jobs were seen: the others may not have been sent. */
function lastSeen({ seen }: Tick, items: Iterable<ItemSummary>): ItemSummary[] {
  const all = [...items]
  const sorted = [...all.filter((item) => seen.has(item)), ...all.filter((item) => !seen.has(item))]
  return sorted.slice(0, MAX_LOOKUPS)
}

function refusal({ queue }: Tick, { before, identity, found }: Difference, asked: number): SluiceError {
  const { name } = queue
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

interface Difference {
  readonly before: string
  readonly identity: string
  readonly found: Found
}

type Verdict =
  | { readonly kind: 'idle' | 'accepted' }
  /** It knows the job of this item. */
  | { readonly kind: 'same'; readonly known: ItemSummary }

function isOwn(item: ItemSummary, report: Parameters<typeof isReportOf>[1] | undefined): boolean {
  return report !== undefined && isReportOf(item, report)
}

function identityIn(value: JsonValue | undefined): string | undefined {
  if (typeof value !== 'object' || value === null || !('identity' in value)) return undefined
  return typeof value.identity === 'string' ? value.identity : undefined
}
