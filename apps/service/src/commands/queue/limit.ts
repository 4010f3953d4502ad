import { MAX_PROCESSING_LIMIT, type Queue } from '@sluice/core'
import { CommandError } from '../../cli/command-error.js'
import { printable } from '../../output/output.js'
import { recordLiveChange } from '../../status/live-changes.js'
import { statusLimit } from '../../status/read-status.js'
import { limitText } from '../../status/status-text.js'
import { wholeNumber } from '../../cli/arguments.js'
import { helpNotes, type CommandContext, type Program } from '../../cli/command.js'

/** `sluice limit`: the live limit on unfinished jobs. */
export function registerLimit(program: Program, context: CommandContext): void {
  program
    .command('limit')
    .description('Show or set the most unfinished jobs, while services run')
    .argument('[n]', 'whole number; 0 starts no jobs', wholeNumber(0))
    .option('--reset', 'return to `processing.limit` of the configuration')
    .addHelpText('after', helpNotes(EXAMPLES, ['OK', 'INVALID', 'CONFLICT', 'UNAVAILABLE']))
    .action(async (n, { reset }) => {
      if (n !== undefined && reset) throw new CommandError('INVALID', 'Use a number or --reset, not both.')
      const wanted = reset ? null : n
      const queue = await context.openQueue({ reading: wanted === undefined })
      if (wanted !== undefined) await setLimit(queue, wanted, context)
      await printLimit(queue, context)
    })
}

const EXAMPLES = ['sluice limit', 'sluice limit 50', 'sluice limit --reset']

async function setLimit(queue: Queue, value: number | null, { output }: CommandContext): Promise<void> {
  await queue.control.setLimits({ [MAX_PROCESSING_LIMIT]: value })
  if (!(await recordLiveChange(queue, { name: MAX_PROCESSING_LIMIT, value })))
    output.warn('the limit holds, but who set it could not be recorded')
}

async function printLimit(queue: Queue, context: CommandContext): Promise<void> {
  const { config } = await context.config()
  const { limits } = await queue.control.read()
  const limit = statusLimit(limits[MAX_PROCESSING_LIMIT], config.processing.limit)
  // A service may have another configuration than this process.
  context.output.print(`${printable(queue.name)}: ${limitText(limit)}`, { limit })
}
