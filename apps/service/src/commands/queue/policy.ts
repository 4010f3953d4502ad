import { Argument } from '@commander-js/extra-typings'
import { helpNotes, type CommandContext, type Program } from '../../cli/command.js'
import { plural } from '../../output/amounts.js'
import { printable, type Output } from '../../output/output.js'
import { liveLimitText } from '../../status/live-limits.js'
import { policyLines } from '../../status/policy-text.js'
import { readPolicy, type PolicyView } from '../../status/read-policy.js'

/** `sluice policy show`: the dispatch policy, as configured, changed live, and in force. */
export function registerPolicy(program: Program, context: CommandContext): void {
  program
    .command('policy')
    .description(
      'Show the dispatch policy: as configured here, as changed live, and as a service has it in force',
    )
    .addArgument(new Argument('<what>', 'show').choices(['show']))
    .addHelpText('after', NOTES)
    .addHelpText('after', helpNotes(EXAMPLES, ['OK', 'INVALID', 'CONFLICT', 'UNAVAILABLE', 'DENIED']))
    .action(async () => {
      const queue = await context.openQueue({ reading: true })
      const { config } = await context.config()
      const view = await readPolicy(queue, config)
      context.output.print(() => viewText(view, context.output), view)
      if (view.isDifferent) context.output.warn(DIFFERENT)
    })
}

const NOTES = `
The policy of the service that dispatches is in force, wherever it runs: it records its policy in the queue. A service that stands by
may have another configuration; its policy holds once it takes over.`

const EXAMPLES = ['sluice policy show', 'sluice policy show --json | jq .inForce']

/** A warning where two configurations differ. */
export const DIFFERENT =
  'the service that dispatches has another dispatch policy than this configuration: its policy holds'

function viewText({ queue, configured, live, changes, inForce }: PolicyView, output: Output): string {
  const rows = [
    ...policyLines(configured).map((line) => ['configured', line]),
    ...Object.entries(live).map(([name, limit]) => [
      'live',
      `${liveLimitText(name, limit)}${whoText(name, changes)}`,
    ]),
    ...inForceLines(inForce).map((line) => ['in force', line]),
  ]
  const shown = rows.map(([part = '', line = ''], index) => [part === rows[index - 1]?.[0] ? '' : part, line])
  return [output.colors.bold(printable(queue)), output.table(['', 'policy'], shown)].join('\n')
}

function whoText(name: string, changes: PolicyView['changes']): string {
  const last = changes.findLast((change) => change.name === name)
  return last === undefined ? '' : ` (${printable(last.by, 100)}, ${new Date(last.at).toISOString()})`
}

function inForceLines(inForce: PolicyView['inForce']): string[] {
  if (inForce === undefined) return ['unknown: no service dispatches']
  const { holder, policy, atMost } = inForce
  const now = atMost === undefined ? 'no limit of jobs' : `at most ${plural(atMost, 'job')}`
  return [...policyLines(policy), `now ${now}, by ${printable(holder, 100)}`]
}
