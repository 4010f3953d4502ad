import { foldMessage } from '@sluice/engine'
import { idsText } from '../../items/moved-items.js'
import { oneLine, printable, type Output } from '../../output/output.js'
import { countText, plural } from '../../output/amounts.js'
import type { JobEnd } from './job-ends.js'

/** So many are listed one by one; more are grouped by how they ended. */
const MAX_LISTED = 20
const MESSAGE_CELLS = 200

/** A job that ended, as it is listed. */
export interface ListedEnd extends JobEnd {
  /** It is not that of the last attempt of its item. */
  readonly isEarlier: boolean
}

function endWord({ end, told }: JobEnd): string {
  if (end === 'none') return 'not known to the worker'
  return `${told ? 'ended' : 'had ended'}${end === 'SUCCESS' ? ' well' : ''}`
}

/** How each job ended: a line each, or, of many, a line for those that ended alike. */
export function endsText(ends: readonly ListedEnd[], output: Output): string {
  return ends.length > MAX_LISTED ? grouped(ends, output) : listed(ends, output)
}

/** Of items that were cancelled: their jobs did their work all the same. */
export function endedWellText(ids: readonly string[]): string {
  const items = ids.length === 1 ? 'its item stays' : 'their items stay'
  return `Ended well although told to end, ${items} in FAIL: ${plural(ids.length, 'job')}: ${idsText(ids)}`
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
  if (rest > 0) rows.push([countText(rest), '', 'in other words (--json has all)'])
  return output.table(['jobs', 'ended', 'message'], rows)
}
