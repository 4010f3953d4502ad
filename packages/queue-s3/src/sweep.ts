import { randomUUID } from 'node:crypto'
import type { SweepOptions, SweepReport } from '@sluice/core'
import type { Ground } from './ground.js'
import { valuesOf } from './ground.js'
import { mend } from './mend.js'
import { presentIn } from './name-check.js'
import { removeStint } from './protocol/leave-stage.js'
import { purgeMark } from './protocol/purge-mark.js'
import { walkNames } from './stage-walk.js'
import type { StoredObject } from './storage-op.js'

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

async function purgeMarks(ground: Ground, purgeAfterMs: number): Promise<number> {
  let purged = 0
  for (const folder of ['SUCCESS', 'FAIL', 'LEFT'] as const) {
    for await (const { stints } of walkNames(ground, folder)) {
      const marks = stints.filter((one) => folder === 'LEFT' || one.sizeBytes === 0)
      const old = marks.filter((one) => isOlder(ground, one, purgeAfterMs))
      const isOld = ({ modifiedAt }: StoredObject) =>
        modifiedAt !== undefined && isOlder(ground, { modifiedAt }, purgeAfterMs)
      const purges = old.map((one) => purgeMark(ground.layout, { folder, ...one }, isOld))
      const results = valuesOf(await ground.runAll(purges))
      purged += results.filter(Boolean).length
    }
  }
  return purged
}

/** Both instants are the store's. */
function isOlder({ store }: Ground, { modifiedAt }: { readonly modifiedAt: number }, ageMs: number): boolean {
  return store.clock.now() - modifiedAt > ageMs
}
