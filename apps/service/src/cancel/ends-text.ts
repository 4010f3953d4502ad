import { foldMessage } from '@sluice/engine'
import { idsText } from '../commands/moved-items.js'
import { printable, type Output } from '../output.js'
import { countText, plural } from '../progress/progress-text.js'
import type { JobEnd } from './job-ends.js'

/** So many are listed one by one; more are grouped by how they ended. */
const MAX_LISTED = 20
const MESSAGE_CELLS = 200

const END_WORDS: Readonly<Record<JobEnd['end'], string>> = {
  FAIL: 'ended',
  SUCCESS: 'ended well',
  none: 'not known to the worker',
}

/** How each job ended: a line each, or, of many, a line for those that ended alike. */
export function endsText(ends: readonly JobEnd[], output: Output): string {
  const lines = ends.length > MAX_LISTED ? grouped(ends, output) : listed(ends, output)
  const well = ends.filter(({ end }) => end === 'SUCCESS').map(({ job }) => job.id)
  if (well.length === 0) return lines
  return `${lines}\nEnded well although told to end, their items stay in FAIL: ${plural(well.length, 'job')}: ${idsText(well)}`
}

function listed(ends: readonly JobEnd[], output: Output): string {
  const rows = ends.map(({ job, end, message = '' }) => [
    printable(job.id, 100),
    END_WORDS[end],
    printable(message.split('\n', 1)[0] ?? '', MESSAGE_CELLS),
  ])
  return output.table(['id', 'job', 'message'], rows)
}

function grouped(ends: readonly JobEnd[], output: Output): string {
  const groups = new Map<string, { count: number; end: JobEnd['end']; message: string }>()
  for (const { job, end, message = '' } of ends) {
    const folded = foldMessage(message, [job.id, job.uid])
    const name = `${end} ${folded}`
    const group = groups.get(name) ?? { count: 0, end, message: folded }
    group.count += 1
    groups.set(name, group)
  }
  const largest = [...groups.values()].toSorted((a, b) => b.count - a.count)
  const rows = largest
    .slice(0, MAX_LISTED)
    .map(({ count, end, message }) => [countText(count), END_WORDS[end], printable(message, MESSAGE_CELLS)])
  const rest = largest.slice(MAX_LISTED).reduce((sum, { count }) => sum + count, 0)
  if (rest > 0) rows.push([countText(rest), '', 'in other words (--json has all)'])
  return output.table(['jobs', 'ended', 'message'], rows)
}
