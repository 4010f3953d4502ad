import { inspect } from 'node:util'
import type { AttemptRecord, ItemRecord, JsonValue, JobOverrides } from '@sluice/core'
import { leftOutOf } from '@sluice/engine'
import type { JobAnswer } from '../jobs/ask-jobs.js'
import { cancelledText, runningText } from '../jobs/job-text.js'
import { oneLine, printable, printableLines, type Output } from '../output/output.js'
import { elapsedText } from '../output/amounts.js'

/** The worker's answer about the job of an item. */
export interface AskedJob {
  /** `undefined` where the job is settled, or no worker is configured. */
  readonly job: JobAnswer | undefined
  /** An earlier attempt whose job has not ended, and that this attempt waits for. */
  readonly earlier?: number | undefined
}

/** An item and its job. */
export interface ShownItem extends AskedJob {
  readonly item: ItemRecord
  /** Since when its job runs, if that is far longer than others: epoch ms. */
  readonly straggler?: number | undefined
}

const NAME_CHARS = 12
const REASON_CHARS = 120

/** All fields of an item as lines. A value longer than `maxChars` is cut, with a note. */
export function itemText(shown: ShownItem, output: Output, maxChars: number): string {
  const { item } = shown
  const rows: [string, string | undefined][] = [
    ['id', printable(item.id)],
    ['stage', item.stage],
    ['attempt', attemptText(item)],
    ['priority', item.priority === 0 ? undefined : String(item.priority)],
    ['resources', jsonText(item.resources, maxChars)],
    ['limit key', printableOf(item.limitKey)],
    ['put', instant(item.putAt)],
    // After the claim it has no meaning.
    ['not before', item.stage === 'WAITING' ? instant(item.notBeforeAt) : undefined],
    ['claimed', instant(item.claimedAt)],
    ['finished', finishedText(item)],
    // Outside FAIL it is the reason of an earlier attempt.
    [item.stage === 'FAIL' ? 'reason' : 'last reason', reasonText(item.reason, maxChars)],
    ['class', printableOf(item.failureClass)],
    ['exit code', item.exitCode === undefined ? undefined : String(item.exitCode)],
    ...retryRows(item, maxChars),
    ['body', jsonText(item.body, maxChars)],
    ['result', jsonText(item.result, maxChars)],
    ['not stored', textsText(leftOutOf(item), maxChars)],
    [isOver(item) ? 'details' : 'last details', detailsText(item.details, maxChars)],
    ...jobRows(shown, maxChars),
    ['uid', printable(item.uid)],
    ['job uid', printableOf(item.jobUid)],
  ]
  const lines = rows.flatMap(([name, value]) =>
    value === undefined ? [] : [`${output.colors.bold(name.padEnd(NAME_CHARS))} ${value}`],
  )
  return [...lines, ...historyLines(item.history, output, maxChars)].join('\n')
}

/**
 * Whether its outcome is that of its last attempt; in WAITING and PROCESSING it is that of the attempt
 * before.
 */
function isOver({ stage }: ItemRecord): boolean {
  return stage === 'SUCCESS' || stage === 'FAIL'
}

function stragglerText(sinceAt: number): string {
  return `it runs since ${new Date(sinceAt).toISOString()}, far longer than others of the queue`
}

function overridesText(overrides: JobOverrides): string {
  return Object.entries(overrides)
    .map(([name, value]) => `${printable(name, 64)} ${printable(value, 64)}`)
    .join(', ')
}

function jobRows(
  { item, job, earlier, straggler }: ShownItem,
  maxChars: number,
): [string, string | undefined][] {
  if (job === undefined) return []
  if (earlier !== undefined) {
    const why = `the job of attempt ${earlier} has not ended; this attempt starts after it`
    return [['job', `not sent yet: ${why}`]]
  }
  const text = item.stage === 'PROCESSING' ? runningText(job, maxChars) : cancelledText(job, maxChars)
  if (job.kind !== 'report') return [['job', text]]
  const { details, result, url, overrides } = job.report
  return [
    ['job', text],
    ['straggler', straggler === undefined ? undefined : stragglerText(straggler)],
    ['job started with', overrides === undefined ? undefined : overridesText(overrides)],
    ['job link', url === undefined ? undefined : printable(url, maxChars)],
    ['job result', jsonText(result, maxChars)],
    ['job details', detailsText(details, maxChars)],
  ]
}

function printableOf(text: string | undefined): string | undefined {
  return text === undefined ? undefined : printable(text)
}

function attemptText({ attempt, uncounted, stage }: ItemRecord): string {
  // It was never in PROCESSING, as after `load --joblog`.
  if (attempt === 0 && stage === 'SUCCESS') return '0 (put as done)'
  return uncounted === 0 ? String(attempt) : `${attempt} (${uncounted} uncounted)`
}

function finishedText({ finishedAt, claimedAt }: ItemRecord): string | undefined {
  if (finishedAt === undefined) return undefined
  const took =
    claimedAt === undefined ? '' : `, ${elapsedText(Math.max(0, finishedAt - claimedAt))} after the claim`
  return `${instant(finishedAt) ?? ''}${took}`
}

/** Lines after the first are indented. */
function indented(lines: readonly string[]): string {
  return lines.join(`\n${' '.repeat(NAME_CHARS + 1)}`)
}

/** Keeps line breaks: the end of a log is hard to read in one line. */
function reasonText(reason: string | undefined, maxChars: number): string | undefined {
  return reason === undefined ? undefined : indented(printableLines(reason, maxChars))
}

function textsText(texts: readonly string[], maxChars: number): string | undefined {
  return texts.length === 0 ? undefined : indented(texts.map((text) => oneLine(text, maxChars)))
}

/** Refused sends. The field `ended` is for services only. */
function retryRows({ retryState }: ItemRecord, maxChars: number): [string, string | undefined][] {
  if (!isRecord(retryState)) return [['retry state', jsonText(retryState, maxChars)]]
  const { tries, ended: _, ...others } = retryState
  return [
    ['send tries', typeof tries === 'number' ? `${tries} refused by the worker` : undefined],
    ['retry state', Object.keys(others).length === 0 ? undefined : jsonText(others, maxChars)],
  ]
}

/**
 * One line per field, so that a long one does not cut off another, such as a link. `leftOut` has its own row.
 */
function detailsText(details: JsonValue | undefined, maxChars: number): string | undefined {
  if (!isRecord(details)) return jsonText(details, maxChars)
  const fields = Object.entries(details).filter(([name, value]) => name !== 'leftOut' || !isTexts(value))
  if (fields.length === 0) return Object.keys(details).length === 0 ? '{}' : undefined
  const width = Math.max(...fields.map(([name]) => name.length))
  const lines = fields.flatMap(([name, value]) =>
    fieldLines(name, value, maxChars).map(
      (line, at) => `${(at === 0 ? printable(name, 100) : '').padEnd(width)}  ${line}`,
    ),
  )
  return indented(lines)
}

/** Texts unchanged, one line for each of a list; fields named as instants in ISO 8601. */
function fieldLines(name: string, value: JsonValue, maxChars: number): readonly string[] {
  if (typeof value === 'string') return printableLines(value, maxChars)
  if (isTexts(value) && value.length > 0) return value.map((text) => oneLine(text, maxChars))
  const at = name.endsWith('At') && isEpochMs(value) ? instant(value) : undefined
  return [at ?? jsonText(value, maxChars) ?? '']
}

/** The year 2001: smaller numbers are no instants. */
const LEAST_EPOCH_MS = 1_000_000_000_000

function isEpochMs(value: JsonValue): value is number {
  return Number.isSafeInteger(value) && typeof value === 'number' && value >= LEAST_EPOCH_MS
}

function isTexts(value: JsonValue | undefined): value is readonly string[] {
  return Array.isArray(value) && value.every((each) => typeof each === 'string')
}

function isRecord(value: JsonValue | undefined): value is Readonly<Record<string, JsonValue>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

function historyLines(history: readonly AttemptRecord[], output: Output, maxChars: number): string[] {
  if (history.length === 0) return []
  const rows = history.map((one) => [
    one.attempt,
    instant(one.claimedAt) ?? '',
    one.endedAt === undefined ? '' : (instant(one.endedAt) ?? ''),
    one.endedAt === undefined ? '' : elapsedText(Math.max(0, one.endedAt - one.claimedAt)),
    outcomeText(one),
    one.reason === undefined ? '' : oneLine(one.reason, Math.min(maxChars, REASON_CHARS)),
  ])
  return ['', output.table(['attempt', 'claimed', 'ended', 'took', 'outcome', 'reason'], rows)]
}

function outcomeText({ outcome, unsent, failureClass, exitCode }: AttemptRecord): string {
  if (outcome === undefined) return 'running'
  if (unsent === true) return `${outcome}, never sent`
  const why = [failureClass, exitCode === undefined ? undefined : `exit ${exitCode}`].filter(
    (part) => part !== undefined,
  )
  return why.length === 0 ? outcome : `${outcome} (${printable(why.join(', '), 80)})`
}

function instant(at: number | undefined): string | undefined {
  if (at === undefined) return undefined
  const date = new Date(at)
  return Number.isNaN(date.getTime()) ? inspect(at) : date.toISOString()
}

function jsonText(value: JsonValue | undefined, maxChars: number): string | undefined {
  if (value === undefined) return undefined
  const text = printable(JSON.stringify(value))
  if (text.length <= maxChars) return text
  return `${text.slice(0, maxChars)}… (${text.length} characters; --full shows all)`
}
