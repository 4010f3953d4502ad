import type { Stage } from '@sluice/core'
import type { Ground } from './ground.js'
import { ToldNames, presentIn } from './name-check.js'
import { afterPriority, instantIn, parseStint } from './stint-name.js'
import { firstPage, walkNames, type ListedStint } from './stage-walk.js'

/** Into how many parts a large prefix is split. Each may cost one page that isn't full. */
const PARTS = 5

/** How many items are in a stage, listed in parallel [Q-SIZE-1]. Moves half done are to be finished before. */
export async function countStage(ground: Ground, stage: Stage): Promise<number> {
  if (stage === 'WAITING') return countWaiting(ground)
  const left = stage === 'SUCCESS' || stage === 'FAIL' ? await namesUnder(ground, 'LEFT') : new Set<string>()
  const isItem = ({ name, sizeBytes }: ListedStint) => sizeBytes > 0 && !left.has(name)
  return countNames(ground, stage, isItem)
}

/**
 * A claimed item may still have its object here, if its claimer died before deleting it; and one whose attempt has ended, if the request that makes it
 * came late.
 */
async function countWaiting(ground: Ground): Promise<number> {
  const claimed = await namesUnder(ground, 'PROCESSING')
  return countNames(ground, 'WAITING', ({ name }) => !claimed.has(name))
}

/** How many of some names, in their order, are those of items. */
async function countItems(
  ground: Ground,
  stage: Stage,
  { stints, told }: { stints: readonly ListedStint[]; told: ToldNames },
): Promise<number> {
  if (stage !== 'WAITING') return stints.length
  const names = stints.map(({ name }) => name)
  return names.length - (await presentIn(ground, 'SUCCESS', names, { told })).size
}

async function namesUnder(ground: Ground, folder: 'PROCESSING' | 'LEFT'): Promise<Set<string>> {
  const names = new Set<string>()
  for await (const { stints } of walkNames(ground, folder)) for (const { name } of stints) names.add(name)
  return names
}

type IsItem = (listed: ListedStint) => boolean

/** One page first; what is behind it in several parts at once. */
async function countNames(ground: Ground, stage: Stage, isItem: IsItem): Promise<number> {
  const counts = await Promise.all(
    ground.lanes.map(async (lane) => {
      const start = { after: `${lane}/` }
      const first = await firstPage(ground, stage, start)
      const told = new ToldNames()
      const stints = first.stints.filter((one) => one.stint.lane === lane && isItem(one))
      const count = await countItems(ground, stage, { stints, told })
      if (!first.more || !first.last.startsWith(lane)) return count
      const bounds = splitAfter(first.last, lane, ground.store.clock.now())
      const parts = await Promise.all(
        bounds.map((part) => countPart(ground, stage, { ...part, isItem, told: told.fork() })),
      )
      return parts.reduce((sum, part) => sum + part, count)
    }),
  )
  return counts.reduce((sum, count) => sum + count, 0)
}

interface Part {
  readonly after: string
  /** Inclusive; names beyond belong to the next part. */
  readonly upTo: string
}

async function countPart(
  ground: Ground,
  stage: Stage,
  part: Part & { isItem: IsItem; told: ToldNames },
): Promise<number> {
  let count = 0
  for await (const { stints, last } of walkNames(ground, stage, { after: part.after })) {
    const items = stints.filter((one) => one.name <= part.upTo && part.isItem(one))
    count += await countItems(ground, stage, { stints: items, told: part.told })
    if (last >= part.upTo) break
  }
  return count
}

/**
 * Splits what is behind a name by the instants in the names, evenly from this one's to now, and all lower priorities in one part. Where
 * the items aren't spread evenly, the parts aren't of equal size, and the count is right all the same.
 */
function splitAfter(name: string, lane: string, now: number): Part[] {
  const end = `${lane}/~`
  const stint = parseStint(name)
  if (stint === undefined) return [{ after: name, upTo: end }]
  const spanMs = Math.max(0, now - stint.availableAt)
  const marks = Array.from({ length: PARTS - 1 }, (_, index) =>
    instantIn(stint, Math.floor(stint.availableAt + (spanMs * (index + 1)) / (PARTS - 1))),
  )
  const bounds = [name, ...marks.filter((mark) => mark > name), afterPriority(stint), end]
  return bounds.slice(1).map((upTo, index) => ({ after: bounds[index] ?? name, upTo }))
}
