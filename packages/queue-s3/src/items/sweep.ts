import type { SweepOptions, SweepReport } from '@sluice/core'
import { type QueueContext, valuesOf } from '../queue-context.js'
import { has } from '../format/item-state.js'
import { repair } from './repair.js'
import { presentIn } from '../stages/name-check.js'
import { removeAttempt } from '../protocol/leave-stage.js'
import { purgeChange, purgeTombstone } from '../protocol/purge.js'
import { walkNames, type ListedAttempt } from '../stages/stage-walk.js'
import type { StoredObject } from '../store/storage-op.js'
import { UnfinishedPuts } from './unfinished-puts.js'

/** Far above the duration of any call: tombstones guard against late requests. See `MAX_CLAIM_MS`. */
const MIN_PURGE_MS = 3_600_000
const WEEK_MS = 604_800_000
/**
 * Each purge costs a HEAD for each tombstone of an item that still exists: the minimum time between two of
 * one process.
 */
const PURGE_GAP_MS = 86_400_000

export interface S3SweepOptions extends SweepOptions {
  /**
   * Tombstones of items removed longer ago than this are deleted, in ms, 3,600,000 or more. Default a week.
   */
  readonly purgeAfterMs?: number
}

/** Repairs, removes and purges. Any number of concurrent sweeps is safe. */
export class Sweep {
  readonly #context: QueueContext
  readonly #puts: UnfinishedPuts
  #purgeAtMs = Number.NEGATIVE_INFINITY

  constructor(context: QueueContext) {
    this.#context = context
    this.#puts = new UnfinishedPuts(context)
  }

  async run({ retentionMs, purgeAfterMs = WEEK_MS }: S3SweepOptions): Promise<SweepReport> {
    if (!(purgeAfterMs >= MIN_PURGE_MS))
      throw new TypeError(`purgeAfterMs must be ${MIN_PURGE_MS} or more; got ${purgeAfterMs}`)
    const context = this.#context
    const puts = this.#puts
    await puts.list()
    const repaired = await repair(context, (attempts) => puts.seen(attempts))
    const leftovers = (await dropLeftovers(context, puts)) + (await purgeChanges(context))
    const nowMs = context.store.clock.monotonicMs()
    const purges = nowMs >= this.#purgeAtMs
    const finished = await this.#walkFinished({
      retentionMs,
      purgeAfterMs: purges ? purgeAfterMs : undefined,
    })
    if (purges) this.#purgeAtMs = nowMs + PURGE_GAP_MS
    return {
      repaired: repaired + (await puts.finish()),
      removed: finished.removed,
      leftovers: leftovers + finished.purged,
    }
  }

  /** One walk for all work on finished items; none where there is none. */
  async #walkFinished({
    retentionMs,
    purgeAfterMs,
  }: FinishedWork): Promise<{ removed: number; purged: number }> {
    const context = this.#context
    const done = { removed: 0, purged: 0 }
    for (const folder of ['SUCCESS', 'FAIL', 'LEFT'] as const) {
      const removes = retentionMs !== undefined && folder !== 'LEFT'
      const searches = !this.#puts.isDone && folder !== 'LEFT'
      if (!removes && !searches && purgeAfterMs === undefined) continue
      for await (const { attempts } of walkNames(context, folder)) {
        this.#puts.seen(attempts)
        if (removes) done.removed += await removeOld(context, { stage: folder, attempts, retentionMs })
        if (purgeAfterMs !== undefined)
          done.purged += await purgeTombstones(context, { folder, attempts, purgeAfterMs })
      }
    }
    return done
  }
}

interface FinishedWork {
  readonly retentionMs: number | undefined
  /** Absent: no tombstones are purged. */
  readonly purgeAfterMs: number | undefined
}

/** A name under WAITING whose attempt was claimed or has ended: a late request, or a claimer that died. */
async function dropLeftovers(context: QueueContext, puts: UnfinishedPuts): Promise<number> {
  let count = 0
  for await (const { attempts } of walkNames(context, 'WAITING')) {
    puts.seen(attempts)
    if (attempts.length === 0) continue
    const names = attempts.map(({ name }) => name)
    const [claimed, ended] = [
      // Empty objects are those of moves under way, which may still need it: `repair` has finished the
      // others.
      await presentIn(context, 'PROCESSING', names, { isWanted: ({ sizeBytes }) => sizeBytes > 0 }),
      await presentIn(context, 'SUCCESS', names),
    ]
    const over = names.filter((name) => claimed.has(name) || ended.has(name))
    await context.store.deleteAll(over.map((name) => context.layout.at('WAITING', name)))
    count += over.length
  }
  return count
}

/** Bodies of updates whose process died. There are none except while long ones are under way. */
async function purgeChanges(context: QueueContext): Promise<number> {
  const { store, layout } = context
  const prefix = layout.folder('CHANGES')
  let count = 0
  for (let after: string | undefined; ;) {
    const page = await store.list({ prefix, ...has({ after }) })
    const purges = page.objects.map(({ key }) => purgeChange(layout, key))
    count += valuesOf(await context.runAll(purges)).filter(Boolean).length
    if (!page.more) return count
    after = page.objects.at(-1)?.key
  }
}

/** By the age of the attempt: an item that was requeued since, and has failed again, is not affected. */
async function removeOld(
  context: QueueContext,
  {
    stage,
    attempts,
    retentionMs,
  }: { stage: 'SUCCESS' | 'FAIL'; attempts: readonly ListedAttempt[]; retentionMs: number },
): Promise<number> {
  const old = attempts.filter((one) => one.sizeBytes > 0 && isOlder(context, one, retentionMs))
  const removals = old.map((one) =>
    removeAttempt(context.layout, { at: stage, ...one }, context.runtime.newId()),
  )
  const results = valuesOf(await context.runAll(removals))
  return results.filter((result) => result === 'left').length
}

async function purgeTombstones(
  context: QueueContext,
  {
    folder,
    attempts,
    purgeAfterMs,
  }: { folder: 'SUCCESS' | 'FAIL' | 'LEFT'; attempts: readonly ListedAttempt[]; purgeAfterMs: number },
): Promise<number> {
  const marks = attempts.filter((one) => folder === 'LEFT' || one.sizeBytes === 0)
  const old = marks.filter((one) => isOlder(context, one, purgeAfterMs))
  const isOld = ({ modifiedAt }: StoredObject) =>
    modifiedAt !== undefined && isOlder(context, { modifiedAt }, purgeAfterMs)
  const purges = old.map((one) => purgeTombstone(context.layout, { folder, ...one }, isOld))
  return valuesOf(await context.runAll(purges)).filter(Boolean).length
}

/** Both instants are the store's; its gateways may differ. */
function isOlder(
  { store }: QueueContext,
  { modifiedAt }: { readonly modifiedAt: number },
  ageMs: number,
): boolean {
  return store.clock.isSure && store.clock.now() - store.clock.spreadMs - modifiedAt > ageMs
}
