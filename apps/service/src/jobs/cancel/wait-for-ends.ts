import { foldMessage } from '@sluice/engine'
import type { CommandContext } from '../../cli/command.js'
import { inTime } from '../../cli/timing.js'
import { idsText } from '../../items/moved-items.js'
import { countText, elapsedText, plural } from '../../output/amounts.js'
import type { LiveView } from '../../output/live-view.js'
import { endsWhenText } from '../job-text.js'
import type { JobEnds } from './job-ends.js'

const FIRST_GAP_MS = 100
const MAX_GAP_MS = 2_000
const LAST_LOOKUP_MS = 2_000

/**
 * Waits until each of the jobs has ended, and shows how many have. It reports what holds jobs up as soon as
 * that is known.
 *
 * @returns `false` where a signal ended the wait early
 */
export async function waitForEnds(
  ends: JobEnds,
  context: CommandContext,
  timeoutMs: number,
): Promise<boolean> {
  const { output, runtime } = context
  const signal = context.interrupted()
  const view = output.json ? undefined : await viewOn(context)
  const total = ends.open.length + ends.ends.length
  const startedAtMonotonic = runtime.monotonicMs()
  const waitedMs = (): number => runtime.monotonicMs() - startedAtMonotonic
  const leftMs = (): number => timeoutMs - waitedMs()
  const reported = new Set<string>()
  for (let gapMs = FIRST_GAP_MS; ends.open.length > 0 && !signal.aborted; gapMs *= 2) {
    // A worker that hangs must not prolong the wait.
    await inTime(ends.refresh(), Math.max(1, leftMs()), runtime)
    // A redrawn line and a permanent one must not mix.
    for (const line of newlyHeldUp(ends, reported)) {
      view?.stop()
      output.note(line)
    }
    const line = (): string => waitText(ends, total, waitedMs())
    view?.update({ picture: line, line })
    if (leftMs() <= 0 || ends.open.length === 0) break
    await runtime.sleep(Math.min(gapMs, MAX_GAP_MS, leftMs()), signal)
  }
  if (ends.open.length > 0 && !signal.aborted) await inTime(ends.lookUpOpen(), LAST_LOOKUP_MS, runtime)
  view?.stop()
  for (const line of newlyHeldUp(ends, reported)) output.note(line)
  return !signal.aborted
}

async function viewOn({ output, runtime }: CommandContext): Promise<LiveView> {
  const { LiveView } = await import('../../output/live-view.js')
  return new LiveView({ stream: output.stderr, runtime })
}

function waitText({ open, unreachedWhy }: JobEnds, total: number, ms: number): string {
  const trouble = unreachedWhy === undefined ? '' : '; the worker is unreachable, retrying'
  return `${countText(total - open.length)} of ${plural(total, 'job')} ended after ${elapsedText(ms)}${trouble}`
}

/** A line for each cause not reported yet, however many jobs it holds up. */
function newlyHeldUp(ends: JobEnds, reported: Set<string>): string[] {
  const groups = new Map<string, { ids: string[]; message: string }>()
  for (const job of ends.open) {
    const message = ends.heldUp(job)
    if (message === undefined) continue
    const name = foldMessage(message, [job.id, job.uid])
    const group = groups.get(name) ?? { ids: [], message }
    group.ids.push(job.id)
    groups.set(name, group)
  }
  const fresh = [...groups].filter(([name]) => !reported.has(name))
  for (const [name] of fresh) reported.add(name)
  return fresh.map(([, { ids, message }]) => {
    const what = ids.length === 1 ? 'has not begun' : 'have not begun'
    return `${plural(ids.length, 'job')} ${what}: ${endsWhenText(message)} (${idsText(ids)})`
  })
}
