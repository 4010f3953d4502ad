import type { SweepOptions, SweepReport } from '@sluice/core'
import { contextOf, valuesOf, type QueueContext } from '../queue-context.js'
import { has } from '../format/item-state.js'
import { repair } from './repair.js'
import { presentIn } from '../stages/name-check.js'
import { removeAttempt } from '../protocol/leave-stage.js'
import { purgeChange, purgeTombstone } from '../protocol/purge.js'
import { walkNames, type ListedAttempt } from '../stages/stage-walk.js'
import type { StoredObject } from '../store/storage-op.js'
import { UnfinishedPuts } from './unfinished-puts.js'

/**
 * Each purge costs a HEAD for each tombstone of an item that still exists: the minimum time between two of
 * one process.
 */
const PURGE_GAP_MS = 86_400_000

/** Repairs, removes and purges. Any number of concurrent sweeps is safe. */
export class Sweep {
  readonly #context: QueueContext
  readonly #puts: UnfinishedPuts
  readonly #purgeAfterMs: number
  #purgeAtMonotonic = Number.NEGATIVE_INFINITY

  constructor(context: QueueContext, purgeAfterMs: number) {
    this.#context = context
    this.#puts = new UnfinishedPuts(context.layout)
    this.#purgeAfterMs = purgeAfterMs
  }

  async run({ retentionMs, ...options }: SweepOptions): Promise<SweepReport> {
    const context = contextOf(this.#context, options)
    const puts = this.#puts
    await puts.list(context)
    const repaired = await repair(context, (attempts) => puts.seen(attempts))
    const leftovers = (await dropLeftovers(context, puts)) + (await purgeChanges(context))
    const nowMonotonic = context.runtime.monotonicMs()
    const isPurge = nowMonotonic >= this.#purgeAtMonotonic
    const finished = await this.#walkFinished(context, {
      retentionMs,
      purgeAfterMs: isPurge ? this.#purgeAfterMs : undefined,
    })
    if (isPurge) this.#purgeAtMonotonic = nowMonotonic + PURGE_GAP_MS
    return {
      repaired: repaired + (await puts.finish(context)),
      removed: finished.removed,
      leftovers: leftovers + finished.purged,
    }
  }

  /** One walk for all work on finished items; none where there is none. */
  async #walkFinished(
    context: QueueContext,
    { retentionMs, purgeAfterMs }: FinishedWork,
  ): Promise<{ removed: number; purged: number }> {
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
  const { layout } = context
  const prefix = layout.folder('CHANGES')
  let count = 0
  for (let after: string | undefined; ;) {
    const page = await context.list({ prefix, ...has({ after }) })
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
  const tombstones = attempts.filter((one) => folder === 'LEFT' || one.sizeBytes === 0)
  const old = tombstones.filter((one) => isOlder(context, one, purgeAfterMs))
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
