import { inspect } from 'node:util'
import { SluiceError, type AttemptRecord, type ItemRecord, type JsonValue } from '@sluice/core'
import { isCancelled } from '@sluice/engine'
import { JobAsker, jobJson, type JobAnswer } from '../jobs/ask-jobs.js'
import { cancelledText, runningText } from '../jobs/job-text.js'
import { printable, type Output } from '../output.js'
import { elapsedText } from '../progress/progress-text.js'
import { itemId } from './arguments.js'
import { helpNotes, type CommandContext, type Program } from './command.js'

const CUT_CHARS = 600
const EARLIER_ASKED = 3

/** `sluice show`: all that the queue knows of one item, and what the worker says of its job. */
export function registerShow(program: Program, context: CommandContext): void {
  program
    .command('show')
    .description('Show one item: stage, body, result, reason and the history of its attempts')
    .argument('<id>', 'the id; after -- if it starts with a dash', itemId)
    .option('--full', 'the whole body, result and details, however long')
    .addHelpText('after', NOTES)
    .addHelpText('after', helpNotes(EXAMPLES, ['OK', 'INVALID', 'CONFLICT', 'UNAVAILABLE']))
    .action(async (id, { full }) => {
      const queue = await context.openQueue({ reading: true })
      const item = await queue.lookup(id)
      if (item === undefined) {
        throw new SluiceError(
          'SLUICE_ITEM_NOT_FOUND',
          `The queue ${printable(queue.name)} has no item ${printable(id, 100)}. \`sluice ls\` lists what it has.`,
          { itemId: id },
        )
      }
      const maxChars = full ? Number.POSITIVE_INFINITY : CUT_CHARS
      const shown: Shown = { item, ...(await askJob(item, context)) }
      context.output.print(() => itemText(shown, context.output, maxChars), {
        ...item,
        ...jobJson(shown.job),
        ...(shown.earlier === undefined ? {} : { waitsForAttempt: shown.earlier }),
      })
    })
}

interface Shown extends Asked {
  readonly item: ItemRecord
}

interface Asked {
  /** What the worker says of its job; absent where that is settled, or nobody is configured to know. */
  readonly job: JobAnswer | undefined
  /** An attempt before this one whose job has not ended: this one waits for that. */
  readonly earlier?: number | undefined
}

/** Of a job that runs, and of one that was told to end: how that ended stands nowhere else. */
async function askJob(item: ItemRecord, context: CommandContext): Promise<Asked> {
  const isAsked = item.stage === 'PROCESSING' || (item.stage === 'FAIL' && isCancelled(item, item))
  if (!isAsked) return { job: undefined }
  const asker = await JobAsker.open(context)
  const job = await asker?.one(item)
  if (asker === undefined || item.stage !== 'PROCESSING' || job?.kind !== 'none') return { job }
  const earlier = await earlierAttempt(asker, item)
  return earlier === undefined ? { job } : { job, earlier }
}

/** Of the few before it: one that ended by a report has no job left to find. */
async function earlierAttempt(asker: JobAsker, item: ItemRecord): Promise<number | undefined> {
  const before = item.history.filter(({ attempt }) => attempt < item.attempt).slice(-EARLIER_ASKED)
  for (const { attempt } of before.toReversed()) {
    const { id, uid } = item
    const answer = await asker.one({ id, uid, attempt })
    if (answer.kind === 'report' && answer.report.stage === 'PROCESSING') return attempt
  }
  return undefined
}

const NOTES = `
Of an item in PROCESSING the worker is asked how its job stands: what runs, what holds it up, where to look. Of one whose job
was told to end by \`sluice cancel\`, how that ended, while the worker still knows it. A worker that can't be asked is no
failure: the rest is shown, and why.`

const EXAMPLES = ['sluice show tile-1', 'sluice show tile-1 --full', 'sluice show tile-1 --json | jq .result']

function itemText({ item, job, earlier }: Shown, output: Output, maxChars: number): string {
  const rows: [string, string | undefined][] = [
    ['id', printable(item.id)],
    ['stage', item.stage],
    ['attempt', attemptText(item)],
    ['priority', item.priority === 0 ? undefined : String(item.priority)],
    ['put', instant(item.putAt)],
    ['not before', instant(item.notBeforeAt)],
    ['claimed', instant(item.claimedAt)],
    ['finished', finishedText(item)],
    // Of an item that isn't FAIL it is what an earlier attempt ended with.
    [item.stage === 'FAIL' ? 'reason' : 'last reason', reasonText(item.reason, maxChars)],
    ['class', printableOf(item.failureClass)],
    ['exit code', item.exitCode === undefined ? undefined : String(item.exitCode)],
    ['tries', jsonText(item.retryState, maxChars)],
    ['body', jsonText(item.body, maxChars)],
    ['result', jsonText(item.result, maxChars)],
    [isOver(item) ? 'details' : 'last details', detailsText(item.details, maxChars)],
    ...jobRows({ item, job, earlier }, maxChars),
    ['uid', printable(item.uid)],
    ['job uid', printableOf(item.jobUid)],
  ]
  const lines = rows.flatMap(([name, value]) =>
    value === undefined ? [] : [`${output.colors.bold(name.padEnd(11))} ${value}`],
  )
  return [...lines, ...historyLines(item.history, output, maxChars)].join('\n')
}

/** Its outcome is that of its last attempt; of an item that waits or runs it is that of the one before. */
function isOver({ stage }: ItemRecord): boolean {
  return stage === 'SUCCESS' || stage === 'FAIL'
}

function jobRows({ item, job, earlier }: Shown, maxChars: number): [string, string | undefined][] {
  if (job === undefined) return []
  if (earlier !== undefined) {
    const why = `the job of attempt ${earlier} has not ended; this attempt starts when it has`
    return [['job', `not sent yet: ${why}`]]
  }
  const text = item.stage === 'PROCESSING' ? runningText(job, maxChars) : cancelledText(job, maxChars)
  if (job.kind !== 'report') return [['job', text]]
  const { details, result, url } = job.report
  return [
    ['job', text],
    ['job link', url === undefined ? undefined : printable(url, maxChars)],
    ['job result', jsonText(result, maxChars)],
    ['job details', detailsText(details, maxChars)],
  ]
}

function printableOf(text: string | undefined): string | undefined {
  return text === undefined ? undefined : printable(text)
}

function attemptText({ attempt, refunds }: ItemRecord): string {
  return refunds === 0 ? String(attempt) : `${attempt} (${refunds} of them not counted)`
}

function finishedText({ finishedAt, claimedAt }: ItemRecord): string | undefined {
  if (finishedAt === undefined) return undefined
  const took =
    claimedAt === undefined ? '' : `, ${elapsedText(Math.max(0, finishedAt - claimedAt))} after the claim`
  return `${instant(finishedAt) ?? ''}${took}`
}

/** Its line breaks are kept, set in under the first line: the end of a log is hard to read in one line. */
function reasonText(reason: string | undefined, maxChars: number): string | undefined {
  const lines = reason?.split('\n').map((line) => printable(line, maxChars))
  return lines?.join(`\n${' '.repeat(12)}`)
}

/** A line for each field: what matters of a job, such as a link, must not be cut off for what another field holds. */
function detailsText(details: JsonValue | undefined, maxChars: number): string | undefined {
  if (typeof details !== 'object' || details === null || Array.isArray(details))
    return jsonText(details, maxChars)
  const fields = Object.entries(details)
  if (fields.length === 0) return '{}'
  const width = Math.max(...fields.map(([name]) => name.length))
  const lines = fields.map(
    ([name, value]) => `${printable(name, 100).padEnd(width)}  ${fieldText(value, maxChars)}`,
  )
  return lines.join(`\n${' '.repeat(12)}`)
}

function fieldText(value: JsonValue, maxChars: number): string {
  return typeof value === 'string' ? printable(value, maxChars) : (jsonText(value, maxChars) ?? '')
}

function historyLines(history: readonly AttemptRecord[], output: Output, maxChars: number): string[] {
  if (history.length === 0) return []
  const rows = history.map((one) => [
    one.attempt,
    instant(one.claimedAt) ?? '',
    one.endedAt === undefined ? '' : (instant(one.endedAt) ?? ''),
    one.endedAt === undefined ? '' : elapsedText(Math.max(0, one.endedAt - one.claimedAt)),
    outcomeText(one),
    one.reason === undefined ? '' : printable(one.reason, Math.min(maxChars, 120)),
  ])
  return ['', output.table(['attempt', 'claimed', 'ended', 'took', 'outcome', 'reason'], rows)]
}

function outcomeText({ outcome, unsent, failureClass, exitCode }: AttemptRecord): string {
  if (outcome === undefined) return 'runs'
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
