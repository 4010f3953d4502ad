import type { Ground } from './ground.js'
import { valuesOf } from './ground.js'
import { presentIn } from './name-check.js'
import { mendClaim, mendLeft } from './protocol/mend-stint.js'
import type { ListedStint } from './stage-walk.js'
import { walkNames } from './stage-walk.js'

/**
 * Finishes every move that somebody decided and did not live to finish. They show: an object under PROCESSING whose end exists or that is
 * empty, an empty one under LEFT, or one under LEFT whose item is still under FAIL. Lists and sizes do this first, so that each item
 * is then in the listing of its one stage [Q-MOVE-4].
 *
 * @param onStints told of the names it comes across
 * @returns how many it finished
 */
export async function mend(ground: Ground, onStints?: OnStints): Promise<number> {
  return (await mendClaims(ground, onStints)) + (await mendLefts(ground, onStints))
}

type OnStints = (stints: readonly ListedStint[]) => void

async function mendClaims(ground: Ground, onStints?: OnStints): Promise<number> {
  let repaired = 0
  for await (const { stints } of walkNames(ground, 'PROCESSING')) {
    onStints?.(stints)
    if (stints.length === 0) continue
    const ended = await presentIn(ground, 'SUCCESS', namesOf(stints))
    const half = stints.filter(({ name, sizeBytes }) => sizeBytes === 0 || ended.has(name))
    for (const { stint } of half) ground.cache.forget(stint.key)
    const results = await ground.runAll(half.map(({ name }) => mendClaim(ground.layout, name)))
    repaired += valuesOf(results).filter((result) => result === 'repaired').length
  }
  return repaired
}

async function mendLefts(ground: Ground, onStints?: OnStints): Promise<number> {
  let repaired = 0
  for await (const { stints } of walkNames(ground, 'LEFT')) {
    onStints?.(stints)
    if (stints.length === 0) continue
    const removals = stints.filter(({ sizeBytes }) => sizeBytes === 0)
    const requeues = stints.filter(({ sizeBytes }) => sizeBytes > 0)
    const failed = requeues.length === 0 ? new Set() : await presentIn(ground, 'FAIL', namesOf(requeues))
    const half = [...removals, ...requeues.filter(({ name }) => failed.has(name))]
    valuesOf(await ground.runAll(half.map(({ name }) => mendLeft(ground.layout, name))))
    repaired += half.length
  }
  return repaired
}

function namesOf(stints: readonly ListedStint[]): string[] {
  return stints.map(({ name }) => name)
}
