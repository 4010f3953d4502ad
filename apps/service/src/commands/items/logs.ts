import { InvalidArgumentError } from '@commander-js/extra-typings'
import { SluiceError, isSluiceError, type ItemRecord, type Queue, type Worker } from '@sluice/core'
import { CommandError, messageOf, withLine } from '../../cli/command-error.js'
import { attemptsToRead, whereKept } from '../../jobs/log/attempt-logs.js'
import { logWriter } from '../../jobs/log/log-writer.js'

import { oneLine, printable } from '../../output/output.js'
import { itemId, wholeNumber } from '../../cli/arguments.js'
import { helpNotes, type CommandContext, type Program } from '../../cli/command.js'

interface LogsFlags {
  readonly attempt?: number
  readonly follow?: true
  readonly tail?: number
  readonly raw?: true
}

/** `sluice logs`: the output of an item's job. */
export function registerLogs(program: Program, context: CommandContext): void {
  program
    .command('logs')
    .description('Show the output of an item’s job, while it runs and afterwards')
    .argument('<id>', 'the id; after -- if it starts with a dash', itemId)
    .option('-a, --attempt <n>', 'the attempt (default: the latest with a log)', wholeNumber(1))
    .option('-f, --follow', 'follow the output until the job ends')
    .option('-t, --tail <bytes>', 'only the last bytes, such as 4096, 64k or 1m', byteCount)
    .option('--raw', 'keep control sequences on a terminal')
    .addHelpText('after', NOTES)
    .addHelpText('after', helpNotes(EXAMPLES, EXITS))
    .action(async (id, flags) => {
      const signal = context.interrupted()
      try {
        await showLog(id, flags, context)
      } catch (error) {
        // An aborted read rejects with the signal's reason.
        if (!signal.aborted) throw error
        context.exitWith('INTERRUPTED')
      }
    })
}

const NOTES = `
The bytes go to stdout unchanged, notes to stderr. On a terminal control sequences are removed, unless --raw is set. With --json
each chunk is a line {"attempt", "text"}; the texts together are the log.

The worker stores the log: worker-process keeps stdout, then stderr, on the machine of the job; Argo has the log of a workflow's
pods as long as the pods exist. Exit code 3: no such item, or no log, and why; 2: the worker does not support logs.`

const EXAMPLES = [
  'sluice logs tile-1',
  'sluice logs tile-1 --follow --tail 64k',
  'sluice logs tile-1 --attempt 1',
]
const EXITS = ['OK', 'INVALID', 'CONFLICT', 'UNAVAILABLE', 'DENIED', 'INTERRUPTED'] as const

const UNIT_BYTES: Readonly<Record<string, number>> = { '': 1, k: 1_024, m: 1_048_576, g: 1_073_741_824 }

function byteCount(text: string): number {
  const [, digits = '', unit = ''] = /^(\d{1,12})([kmg]?)$/iu.exec(text) ?? []
  const bytes = Number(digits) * (UNIT_BYTES[unit.toLowerCase()] ?? 0)
  if (digits !== '' && Number.isSafeInteger(bytes)) return bytes
  throw new InvalidArgumentError('It must be a number of bytes, such as 4096, 64k or 1m.')
}

async function showLog(id: string, flags: LogsFlags, context: CommandContext): Promise<void> {
  const queue = await context.openQueue({ reading: true })
  const item = await queue.lookup(id)
  if (item === undefined) {
    const message = `The queue ${printable(queue.name)} has no item ${printable(id, 100)}. \`sluice ls\` lists what it has.`
    throw new SluiceError('SLUICE_ITEM_NOT_FOUND', message, { itemId: id })
  }
  if (NEVER_SENT.has(item.failureClass ?? '') && item.stage === 'FAIL' && item.attempt === 1) {
    const why = item.reason === undefined ? '' : `: ${oneLine(item.reason, 300)}`
    throw new CommandError('CONFLICT', `No job was started for item ${printable(id, 100)}${why}`)
  }
  const attempts = attemptsToRead(item, flags.attempt)
  const worker = await context.openWorker()
  if (worker.readLog === undefined || worker.supports.readLog !== true) throw await unable(context)
  await showFirst({ item, queue, worker, flags, context }, attempts)
}

/** Classes of failures before a job was sent. */
const NEVER_SENT: ReadonlySet<string> = new Set(['rejected', 'unsendable', 'invalid-body'])

interface LogRequest {
  readonly item: ItemRecord
  readonly queue: Queue
  readonly worker: Worker
  readonly flags: LogsFlags
  readonly context: CommandContext
}

/**
 * Shows the first of these attempts with a log. @throws the worker's error for the first one, where none has
 * a log
 */
async function showFirst(request: LogRequest, attempts: readonly number[]): Promise<void> {
  const { item, context } = request
  let first: { readonly attempt: number; readonly error: SluiceError } | undefined
  for (const attempt of attempts) {
    const absent = await showAttempt(request, attempt, () => {
      if (first !== undefined)
        context.output.note(`${messageOf(first.error)}\nThis is the log of attempt ${attempt}:`)
    })
    if (absent === undefined) return
    first ??= { attempt, error: absent }
  }
  if (first === undefined) throw new TypeError('there is no attempt to read')
  const where = await whereKept(item, first.attempt, request)
  throw where === undefined ? first.error : withLine(first.error, where)
}

/** @returns the error of a worker without this log, before anything was written @throws every other error */
async function showAttempt(
  { item, worker, flags, context }: LogRequest,
  attempt: number,
  onFound: () => void,
): Promise<SluiceError | undefined> {
  const { output } = context
  const { follow = false, tail, raw = false } = flags
  const signal = context.interrupted()
  const { id, uid } = item
  const options = { signal, follow, ...(tail === undefined ? {} : { tailBytes: tail }) }
  const writer = logWriter({ output, attempt, raw, signal })
  try {
    for await (const chunk of worker.readLog?.({ id, uid, attempt }, options) ?? []) {
      if (writer.bytes === 0) onFound()
      await writer.write(chunk)
    }
  } catch (error) {
    if (isSluiceError(error, 'SLUICE_ITEM_NOT_FOUND') && writer.bytes === 0) return error
    // Buffered output belongs before the error.
    if (!signal.aborted) await writer.end()
    throw error
  }
  if (writer.bytes === 0) onFound()
  await writer.end()
  if (writer.bytes === 0 && tail !== 0) output.note(silentText(item, attempt))
  return undefined
}

function silentText({ id, stage, attempt: current }: ItemRecord, attempt: number): string {
  const isRunning = stage === 'PROCESSING' && attempt === current
  return `The job of ${printable(id, 100)}, attempt ${attempt}, ${isRunning ? 'has written no output yet' : 'wrote no output'}.`
}

async function unable(context: CommandContext): Promise<CommandError> {
  const { config } = await context.config()
  const name = printable(config.worker?.package ?? '', 200)
  return new CommandError(
    'INVALID',
    `The worker ${name} does not support logs. \`sluice show ID\` has its report on a job, and the link.`,
  )
}
