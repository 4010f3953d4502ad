import type { Stage } from '@sluice/core'
import type { QueueContext } from '../queue-context.js'
import { presentIn } from './name-check.js'
import type { Listed } from '../store/listed-page.js'
import { FOREIGN_NAME } from './foreign-object-log.js'
import { parseAttemptKey, stepOf, type AttemptKey } from '../format/attempt-key.js'

export interface ListedAttempt {
  readonly name: string
  readonly attemptKey: AttemptKey
  readonly sizeBytes: number
  readonly modifiedAt: number
}

export interface AttemptPage {
  readonly attempts: readonly ListedAttempt[]
  /** The last name of the walk; absent at the end. */
  readonly cursor?: string
}

/** Where a name must not also exist for the item to be in that stage. */
const SUPERSEDED_BY = {
  // The request that creates the object under WAITING may arrive long after the attempt has ended, and its
  // claim is gone.
  WAITING: ['PROCESSING', 'SUCCESS'],
  PROCESSING: ['SUCCESS'],
  SUCCESS: ['LEFT'],
  FAIL: ['LEFT'],
} as const

/**
 * An empty object under PROCESSING is that of an update or a removal under way: until its end exists, an
 * updated item waits under this name or the new one.
 */
const SUPERSEDES = {
  PROCESSING: ({ sizeBytes }: { readonly sizeBytes: number }) => sizeBytes > 0,
  SUCCESS: () => true,
  LEFT: () => true,
} as const

/** How many attempts that were checked before are due again in one walk. */
const RECHECKED = 12

/** Every attempt key under a prefix, page by page; foreign names in its folders are reported. */
export async function* walkNames(
  context: QueueContext,
  folder: Stage | 'LEFT',
  range: NameRange = {},
): AsyncGenerator<NamePage, void> {
  let { after } = range
  for (;;) {
    const page = await firstPage(context, folder, { ...range, ...(after === undefined ? {} : { after }) })
    yield page
    if (!page.more) return
    after = page.last
  }
}

export interface NameRange {
  /** Exclusive. */
  readonly after?: string
  /** 1 to 1,000, the default. */
  readonly max?: number
}

export interface NamePage {
  readonly attempts: readonly ListedAttempt[]
  /** The last name, attempt key or not. */
  readonly last: string
  readonly more: boolean
}

/** One LIST. */
export async function firstPage(
  context: QueueContext,
  folder: Stage | 'LEFT',
  range: NameRange,
): Promise<NamePage> {
  const prefix = context.layout.folder(folder)
  const { max = 1_000, after } = range
  const page = await context.list({ prefix, max, ...(after === undefined ? {} : { after: prefix + after }) })
  const last = (page.objects.at(-1)?.key ?? prefix).slice(prefix.length)
  return { attempts: listedAttempts(context, folder, page.objects), last, more: page.more }
}

/**
 * A page of the items in a stage, without leftovers and tombstones.
 *
 * @param trust for PROCESSING: believe earlier checks, so that unchanged items cost nothing
 */
export async function stagePage(
  context: QueueContext,
  stage: Stage,
  { limit, cursor, trust = false }: { limit: number; cursor?: string; trust?: boolean },
): Promise<AttemptPage> {
  const attempts: ListedAttempt[] = []
  let after = cursor
  for (;;) {
    const max = Math.min(1_000, limit - attempts.length)
    const range = { max, ...(after === undefined ? {} : { after }) }
    const page = await firstPage(context, stage, range)
    attempts.push(...(await inStage(context, stage, { attempts: page.attempts, trust })))
    after = page.last
    if (!page.more) return { attempts }
    if (attempts.length >= limit) return { attempts, cursor: after }
  }
}

/** Those that are in the stage: neither tombstones nor superseded by a later object. */
export async function inStage(
  context: QueueContext,
  stage: Stage,
  { attempts, trust }: { attempts: readonly ListedAttempt[]; trust: boolean },
): Promise<ListedAttempt[]> {
  const items = attempts.filter((one) => one.sizeBytes > 0)
  const trusted = trust && stage === 'PROCESSING'
  const asked = trusted ? unsure(context, items) : items
  if (asked.length === 0) return [...items]
  const names = asked.map(({ name }) => name)
  const gone = new Set<string>()
  for (const folder of SUPERSEDED_BY[stage])
    for (const name of await presentIn(context, folder, names, { isWanted: SUPERSEDES[folder] }))
      gone.add(name)
  if (stage === 'WAITING') for (const name of updatedIn(asked)) gone.add(name)
  if (stage === 'PROCESSING') {
    for (const one of asked) if (!gone.has(one.name)) context.cache.listed(one)
  }
  return items.filter(({ name }) => !gone.has(name))
}

/** Names whose item also has a later one: its update is under way. */
export function updatedIn(items: readonly Pick<ListedAttempt, 'name' | 'attemptKey'>[]): string[] {
  const latest = new Map<string, number>()
  for (const { attemptKey } of items)
    latest.set(attemptKey.uid, Math.max(latest.get(attemptKey.uid) ?? 0, stepOf(attemptKey)))
  return items
    .filter(({ attemptKey }) => stepOf(attemptKey) < (latest.get(attemptKey.uid) ?? 0))
    .map(({ name }) => name)
}

/**
 * Those never checked, and a few of those checked longest ago: each is due in turn, and none at every tick.
 * The only moves that show late are those whose process died after the decision.
 */
function unsure({ cache }: QueueContext, items: readonly ListedAttempt[]): ListedAttempt[] {
  const unseen = items.filter(({ name }) => cache.seenLive(name) === 'never')
  const older = items.filter(({ name }) => cache.seenLive(name) === 'before')
  const some = new Set([...unseen, ...older.slice(0, RECHECKED)])
  return items.filter((one) => some.has(one))
}

/** @throws TypeError for a text that no page returned */
export function assertCursor(cursor: string | undefined): void {
  if (cursor === undefined || (cursor.length <= 1_024 && parseAttemptKey(cursor) !== undefined)) return
  throw new TypeError('cursor must be one that an earlier page of this stage and this queue gave')
}

function listedAttempts(
  context: QueueContext,
  folder: Stage | 'LEFT',
  objects: readonly Listed[],
): ListedAttempt[] {
  return objects.flatMap(({ key, sizeBytes, modifiedAt }) => {
    const found = context.layout.nameIn(folder, key)
    if (found !== undefined) return [{ ...found, sizeBytes, modifiedAt }]
    if (context.layout.isForeign(folder, key)) context.foreignObjects.report(key, FOREIGN_NAME)
    return []
  })
}
