import { SluiceError, type ItemRecord, type Queue } from '@sluice/core'
import { isCancelled, readStragglers } from '@sluice/engine'
import { itemText, type AskedJob, type ShownItem } from '../../items/item-text.js'
import { JobAsker, jobJson } from '../../jobs/ask-jobs.js'
import { printable } from '../../output/output.js'
import { itemId } from '../../cli/arguments.js'
import { helpNotes, type CommandContext, type Program } from '../../cli/command.js'

const CUT_CHARS = 600
const EARLIER_ASKED = 3

/** `sluice show`: the full record of one item, and the worker's report on its job. */
export function registerShow(program: Program, context: CommandContext): void {
  program
    .command('show')
    .description('Show one item: stage, body, result, reason and the history of its attempts')
    .argument('<id>', 'the id; after -- if it starts with a dash', itemId)
    .option('--full', 'do not cut a long body, result or details')
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
      const straggler = await stragglerSince(item, queue, context)
      const shown: ShownItem = { item, straggler, ...(await askJob(item, context)) }
      context.output.print(() => itemText(shown, context.output, maxChars), {
        ...item,
        ...jobJson(shown.job),
        ...(straggler === undefined ? {} : { stragglerSince: straggler }),
        ...(shown.earlier === undefined ? {} : { waitsForAttempt: shown.earlier }),
      })
    })
}

/** Read only where stragglers are looked for, by this configuration. */
async function stragglerSince(
  item: ItemRecord,
  queue: Queue,
  context: CommandContext,
): Promise<number | undefined> {
  const { config } = await context.config()
  if (item.stage !== 'PROCESSING' || config.stragglers === undefined) return undefined
  return (await readStragglers(queue)).runningSince(item)
}

/** For a running job, and for a cancelled one, whose end is recorded nowhere else. */
async function askJob(item: ItemRecord, context: CommandContext): Promise<AskedJob> {
  const isAsked = item.stage === 'PROCESSING' || (item.stage === 'FAIL' && isCancelled(item, item))
  if (!isAsked) return { job: undefined }
  const asker = await JobAsker.open(context)
  const job = await asker?.one(item)
  if (asker === undefined || item.stage !== 'PROCESSING' || job?.kind !== 'none') return { job }
  const earlier = await earlierAttempt(asker, item)
  return earlier === undefined ? { job } : { job, earlier }
}

/** Asks for the few attempts before it: a job whose report was settled no longer exists. */
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
For an item in PROCESSING the worker is asked for the state of its job, what holds it up, and its link; after \`sluice cancel\`,
how the job ended, as long as the worker knows it. An unreachable worker is not an error: the rest is shown, with the reason.`

const EXAMPLES = ['sluice show tile-1', 'sluice show tile-1 --full', 'sluice show tile-1 --json | jq .result']
