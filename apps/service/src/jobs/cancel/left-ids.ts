import type { CommandContext } from '../../cli/command.js'
import { idsText } from '../../items/moved-items.js'
import { printable } from '../../output/output.js'
import { wasCancelled, type Cancelling, type Target } from './cancelling.js'

/** Ids of which nothing was cancelled, by why not. An id that a job of it was told to end for is in none of them, nor one that the worker could not be asked for. */
export interface LeftIds {
  /** Cancelled before. */
  readonly again: readonly Target[]
  readonly waiting: readonly Target[]
  /** Of a removed item: its job had, and the worker still knows it. */
  readonly finished: readonly Target[]
  /** There is no such item, and no job of this id. */
  readonly unknown: readonly Target[]
  /** In PROCESSING, and without the job of the attempt that was asked for. */
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

/** Says of each id that was left as it is why, and what can be done instead. The exit code is CONFLICT. */
export function noteLeft(context: CommandContext, cancelling: Cancelling, left: LeftIds): void {
  const lines = [
    lineOf(
      left.waiting,
      'in WAITING, and no job of it runs; `sluice rm` removes it',
      'in WAITING, and no job of them runs; `sluice rm` removes them',
    ),
    lineOf(left.finished, 'it had finished', 'they had finished', (target) => finishText(target, cancelling)),
    lineOf(left.running, 'no job of that attempt runs', 'no jobs of that attempt run'),
  ].flat()
  for (const line of lines) context.output.note(`Left as ${line}`)
  if (left.unknown.length > 0)
    context.output.note(
      `Unknown, no item and no job of this id: ${idsText(left.unknown.map(({ id }) => id))}`,
    )
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
  return [`${targets.length === 1 ? `it is (${one})` : `they are (${many})`}: ${ids}`]
}

/** When and how, by the worker's word where it still has one, else by the queue's. */
function finishText({ id, item }: Target, { ends }: Cancelling): string {
  const end = ends.ends.find(({ job, told }) => job.id === id && !told)
  const at = end?.finishedAt ?? item?.finishedAt
  const how = (end?.message ?? item?.reason)?.split('\n', 1)[0]
  const parts = [item?.stage, at === undefined ? undefined : `at ${new Date(at).toISOString()}`]
  const text = parts.filter((part) => part !== undefined).join(' ')
  return ` (${text}${how === undefined ? '' : `: ${printable(how, 200)}`})`
}
