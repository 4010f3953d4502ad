import { MAX_PAGE_ITEMS, STAGES, type ItemRecord, type Queue, type Stage } from '@sluice/core'
import { JobAsker, jobJson, type JobAnswer } from '../jobs/ask-jobs.js'
import { jobLine } from '../jobs/job-text.js'
import { printable } from '../output.js'
import { countText, itemsText } from '../progress/progress-text.js'
import { stageName, wholeNumber } from './arguments.js'
import { helpNotes, type CommandContext, type Program } from './command.js'

const PAGE_ITEMS = 500
/** Wide enough for most ids, narrow enough that the reason keeps its line. */
const ID_CELLS = 44

/** `sluice ls`: items, stage by stage. */
export function registerLs(program: Program, context: CommandContext): void {
  program
    .command('ls')
    .description('List items, with --json as JSON Lines')
    .option('-s, --stage <stage>', 'only WAITING, PROCESSING, SUCCESS or FAIL', stageName)
    .option('-n, --limit <n>', 'at most so many; 0 for all', wholeNumber(0), 50)
    .addHelpText('after', NOTES)
    .addHelpText('after', helpNotes(EXAMPLES, ['OK', 'INVALID', 'CONFLICT', 'UNAVAILABLE', 'DENIED']))
    .action(async ({ stage, limit }) => {
      const queue = await context.openQueue({ reading: true })
      const wanted = limit === 0 ? Number.POSITIVE_INFINITY : limit
      await list(queue, context, { stages: stage === undefined ? STAGES : [stage], wanted })
    })
}

const NOTES = `
Of items in PROCESSING the worker is asked once how their jobs stand: what runs, what holds it up, where to look. A worker that
can't be asked is no failure.`

const EXAMPLES = ['sluice ls --stage FAIL', 'sluice ls --stage SUCCESS --limit 0 --json | jq -r .id']

interface Wanted {
  readonly stages: readonly Stage[]
  readonly wanted: number
}

async function list(queue: Queue, context: CommandContext, { stages, wanted }: Wanted): Promise<void> {
  const { output } = context
  const jobs = new RunningJobs(context)
  let shown = 0
  for await (const page of walk(queue, stages, wanted)) {
    const answers = await jobs.of(page)
    for (const item of page) {
      const job = answers.get(item.id)
      if (output.json) await output.write(`${JSON.stringify({ ...item, ...jobJson(job) })}\n`)
      else await output.write(`${shown === 0 ? `${output.colors.bold(HEAD)}\n` : ''}${itemLine(item, job)}\n`)
      shown += 1
    }
  }
  jobs.noteTrouble()
  if (output.json) return
  const sizes = await queue.sizes()
  const total = stages.reduce((sum, stage) => sum + sizes[stage], 0)
  if (shown < total) output.note(`${countText(shown)} of ${itemsText(total)}; --limit 0 shows all`)
  else if (shown === 0) output.note('no items')
}

/** What the worker says of the jobs of items in PROCESSING. It is asked when the first of them is shown. */
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

  /** Once, after the list: what is missing in it, and why. */
  noteTrouble(): void {
    if (this.#trouble !== undefined)
      this.#context.output.warn(`Not of every job is known how it stands: ${printable(this.#trouble, 300)}`)
  }
}

async function* walk(
  queue: Queue,
  stages: readonly Stage[],
  wanted: number,
): AsyncGenerator<readonly ItemRecord[]> {
  let left = wanted
  for (const stage of stages) {
    let cursor: string | undefined
    do {
      if (left <= 0) return
      const limit = Math.min(left, PAGE_ITEMS, MAX_PAGE_ITEMS)
      const page = await queue.list(stage, { limit, ...(cursor === undefined ? {} : { cursor }) })
      yield page.items
      left -= page.items.length
      cursor = page.cursor
    } while (cursor !== undefined)
  }
}

// Lines of fixed columns, not a table: a table would have to hold all of them to know its widths.
const HEAD = `${'stage'.padEnd(11)}${'attempt'.padEnd(9)}${'id'.padEnd(ID_CELLS)}reason, or how its job stands`

function itemLine(item: ItemRecord, job: JobAnswer | undefined): string {
  const last = item.reason === undefined ? '' : printable(item.reason, 100)
  const running = job === undefined ? '' : jobLine(job, 100)
  const reason = running === '' ? last : running
  const id = printable(item.id).padEnd(ID_CELLS - 1)
  return `${item.stage.padEnd(11)}${String(item.attempt).padEnd(9)}${id} ${reason}`.trimEnd()
}
