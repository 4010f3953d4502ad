import { type QueueContext, valuesOf } from '../queue-context.js'
import { presentIn } from '../stages/name-check.js'
import { repairClaim, repairLeft } from '../protocol/repair-attempt.js'
import { type ListedAttempt, walkNames } from '../stages/stage-walk.js'

/**
 * Finishes every move that was decided by a process that died before it had finished. Such moves show: an
 * object under PROCESSING whose end exists or that is empty, an empty one under LEFT, or one under LEFT whose
 * item is still under FAIL. Lists and sizes do this first, so that each item is listed in its one stage
 * [Q-MOVE-4].
 *
 * @param onAttempts called with the attempts that it lists
 * @returns how many moves it finished
 */
export async function repair(context: QueueContext, onAttempts?: OnAttempts): Promise<number> {
  return (await repairClaims(context, onAttempts)) + (await repairLefts(context, onAttempts))
}

type OnAttempts = (attempts: readonly ListedAttempt[]) => void

async function repairClaims(context: QueueContext, onAttempts?: OnAttempts): Promise<number> {
  let repaired = 0
  for await (const { attempts } of walkNames(context, 'PROCESSING')) {
    onAttempts?.(attempts)
    if (attempts.length === 0) continue
    const ended = await presentIn(context, 'SUCCESS', namesOf(attempts))
    const half = attempts.filter(({ name, sizeBytes }) => sizeBytes === 0 || ended.has(name))
    for (const { attemptKey } of half) context.cache.drop(attemptKey.key)
    const results = await context.runAll(half.map(({ name }) => repairClaim(context.layout, name)))
    repaired += valuesOf(results).filter((result) => result === 'repaired').length
  }
  return repaired
}

async function repairLefts(context: QueueContext, onAttempts?: OnAttempts): Promise<number> {
  let repaired = 0
  for await (const { attempts } of walkNames(context, 'LEFT')) {
    onAttempts?.(attempts)
    if (attempts.length === 0) continue
    const removals = attempts.filter(({ sizeBytes }) => sizeBytes === 0)
    const requeues = attempts.filter(({ sizeBytes }) => sizeBytes > 0)
    const failed = requeues.length === 0 ? new Set() : await presentIn(context, 'FAIL', namesOf(requeues))
    const half = [...removals, ...requeues.filter(({ name }) => failed.has(name))]
    valuesOf(await context.runAll(half.map(({ name }) => repairLeft(context.layout, name))))
    repaired += half.length
  }
  return repaired
}

function namesOf(attempts: readonly ListedAttempt[]): string[] {
  return attempts.map(({ name }) => name)
}
