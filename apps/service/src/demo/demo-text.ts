import { STAGES, type Stage } from '@sluice/core'
import { IS_INSTALLED } from '../cli/invocation.js'
import type { Output } from '../output/output.js'
import { countText, elapsedText, plural, rateText } from '../output/amounts.js'
import { failureJson, failureLines } from '../report/failure-table.js'
import type { DemoOutcome } from './demo-outcome.js'
import type { DemoFacts, DemoKind, DemoPlan } from './demo-kind.js'
import type { DemoPlace } from './demo-place.js'

/** One run of a demo, at its end. */
export interface DemoRun {
  readonly kind: DemoKind
  readonly plan: DemoPlan
  readonly outcome: DemoOutcome
  /** The worker's facts of this run; `undefined` where nothing ran. */
  readonly facts: DemoFacts | undefined
  /** Items that an earlier run finished. */
  readonly finishedBefore: number
  /** The time of this run. */
  readonly elapsedMs: number
  readonly report: string
  readonly interrupted: boolean
}

/** The text at the start of a run. */
export function goOnText(at: {
  kind: DemoKind
  plan: DemoPlan
  before: Readonly<Record<Stage, number>>
  place: Pick<DemoPlace, 'dir'>
}): string {
  const { before, plan, kind } = at
  const total = totalOf(before)
  const finished = before.SUCCESS + before.FAIL
  if (finished + before.PROCESSING === 0) {
    return `${kind.beginText(plan, total)}; all files are in ${at.place.dir}\n`
  }
  const running = before.PROCESSING === 0 ? '' : `, ${countText(before.PROCESSING)} in progress`
  return `Continuing: ${countText(finished)} of ${plural(total, kind.noun)} finished${running}\n`
}

/** The outcomes as a table, and the next step. */
export function demoText(run: DemoRun, output: Output): string {
  const { outcome } = run
  const stages = STAGES.map((stage) => [stage, countText(outcome.sizes[stage])])
  return [
    output.table(['stage', 'items'], stages),
    '',
    [run.kind.facts(outcome).text, run.facts?.text ?? '', paceText(run)].filter(Boolean).join(' '),
    attemptsText(run),
    ...failureLines(outcome.failures, output),
    `Report: ${run.report}`,
    '',
    nextText(run),
  ].join('\n')
}

function paceText({ kind, outcome, finishedBefore, elapsedMs }: DemoRun): string {
  const finished = finishedOf(outcome) - finishedBefore
  if (finished === 0) return `It took ${elapsedText(outcome.spanMs)} from the first job to the last.`
  const pace = `${plural(finished, kind.noun)} in ${elapsedText(elapsedMs)}`
  return `This run: ${pace}, ${rateText((finished * 60_000) / Math.max(1, elapsedMs))}.`
}

function attemptsText({ outcome }: DemoRun): string {
  if (outcome.mostAttempts > 1) return `Most attempts of one item: ${outcome.mostAttempts}.`
  const isWhole = finishedOf(outcome) === totalOf(outcome.sizes)
  return isWhole ? 'Every item ran once, none twice.' : 'No item ran twice so far.'
}

function nextText(run: DemoRun): string {
  const left = totalOf(run.outcome.sizes) - finishedOf(run.outcome)
  if (left > 0) return `Stopped; running jobs end by themselves. Continue with ${commandText(run.kind)}`
  const again =
    finishedOf(run.outcome) === run.finishedBefore ? ' The demo had finished before, so nothing ran.' : ''
  return `All ${run.kind.noun}s are done.${again} Start a new demo with ${commandText(run.kind, '--fresh')}`
}

/** A clone starts it with `npm start`, an installation as `sluice`. */
function commandText({ flags }: DemoKind, ...more: readonly string[]): string {
  const all = [...flags, ...more]
  if (IS_INSTALLED) return ['sluice demo', ...all].join(' ')
  return ['npm start', ...(all.length === 0 ? [] : ['--', ...all])].join(' ')
}

/** The same for `--json`. */
export function demoJson(run: DemoRun) {
  const { kind, outcome, facts, plan, finishedBefore, elapsedMs, report, interrupted } = run
  const { sizes, mostAttempts, failures, spanMs } = outcome
  const items = totalOf(sizes)
  const finishedNow = finishedOf(outcome) - finishedBefore
  const seconds = Math.round(elapsedMs) / 1_000
  const pace = {
    seconds,
    perSecond: Math.round((finishedNow * 10_000) / Math.max(1, elapsedMs)) / 10,
    spanMs,
  }
  const root = plan.root === undefined ? {} : { root: plan.root }
  const counts = { ...root, items, sizes, ...kind.facts(outcome).json, ...facts?.json }
  const attempts = { finishedBefore, finishedNow, mostAttempts }
  return { ...counts, ...attempts, ...pace, interrupted, ...failureJson(failures), report }
}

function finishedOf({ sizes }: DemoOutcome): number {
  return sizes.SUCCESS + sizes.FAIL
}

function totalOf(sizes: Readonly<Record<Stage, number>>): number {
  return STAGES.reduce((sum, stage) => sum + sizes[stage], 0)
}
