import { eachItem, type ItemRecord, type Queue, type Stage } from '@sluice/core'
import { CommandError, untilInterrupted } from '../../cli/command-error.js'
import {
  itemFilter,
  type ItemFilter,
  type ItemFilterFlags,
  type ReadOptions,
} from '../../items/item-selection.js'
import { inPages } from '../../items/pages.js'
import { ItemLines } from '../../items/item-lines.js'
import { JobAsker, jobJson, type JobAnswer } from '../../jobs/ask-jobs.js'
import { printable } from '../../output/output.js'
import { countText, itemsText } from '../../output/amounts.js'
import { pattern, spanMs, stageName, wholeNumber } from '../../cli/arguments.js'
import { helpNotes, type CommandContext, type Program } from '../../cli/command.js'
import { classOption, exitCodeOption, filterOf, groupOption } from '../../items/failure-filter.js'

const PAGE_ITEMS = 500
/**
 * Running and failed items first: these are what an operator needs, and SUCCESS is the largest in the end.
 */
const ORDER: readonly Stage[] = ['PROCESSING', 'FAIL', 'WAITING', 'SUCCESS']

/** `sluice ls`: items, stage by stage. */
export function registerLs(program: Program, context: CommandContext): void {
  program
    .command('ls')
    .description('List items, with --json as JSON Lines')
    .argument('[stage]', 'only WAITING, PROCESSING, SUCCESS or FAIL', stageName)
    .option('-s, --stage <stage>', 'the same as the argument', stageName)
    .option('-p, --prefix <text>', 'only ids with this prefix')
    .option(
      '-r, --reason <pattern>',
      'only items whose reason matches this regular expression, ignoring case',
      pattern,
    )
    .addOption(groupOption())
    .addOption(classOption())
    .addOption(exitCodeOption())
    .option('--since <span>', 'only items that came to their stage within this time, such as 1h', spanMs)
    .option('-n, --limit <n>', 'the most items; 0 for all', wholeNumber(0), 50)
    .addHelpText('after', NOTES)
    .addHelpText('after', helpNotes(EXAMPLES, EXITS))
    .action(async (argument, { stage = argument, limit, prefix, since, reason, ...failing }) => {
      if (argument !== undefined && stage !== argument)
        throw new CommandError('INVALID', `Use one stage: ${argument} or ${stage}.`)
      const wanted = limit === 0 ? Number.POSITIVE_INFINITY : limit
      const stages = stage === undefined ? ORDER : [stage]
      await untilInterrupted(context, 'Interrupted before the end of the list.', async () => {
        const queue = await context.openQueue({ reading: true })
        const reading = { stages, runtime: context.runtime, signal: context.interrupted() }
        const failures = await filterOf(queue, { ...failing, reasonMatches: reason }, reading)
        await list(queue, context, { stages, wanted, flags: { prefix, since, failures } })
      })
    })
}

const NOTES = `
The age counts from the last step: put, claimed or finished. For items in PROCESSING the worker is asked once for the state of
their jobs, what holds them up, and their links. An unreachable worker is not an error. A filter reads the stage from its
beginning until enough items match.`

const EXAMPLES = [
  'sluice ls FAIL --reason timeout --since 1h',
  'sluice ls FAIL --group 3f9a',
  'sluice ls --prefix tile/2026- --limit 0',
  'sluice ls SUCCESS --limit 0 --json | jq -r .id',
]

const EXITS = ['OK', 'INVALID', 'CONFLICT', 'UNAVAILABLE', 'DENIED', 'INTERRUPTED'] as const

interface Wanted {
  readonly stages: readonly Stage[]
  readonly wanted: number
  readonly flags: ItemFilterFlags
}

async function list(queue: Queue, context: CommandContext, { stages, wanted, flags }: Wanted): Promise<void> {
  const { output, runtime } = context
  const signal = context.interrupted()
  const jobs = new RunningJobs(context)
  const now = await queue.now()
  const filter = itemFilter(flags, now)
  const lines = new ItemLines({ output, now })
  const seen: Seen = { shown: 0, read: 0 }
  for await (const page of walk(queue, { stages, wanted, filter, seen, runtime, signal })) {
    const answers = await jobs.of(page)
    const jsonLine = (item: ItemRecord): string =>
      JSON.stringify({ ...item, ...jobJson(answers.get(item.id)) })
    for (const line of output.json ? page.map(jsonLine) : lines.of(page, answers))
      await output.write(`${line}\n`, signal)
    signal.throwIfAborted()
  }
  jobs.noteTrouble()
  if (output.json) return
  if (filter !== undefined) return noteFiltered(context, seen, wanted)
  const sizes = await queue.sizes()
  const total = stages.reduce((sum, stage) => sum + sizes[stage], 0)
  if (seen.shown < total) output.note(`${countText(seen.shown)} of ${itemsText(total)}; --limit 0 shows all`)
  else if (seen.shown === 0) output.note('no items')
}

function noteFiltered({ output }: CommandContext, { shown, read }: Seen, wanted: number): void {
  const scanned = `${itemsText(read)} read`
  if (shown === 0) return output.note(`no item matches; ${scanned}`)
  const more = shown >= wanted ? '; there may be more: --limit 0 shows all' : ''
  output.note(`${countText(shown)} match, ${scanned}${more}`)
}

/** The worker's reports on items in PROCESSING. It is asked when the first of them is shown. */
class RunningJobs {
  readonly #context: CommandContext
  #asker: Promise<JobAsker | undefined> | undefined
  #trouble: string | undefined

  constructor(context: CommandContext) {
    this.#context = context
  }

  async of(items: readonly ItemRecord[]): Promise<ReadonlyMap<string, JobAnswer>> {
    const running = items.filter(({ stage }) => stage === 'PROCESSING')
    if (running.length === 0) return new Map()
    this.#asker ??= JobAsker.open(this.#context)
    const answers = (await (await this.#asker)?.many(running)) ?? new Map<string, JobAnswer>()
    for (const answer of answers.values()) if (answer.kind === 'unasked') this.#trouble ??= answer.why
    return answers
  }

  /** Once, after the list: why some job states are missing. */
  noteTrouble(): void {
    if (this.#trouble !== undefined)
      this.#context.output.warn(`The state of some jobs is unknown: ${printable(this.#trouble, 300)}`)
  }
}

interface Seen {
  shown: number
  /** Shown or not. */
  read: number
}

interface Walk extends Pick<Wanted, 'stages' | 'wanted'>, ReadOptions {
  readonly filter: ItemFilter | undefined
  readonly seen: Seen
}

async function* walk(
  queue: Queue,
  { stages, wanted, filter, seen, runtime, signal }: Walk,
): AsyncGenerator<readonly ItemRecord[]> {
  for (const stage of stages) {
    if (seen.shown >= wanted) return
    const pageItems = filter === undefined ? Math.min(wanted - seen.shown, PAGE_ITEMS) : PAGE_ITEMS
    const reading = { pageItems, ...(signal !== undefined && { signal }) }
    for await (const page of inPages(eachItem(queue, stage, reading), { ...reading, runtime })) {
      const items = (filter === undefined ? page : page.filter(filter)).slice(0, wanted - seen.shown)
      seen.read += page.length
      seen.shown += items.length
      if (items.length > 0) yield items
      if (seen.shown >= wanted) return
    }
  }
}
