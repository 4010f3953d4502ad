import { setTimeout as sleep } from 'node:timers/promises'
import { foldMessage } from '@sluice/engine'
import type { CommandContext } from '../../cli/command.js'
import { idsText } from '../../items/moved-items.js'
import { endsWhenText } from '../held-up.js'
import { LiveView } from '../../output/live-view.js'
import { countText, elapsedText, plural } from '../../output/amounts.js'
import { inTime } from '../../cli/deadline.js'
import type { JobEnds } from './job-ends.js'

const FIRST_GAP_MS = 100
const MAX_GAP_MS = 2_000
const LAST_LOOK_MS = 2_000

/**
 * Waits until each of the jobs has ended, and shows how many have. What holds jobs up is told as soon as it is known.
 *
 * @returns whether it was waited for as long as it was to be: `false` after a signal
 */
export async function waitForEnds(
  ends: JobEnds,
  context: CommandContext,
  timeoutMs: number,
): Promise<boolean> {
  const { output } = context
  const signal = context.interrupted()
  const view = output.json ? undefined : new LiveView({ stream: output.stderr })
  const total = ends.open.length + ends.ends.length
  const beganMs = performance.now()
  const leftMs = (): number => beganMs + timeoutMs - performance.now()
  const told = new Set<string>()
  for (let gapMs = FIRST_GAP_MS; ends.open.length > 0 && !signal.aborted; gapMs *= 2) {
    // A worker that hangs doesn't make the wait any longer.
    await inTime(ends.look(), Math.max(0, leftMs()))
    // A line that is redrawn, and one that stays, must not get into each other's way.
    for (const line of newlyHeldUp(ends, told)) {
      view?.stop()
      output.note(line)
    }
    const line = (): string => waitText(ends, total, performance.now() - beganMs)
    view?.update({ picture: line, line })
    if (leftMs() <= 0 || ends.open.length === 0) break
    // It rejects only when the wait is broken off, which the loop sees.
    await sleep(Math.min(gapMs, MAX_GAP_MS, leftMs()), undefined, { signal }).catch(() => undefined)
  }
  if (ends.open.length > 0 && !signal.aborted) await inTime(ends.lookUpOpen(), LAST_LOOK_MS)
  view?.stop()
  for (const line of newlyHeldUp(ends, told)) output.note(line)
  return !signal.aborted
}

function waitText({ open, unreachedWhy }: JobEnds, total: number, ms: number): string {
  const trouble = unreachedWhy === undefined ? '' : '; the worker can’t be reached, and is asked again'
  return `${countText(total - open.length)} of ${plural(total, 'job')} ended after ${elapsedText(ms)}${trouble}`
}

/** A line for each cause that was not told of yet, however many jobs it holds up. */
function newlyHeldUp(ends: JobEnds, told: Set<string>): string[] {
  const groups = new Map<string, { ids: string[]; message: string }>()
  for (const job of ends.open) {
    const message = ends.heldUp(job)
    if (message === undefined) continue
    const name = foldMessage(message, [job.id, job.uid])
    const group = groups.get(name) ?? { ids: [], message }
    group.ids.push(job.id)
    groups.set(name, group)
  }
  const fresh = [...groups].filter(([name]) => !told.has(name))
  for (const [name] of fresh) told.add(name)
  return fresh.map(([, { ids, message }]) => {
    const what = ids.length === 1 ? 'has not begun' : 'have not begun'
    return `${plural(ids.length, 'job')} ${what}: ${endsWhenText(message)} (${idsText(ids)})`
  })
}
