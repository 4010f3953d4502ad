import { foldMessage } from '@sluice/engine'
import { idsText } from '../../items/moved-items.js'
import { oneLine, printable, type Output } from '../../output/output.js'
import { countText, plural } from '../../output/amounts.js'
import type { JobEnd } from './job-ends.js'

/** Up to this many ends are listed one by one; more are grouped. */
const MAX_LISTED = 20
const MESSAGE_CELLS = 200

/** The end of a job, for the list. */
export interface ListedEnd extends JobEnd {
  /** The job is not that of its item's last attempt. */
  readonly isEarlier: boolean
}

function endWord({ end, told }: JobEnd): string {
  if (end === 'none') return 'unknown to the worker'
  if (end === 'SUCCESS') return told ? 'succeeded' : 'had succeeded'
  return told ? 'ended' : 'had ended'
}

/** How each job ended: a line each, or, for many, a line for each group. */
export function endsText(ends: readonly ListedEnd[], output: Output): string {
  return ends.length > MAX_LISTED ? grouped(ends, output) : listed(ends, output)
}

/** Jobs of cancelled items that succeeded nevertheless. */
export function endedWellText(ids: readonly string[]): string {
  const items = ids.length === 1 ? 'its item stays' : 'their items stay'
  return `Succeeded although cancelled, ${items} in FAIL: ${plural(ids.length, 'job')}: ${idsText(ids)}`
}

function listed(ends: readonly ListedEnd[], output: Output): string {
  const rows = ends.map((end) => [
    `${printable(end.job.id, 100)}${end.isEarlier ? ` (attempt ${end.job.attempt})` : ''}`,
    endWord(end),
    oneLine(messageOf(end), MESSAGE_CELLS),
  ])
  return output.table(['id', 'job', 'message'], rows)
}

function messageOf({ told, finishedAt, message = '' }: JobEnd): string {
  const first = message.split('\n', 1)[0] ?? ''
  if (told || finishedAt === undefined) return first
  return [`at ${new Date(finishedAt).toISOString()}`, first].filter((part) => part !== '').join(': ')
}

function grouped(ends: readonly ListedEnd[], output: Output): string {
  const groups = new Map<string, { count: number; word: string; message: string }>()
  for (const end of ends) {
    const folded = foldMessage(end.message ?? '', [end.job.id, end.job.uid])
    const word = endWord(end)
    const name = `${word} ${folded}`
    const group = groups.get(name) ?? { count: 0, word, message: folded }
    group.count += 1
    groups.set(name, group)
  }
  const largest = [...groups.values()].toSorted((a, b) => b.count - a.count)
  const rows = largest
    .slice(0, MAX_LISTED)
    .map(({ count, word, message }) => [countText(count), word, oneLine(message, MESSAGE_CELLS)])
  const rest = largest.slice(MAX_LISTED).reduce((sum, { count }) => sum + count, 0)
  if (rest > 0) rows.push([countText(rest), '', 'with other messages (--json has all)'])
  return output.table(['jobs', 'ended', 'message'], rows)
}
