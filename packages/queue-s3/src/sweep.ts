import { randomUUID } from 'node:crypto'
import type { SweepOptions, SweepReport } from '@sluice/core'
import type { Ground } from './ground.js'
import { valuesOf } from './ground.js'
import { has } from './item-state.js'
import { mend } from './mend.js'
import { presentIn } from './name-check.js'
import { removeStint } from './protocol/leave-stage.js'
import { purgeChange } from './protocol/purge-change.js'
import { purgeMark } from './protocol/purge-mark.js'
import { walkNames, type ListedStint } from './stage-walk.js'
import type { StoredObject } from './storage-op.js'
import { UnfinishedPuts } from './unfinished-puts.js'

/** Far above the time that any call takes: marks are fences against what comes late. See `MAX_CLAIM_MS`. */
const MIN_PURGE_MS = 3_600_000
const WEEK_MS = 604_800_000
/** Marks of items that are still there cost a HEAD each at every purge: those of one process are so far apart. */
const PURGE_GAP_MS = 86_400_000

export interface S3SweepOptions extends SweepOptions {
  /** Marks of items that were removed longer ago than this are deleted, in ms, 3,600,000 or more. Default a week. */
  readonly purgeAfterMs?: number
}

/** Finishes, removes and deletes what nobody else has. Any number at once is safe. */
export class Sweep {
  readonly #ground: Ground
  readonly #puts: UnfinishedPuts
  #purgeAtMs = Number.NEGATIVE_INFINITY

  constructor(ground: Ground) {
    this.#ground = ground
    this.#puts = new UnfinishedPuts(ground)
  }

  async run({ retentionMs, purgeAfterMs = WEEK_MS }: S3SweepOptions): Promise<SweepReport> {
    if (!(purgeAfterMs >= MIN_PURGE_MS))
      throw new TypeError(`purgeAfterMs must be ${MIN_PURGE_MS} or more; got ${purgeAfterMs}`)
    const ground = this.#ground
    const puts = this.#puts
    await puts.list()
    const repaired = await mend(ground, (stints) => puts.seen(stints))
    const leftovers = (await dropLeftovers(ground, puts)) + (await purgeChanges(ground))
    const nowMs = ground.store.clock.monotonicMs()
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

  /** One walk for all that is to be done about finished items: none where nothing is. */
  async #walkFinished({
    retentionMs,
    purgeAfterMs,
  }: FinishedWork): Promise<{ removed: number; purged: number }> {
    const ground = this.#ground
    const done = { removed: 0, purged: 0 }
    for (const folder of ['SUCCESS', 'FAIL', 'LEFT'] as const) {
      const removes = retentionMs !== undefined && folder !== 'LEFT'
      const searches = !this.#puts.isDone && folder !== 'LEFT'
      if (!removes && !searches && purgeAfterMs === undefined) continue
      for await (const { stints } of walkNames(ground, folder)) {
        this.#puts.seen(stints)
        if (removes) done.removed += await removeOld(ground, { stage: folder, stints, retentionMs })
        if (purgeAfterMs !== undefined)
          done.purged += await purgeMarks(ground, { folder, stints, purgeAfterMs })
      }
    }
    return done
  }
}

interface FinishedWork {
  readonly retentionMs: number | undefined
  /** Absent: no marks are purged. */
  readonly purgeAfterMs: number | undefined
}

/** A name under WAITING whose stint was claimed or has ended: a late request, or a claimer that died. */
async function dropLeftovers(ground: Ground, puts: UnfinishedPuts): Promise<number> {
  let count = 0
  for await (const { stints } of walkNames(ground, 'WAITING')) {
    puts.seen(stints)
    if (stints.length === 0) continue
    const names = stints.map(({ name }) => name)
    const [claimed, ended] = [
      // Empty ones are those of moves under way, which may need it still: `mend` has finished the others.
      await presentIn(ground, 'PROCESSING', names, { isWanted: ({ sizeBytes }) => sizeBytes > 0 }),
      await presentIn(ground, 'SUCCESS', names),
    ]
    const over = names.filter((name) => claimed.has(name) || ended.has(name))
    await ground.store.deleteAll(over.map((name) => ground.layout.at('WAITING', name)))
    count += over.length
  }
  return count
}

/** Bodies of updates whose process died. There are none but while long ones are under way. */
async function purgeChanges(ground: Ground): Promise<number> {
  const { store, layout } = ground
  const prefix = layout.folder('CHANGES')
  let count = 0
  for (let after: string | undefined; ;) {
    const page = await store.list({ prefix, ...has({ after }) })
    const purges = page.objects.map(({ key }) => purgeChange(layout, key))
    count += valuesOf(await ground.runAll(purges)).filter(Boolean).length
    if (!page.more) return count
    after = page.objects.at(-1)?.key
  }
}

/** By the stint that is so old: an item that was requeued since, and has failed again, is another matter. */
async function removeOld(
  ground: Ground,
  {
    stage,
    stints,
    retentionMs,
  }: { stage: 'SUCCESS' | 'FAIL'; stints: readonly ListedStint[]; retentionMs: number },
): Promise<number> {
  const old = stints.filter((one) => one.sizeBytes > 0 && isOlder(ground, one, retentionMs))
  const removals = old.map((one) => removeStint(ground.layout, { at: stage, ...one }, randomUUID()))
  const results = valuesOf(await ground.runAll(removals))
  return results.filter((result) => result === 'left').length
}

async function purgeMarks(
  ground: Ground,
  {
    folder,
    stints,
    purgeAfterMs,
  }: { folder: 'SUCCESS' | 'FAIL' | 'LEFT'; stints: readonly ListedStint[]; purgeAfterMs: number },
): Promise<number> {
  const marks = stints.filter((one) => folder === 'LEFT' || one.sizeBytes === 0)
  const old = marks.filter((one) => isOlder(ground, one, purgeAfterMs))
  const isOld = ({ modifiedAt }: StoredObject) =>
    modifiedAt !== undefined && isOlder(ground, { modifiedAt }, purgeAfterMs)
  const purges = old.map((one) => purgeMark(ground.layout, { folder, ...one }, isOld))
  return valuesOf(await ground.runAll(purges)).filter(Boolean).length
}

/** Both instants are the store's; its gateways may differ. */
function isOlder({ store }: Ground, { modifiedAt }: { readonly modifiedAt: number }, ageMs: number): boolean {
  return store.clock.isSure && store.clock.now() - store.clock.spreadMs - modifiedAt > ageMs
}
