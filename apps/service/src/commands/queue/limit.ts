import { InvalidArgumentError } from '@commander-js/extra-typings'
import { MAX_PROCESSING_LIMIT, type Queue } from '@sluice/core'
import { KEY_LIMIT, RESOURCE_LIMIT_PREFIX } from '@sluice/engine'
import { CommandError } from '../../cli/command-error.js'
import { printable } from '../../output/output.js'
import { recordLiveChanges } from '../../status/live-changes.js'
import { liveLimitText } from '../../status/live-limits.js'
import { statusLimit } from '../../status/read-status.js'
import { readService } from '../../status/service-state.js'
import { limitText } from '../../status/status-text.js'
import { wholeNumber } from '../../cli/arguments.js'
import { helpNotes, type CommandContext, type Program } from '../../cli/command.js'

/** `sluice limit`: the live limits on unfinished jobs. */
export function registerLimit(program: Program, context: CommandContext): void {
  program
    .command('limit')
    .description('Show or set the limits on unfinished jobs, while services run')
    .argument('[n]', 'the most unfinished jobs, a whole number; 0 starts no jobs', wholeNumber(0))
    .option('--resource <name=amount>', 'the most of a resource; repeatable', resourceLimit, {})
    .option('--per-key <n>', 'the most unfinished jobs of each limit key', wholeNumber(0))
    .option('--reset', 'return to the limits of the configuration')
    .addHelpText('after', helpNotes(EXAMPLES, ['OK', 'INVALID', 'CONFLICT', 'UNAVAILABLE']))
    .action(async (n, { reset, resource, perKey }) => {
      const wanted = {
        ...(n === undefined ? {} : { [MAX_PROCESSING_LIMIT]: n }),
        ...(perKey === undefined ? {} : { [KEY_LIMIT]: perKey }),
        ...resource,
      }
      const isSetting = Object.keys(wanted).length > 0
      if (isSetting && reset) throw new CommandError('INVALID', 'Use limits or --reset, not both.')
      const queue = await context.openQueue({ reading: !isSetting && !reset })
      if (isSetting) await setLimits(queue, wanted, context)
      if (reset) await setLimits(queue, await allAway(queue), context)
      await printLimits(queue, context)
    })
}

const EXAMPLES = [
  'sluice limit',
  'sluice limit 50',
  'sluice limit --resource gpu=4 --per-key 2',
  'sluice limit --reset',
]

/** `gpu=4`, by the name of its live limit. */
function resourceLimit(text: string, others: Readonly<Record<string, number>>): Record<string, number> {
  const [, name, amount] = /^([A-Za-z][A-Za-z0-9_.-]{0,63})=(\d+(?:\.\d+)?)$/u.exec(text) ?? []
  if (name === undefined)
    throw new InvalidArgumentError('It must be a name and a number of 0 or more, such as gpu=4.')
  return { ...others, [`${RESOURCE_LIMIT_PREFIX}${name}`]: Number(amount) }
}

type Limits = Readonly<Record<string, number | null>>

async function setLimits(queue: Queue, limits: Limits, { output }: CommandContext): Promise<void> {
  await queue.control.setLimits(limits)
  if (!(await recordLiveChanges(queue, limits)))
    output.warn('the limit holds, but who set it could not be recorded')
}

/** Each live limit is taken away, that of jobs in any case: it is recorded who did. */
async function allAway({ control }: Queue): Promise<Limits> {
  const names = Object.keys((await control.read()).limits)
  return Object.fromEntries([MAX_PROCESSING_LIMIT, ...names].map((name) => [name, null]))
}

async function printLimits(queue: Queue, context: CommandContext): Promise<void> {
  const { config } = await context.config()
  const [{ limits }, { service }] = await Promise.all([queue.control.read(), readService(queue)])
  const { [MAX_PROCESSING_LIMIT]: jobs, ...others } = limits
  // A service may have another configuration than this process.
  const limit = statusLimit(jobs, config.processing.limit, service.lowered)
  const lines = [limitText(limit), ...Object.entries(others).map(([name, most]) => liveLimitText(name, most))]
  context.output.print(lines.map((line) => `${printable(queue.name)}: ${line}`).join('\n'), {
    limit,
    ...(Object.keys(others).length === 0 ? {} : { otherLimits: others }),
  })
}
