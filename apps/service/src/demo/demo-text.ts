import prettyBytes from 'pretty-bytes'
import { STAGES, type Stage } from '@sluice/core'
import type { Output } from '../output.js'
import { countText, elapsedText, plural, rateText } from '../progress/progress-text.js'
import { failureLines } from '../report/failure-table.js'
import type { DemoOutcome } from './demo-outcome.js'
import type { DemoPlace, DemoPlan } from './demo-place.js'

/** One run of a demo, at its end. */
export interface DemoRun {
  readonly plan: DemoPlan
  readonly outcome: DemoOutcome
  /** Items that an earlier run had finished. */
  readonly finishedBefore: number
  /** Of this run alone. */
  readonly elapsedMs: number
  readonly report: string
  readonly interrupted: boolean
}

/** A checkout starts it with `npm start`, an installation with its own name. */
const COMMAND = import.meta.url.includes('/node_modules/') ? 'sluice demo' : 'npm start'
const FRESH = import.meta.url.includes('/node_modules/') ? 'sluice demo --fresh' : 'npm start -- --fresh'

/** What a run says before it goes to work. */
export function goOnText(at: {
  plan: DemoPlan
  before: Readonly<Record<Stage, number>>
  place: Pick<DemoPlace, 'dir'>
}): string {
  const { before, plan } = at
  const total = totalOf(before)
  const finished = before.SUCCESS + before.FAIL
  if (finished + before.PROCESSING === 0) {
    const fewer = total < plan.items ? `, all that there are` : ''
    return `Digesting ${plural(total, 'file')}${fewer} of ${plan.root}; everything is kept in ${at.place.dir}\n`
  }
  const running = before.PROCESSING === 0 ? '' : `, ${countText(before.PROCESSING)} were begun`
  return `Going on: ${countText(finished)} of ${plural(total, 'file')} were finished${running}\n`
}

/** The outcomes as a table, and where to go from here. */
export function demoText(run: DemoRun, output: Output): string {
  const { outcome } = run
  const stages = STAGES.map((stage) => [stage, countText(outcome.sizes[stage])])
  return [
    output.table(['stage', 'items'], stages),
    '',
    `${prettyBytes(outcome.bytes)} digested. ${paceText(run)}`,
    attemptsText(run),
    ...failureLines(outcome, output),
    `Report: ${run.report}`,
    '',
    nextText(run),
  ].join('\n')
}

function paceText({ outcome, finishedBefore, elapsedMs }: DemoRun): string {
  const finished = finishedOf(outcome) - finishedBefore
  if (finished === 0) return `It took ${elapsedText(outcome.spanMs)} from the first job to the last.`
  const pace = `${plural(finished, 'file')} in ${elapsedText(elapsedMs)}`
  return `This run: ${pace}, ${rateText((finished * 60_000) / Math.max(1, elapsedMs))}.`
}

function attemptsText({ outcome }: DemoRun): string {
  if (outcome.mostAttempts > 1) return `Most attempts of one item: ${outcome.mostAttempts}.`
  const isWhole = finishedOf(outcome) === totalOf(outcome.sizes)
  return isWhole ? 'Every item was tried once, none twice.' : 'None was tried twice so far.'
}

function nextText(run: DemoRun): string {
  const left = totalOf(run.outcome.sizes) - finishedOf(run.outcome)
  if (left > 0) return `Stopped; jobs under way end by themselves. Go on with ${COMMAND}`
  const again =
    finishedOf(run.outcome) === run.finishedBefore ? ' It was finished before, so nothing ran.' : ''
  return `All files are done.${again} Start afresh with ${FRESH}`
}

/** The same for programs. */
export function demoJson(run: DemoRun) {
  const { outcome, plan, finishedBefore, elapsedMs, report, interrupted } = run
  const { sizes, bytes, mostAttempts, failures, failureGroups, spanMs } = outcome
  const items = totalOf(sizes)
  const finishedNow = finishedOf(outcome) - finishedBefore
  const seconds = Math.round(elapsedMs) / 1_000
  const pace = {
    seconds,
    perSecond: Math.round((finishedNow * 10_000) / Math.max(1, elapsedMs)) / 10,
    spanMs,
  }
  const counts = { root: plan.root, items, sizes, bytes, finishedBefore, finishedNow, mostAttempts }
  return { ...counts, ...pace, interrupted, failures, failureGroups, report }
}

function finishedOf({ sizes }: DemoOutcome): number {
  return sizes.SUCCESS + sizes.FAIL
}

function totalOf(sizes: Readonly<Record<Stage, number>>): number {
  return STAGES.reduce((sum, stage) => sum + sizes[stage], 0)
}
