import type { CommandContext } from '../../cli/command.js'
import { idsText } from '../../items/moved-items.js'
import { printable } from '../../output/output.js'
import { wasCancelled, type Cancelling, type Target } from './cancelling.js'

/**
 * Ids of which nothing was cancelled, by reason. An id with a cancelled job, and one that the worker was not
 * reached for, is in none.
 */
export interface LeftIds {
  /** Cancelled before. */
  readonly again: readonly Target[]
  readonly waiting: readonly Target[]
  /** Includes removed items whose finished job the worker still knows. */
  readonly finished: readonly Target[]
  /** No item and no job has this id. */
  readonly unknown: readonly Target[]
  /** In PROCESSING, without a job of the requested attempt. */
  readonly running: readonly Target[]
}

export function leftIds({ others, told, unreached, ends }: Cancelling): LeftIds {
  const all = [...others.values()]
  const left = all.filter(
    ({ id, item }) => !told.has(id) && !unreached.has(id) && !(item && wasCancelled(item)),
  )
  const hadJob = new Set(ends.ends.map(({ job }) => job.id))
  const of = (...stages: readonly string[]) =>
    left.filter(({ item }) => item !== undefined && stages.includes(item.stage))
  return {
    again: all.filter(({ item }) => item !== undefined && wasCancelled(item)),
    waiting: of('WAITING'),
    finished: [
      ...of('SUCCESS', 'FAIL'),
      ...left.filter(({ id, item }) => item === undefined && hadJob.has(id)),
    ],
    unknown: left.filter(({ id, item }) => item === undefined && !hadJob.has(id)),
    running: of('PROCESSING'),
  }
}

/** Reports why each of these ids was left unchanged, and what to do instead. The exit code is CONFLICT. */
export function noteLeft(context: CommandContext, cancelling: Cancelling, left: LeftIds): void {
  const lines = [
    lineOf(
      left.waiting,
      'in WAITING, without a running job; `sluice rm` removes it',
      'in WAITING, without running jobs; `sluice rm` removes them',
    ),
    lineOf(left.finished, 'it had finished', 'they had finished', (target) => finishText(target, cancelling)),
    lineOf(left.running, 'no job of that attempt runs', 'no jobs of that attempt run'),
  ].flat()
  for (const line of lines) context.output.note(`Unchanged ${line}`)
  if (left.unknown.length > 0)
    context.output.note(`Unknown, no item and no job: ${idsText(left.unknown.map(({ id }) => id))}`)
  if (lines.length > 0 || left.unknown.length > 0) context.exitWith('CONFLICT')
}

function lineOf(
  targets: readonly Target[],
  one: string,
  many: string,
  textOf?: (target: Target) => string,
): string[] {
  if (targets.length === 0) return []
  const ids = idsText(targets.map((target) => `${target.id}${textOf?.(target) ?? ''}`))
  return [`(${targets.length === 1 ? one : many}): ${ids}`]
}

/** When and how it finished, by the worker's report where it still has one, else by the queue's record. */
function finishText({ id, item }: Target, { ends }: Cancelling): string {
  const end = ends.ends.find(({ job, told }) => job.id === id && !told)
  const at = end?.finishedAt ?? item?.finishedAt
  const how = (end?.message ?? item?.reason)?.split('\n', 1)[0]
  const parts = [item?.stage, at === undefined ? undefined : `at ${new Date(at).toISOString()}`]
  const text = parts.filter((part) => part !== undefined).join(' ')
  return ` (${text}${how === undefined ? '' : `: ${printable(how, 200)}`})`
}
