import { randomUUID } from 'node:crypto'
import type { SweepOptions, SweepReport } from '@sluice/core'
import type { Ground } from './ground.js'
import { valuesOf } from './ground.js'
import { mend } from './mend.js'
import { presentIn } from './name-check.js'
import { removeStint } from './protocol/leave-stage.js'
import { walkNames, type ListedStint } from './stage-walk.js'
import { look, type Protocol } from './storage-op.js'

/** Far above the lifetime of any request: marks are fences against requests that come late. */
const MIN_PURGE_MS = 3_600_000
const WEEK_MS = 604_800_000
/** Marks of items that are still there cost a HEAD each at every purge: those of one process are so far apart. */
const PURGE_GAP_MS = 86_400_000

export interface S3SweepOptions extends SweepOptions {
  /** Marks of removed items that are older than this are deleted, in ms, 3,600,000 or more. Default a week. */
  readonly purgeAfterMs?: number
}

/** Finishes, removes and deletes what nobody else has. Any number at once is safe. */
export class Sweep {
  readonly #ground: Ground
  #purgeAtMs = Number.NEGATIVE_INFINITY

  constructor(ground: Ground) {
    this.#ground = ground
  }

  async run({ retentionMs, purgeAfterMs = WEEK_MS }: S3SweepOptions): Promise<SweepReport> {
    if (!(purgeAfterMs >= MIN_PURGE_MS))
      throw new TypeError(`purgeAfterMs must be ${MIN_PURGE_MS} or more; got ${purgeAfterMs}`)
    const ground = this.#ground
    const mended = await mend(ground)
    const leftovers = await dropLeftovers(ground)
    const removed = retentionMs === undefined ? 0 : await removeOld(ground, retentionMs)
    return { mended, removed, leftovers: leftovers + (await this.#purge(purgeAfterMs)) }
  }

  async #purge(purgeAfterMs: number): Promise<number> {
    const nowMs = this.#ground.store.clock.monotonicMs()
    if (nowMs < this.#purgeAtMs) return 0
    const purged = await purgeMarks(this.#ground, purgeAfterMs)
    this.#purgeAtMs = nowMs + PURGE_GAP_MS
    return purged
  }
}

/** A name under WAITING whose stint was claimed or has ended: a late request, or a claimer that died. */
async function dropLeftovers(ground: Ground): Promise<number> {
  let count = 0
  for await (const { stints } of walkNames(ground, 'WAITING')) {
    if (stints.length === 0) continue
    const names = stints.map(({ name }) => name)
    const [claimed, ended] = [
      await presentIn(ground, 'PROCESSING', names),
      await presentIn(ground, 'SUCCESS', names),
    ]
    const over = names.filter((name) => claimed.has(name) || ended.has(name))
    await ground.store.deleteAll(
      over.map((name) => ground.layout.at('WAITING', name)),
      ground.store.patience(),
    )
    count += over.length
  }
  return count
}

/** By the stint that is so old: an item that was requeued since, and has failed again, is another matter. */
async function removeOld(ground: Ground, retentionMs: number): Promise<number> {
  let removed = 0
  for (const stage of ['SUCCESS', 'FAIL'] as const) {
    for await (const { stints } of walkNames(ground, stage)) {
      const old = stints.filter((one) => one.sizeBytes > 0 && isOlder(ground, one, retentionMs))
      const removals = old.map((one) => removeStint(ground.layout, { at: stage, ...one }, randomUUID()))
      const results = valuesOf(await ground.runAll(removals))
      removed += results.filter((result) => result === 'left').length
    }
  }
  return removed
}

/** Only of items whose index object is empty: those of any other item still fence its earlier stints. */
async function purgeMarks(ground: Ground, purgeAfterMs: number): Promise<number> {
  let purged = 0
  for (const folder of ['SUCCESS', 'FAIL', 'LEFT'] as const) {
    for await (const { stints } of walkNames(ground, folder)) {
      const old = stints.filter(
        (one) => (folder === 'LEFT' || one.sizeBytes === 0) && isOlder(ground, one, purgeAfterMs),
      )
      const gone = valuesOf(await ground.runAll(old.map((one) => isRemoved(ground, one))))
      const keys = old.filter((_, index) => gone[index]).map(({ name }) => ground.layout.at(folder, name))
      await ground.store.deleteAll(keys, ground.store.patience())
      purged += keys.length
    }
  }
  return purged
}

/** When the index object was emptied doesn't matter: the mark is older than any request, and nobody creates it anew. */
function* isRemoved({ layout }: Ground, { stint }: ListedStint): Protocol<boolean> {
  return (yield* look(layout.index(stint)))?.sizeBytes === 0
}

/** Both instants are the store's. */
function isOlder({ store }: Ground, { modifiedAt }: ListedStint, ageMs: number): boolean {
  return store.clock.now() - modifiedAt > ageMs
}
