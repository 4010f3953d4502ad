import type { Stage } from '@sluice/core'
import type { QueueContext } from '../queue-context.js'
import { KnownNames, presentIn } from './name-check.js'
import { afterPriority, instantIn, parseAttemptKey } from '../format/attempt-key.js'
import { firstPage, walkNames, type ListedAttempt } from './stage-walk.js'

/** Into how many parts a large prefix is split. Each may cost one page that isn't full. */
const PARTS = 5

/**
 * The number of items in a stage, listed in parallel [Q-SIZE-1]. Unfinished moves must be repaired before.
 */
export async function countStage(context: QueueContext, stage: Stage): Promise<number> {
  if (stage === 'WAITING') return countWaiting(context)
  const left = stage === 'SUCCESS' || stage === 'FAIL' ? await namesUnder(context, 'LEFT') : new Set<string>()
  const isItem = ({ name, sizeBytes }: ListedAttempt) => sizeBytes > 0 && !left.has(name)
  return countNames(context, stage, isItem)
}

/**
 * A claimed item may still have its object here, if its claimer died before deleting it; and so may one whose
 * attempt has ended, if the creating request came late.
 */
async function countWaiting(context: QueueContext): Promise<number> {
  const claimed = await namesUnder(context, 'PROCESSING')
  return countNames(context, 'WAITING', ({ name }) => !claimed.has(name))
}

/** How many of some sorted names are those of items. */
async function countItems(
  context: QueueContext,
  stage: Stage,
  { attempts, cached }: { attempts: readonly ListedAttempt[]; cached: KnownNames },
): Promise<number> {
  if (stage !== 'WAITING') return attempts.length
  const names = attempts.map(({ name }) => name)
  return names.length - (await presentIn(context, 'SUCCESS', names, { cached })).size
}

async function namesUnder(context: QueueContext, folder: 'PROCESSING' | 'LEFT'): Promise<Set<string>> {
  const names = new Set<string>()
  for await (const { attempts } of walkNames(context, folder))
    for (const { name } of attempts) names.add(name)
  return names
}

type IsItem = (listed: ListedAttempt) => boolean

/** One page first; the rest in several parts at once. */
async function countNames(context: QueueContext, stage: Stage, isItem: IsItem): Promise<number> {
  const counts = await Promise.all(
    context.shards.map(async (shard) => {
      const start = { after: `${shard}/` }
      const first = await firstPage(context, stage, start)
      const cached = new KnownNames()
      const attempts = first.attempts.filter((one) => one.attemptKey.shard === shard && isItem(one))
      const count = await countItems(context, stage, { attempts, cached })
      if (!first.more || !first.last.startsWith(shard)) return count
      const bounds = splitAfter(first.last, shard, context.store.clock.now())
      const parts = await Promise.all(
        bounds.map((part) => countPart(context, stage, { ...part, isItem, cached: cached.fork() })),
      )
      return parts.reduce((sum, part) => sum + part, count)
    }),
  )
  return counts.reduce((sum, count) => sum + count, 0)
}

interface Part {
  readonly after: string
  /** Inclusive; later names belong to the next part. */
  readonly upTo: string
}

async function countPart(
  context: QueueContext,
  stage: Stage,
  part: Part & { isItem: IsItem; cached: KnownNames },
): Promise<number> {
  let count = 0
  for await (const { attempts, last } of walkNames(context, stage, { after: part.after })) {
    const items = attempts.filter((one) => one.name <= part.upTo && part.isItem(one))
    count += await countItems(context, stage, { attempts: items, cached: part.cached })
    if (last >= part.upTo) break
  }
  return count
}

/**
 * Splits the names after a given one by their instants, evenly from its own to now, with all lower priorities
 * in one part. Where the items aren't spread evenly, neither are the parts, and the count is still exact.
 */
function splitAfter(name: string, shard: string, now: number): Part[] {
  const end = `${shard}/~`
  const attemptKey = parseAttemptKey(name)
  if (attemptKey === undefined) return [{ after: name, upTo: end }]
  const spanMs = Math.max(0, now - attemptKey.availableAt)
  const instants = Array.from({ length: PARTS - 1 }, (_, index) =>
    instantIn(attemptKey, Math.floor(attemptKey.availableAt + (spanMs * (index + 1)) / (PARTS - 1))),
  )
  const bounds = [name, ...instants.filter((instant) => instant > name), afterPriority(attemptKey), end]
  return bounds.slice(1).map((upTo, index) => ({ after: bounds[index] ?? name, upTo }))
}
