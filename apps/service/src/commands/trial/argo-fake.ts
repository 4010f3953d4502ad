import { InvalidArgumentError, Option } from '@commander-js/extra-typings'
import { wholeNumber } from '../../cli/arguments.js'
import { helpNotes, type CommandContext, type Program } from '../../cli/command.js'

const EXAMPLES = [
  'sluice argo-fake',
  'sluice argo-fake --parallelism 20 --fail-rate 0.05',
  'sluice argo-fake --template workflow-template.yaml --port 2746',
]

const NOTES = `
A stand-in for an Argo Server with Kubernetes behind it, to try a configuration without a cluster: it speaks the API as Argo
does, and nothing real runs. It prints a configuration to copy, and the commands to try it with. Workflows end by the parameters of
the test template: \`item\` (needed; any text), \`seconds\` (default 1) and \`mode\` (succeed, fail, error, hang), as in

  $ sluice put hello '{"item": "hello", "seconds": 2, "mode": "succeed"}'

What it knows is in memory, and gone when it ends.`

/** Minors by the release of each that the fake behaves as. */
const VERSIONS = {
  'v3.5': '3.5.15',
  'v3.6': '3.6.19',
  'v3.7': '3.7.18',
  'v4.0': '4.0.10',
  'v4.1': '4.1.2',
} as const
const MINORS = ['v3.5', 'v3.6', 'v3.7', 'v4.0', 'v4.1'] as const

/** `sluice argo-fake`: a stand-in for Argo Workflows, until it is stopped. */
export function registerArgoFake(program: Program, context: CommandContext): void {
  program
    .command('argo-fake')
    .description('Stand in for an Argo Server, to try things without a cluster')
    .option('-p, --port <n>', 'where it listens; 0 for any free port', wholeNumber(0, 65_535), 2746)
    .option('--host <address>', 'the address it listens on', '127.0.0.1')
    .option('--namespace <name>', 'the namespace that there is', 'argo')
    .option('--token <token>', 'the bearer token it lets in', 'sluice-test-token')
    .addOption(
      new Option('--argo-version <line>', 'whose behaviour it shows')
        .choices(MINORS)
        .default('v4.1' as const),
    )
    .option('--template <file...>', 'YAML with the templates that it has (default: a test template)')
    .option('--parallelism <n>', 'most workflows that run at once; the rest is Pending', wholeNumber(1))
    .option('--fail-rate <share>', 'the share of workflows that fail, whatever their mode', share, 0)
    .option('--archive', 'keep finished workflows in an archive')
    .addHelpText('after', NOTES)
    .addHelpText('after', helpNotes(EXAMPLES, ['OK', 'INVALID']))
    .action(async (options) => {
      const { runArgoFake } = await import('../../fakes/argo/run-argo-fake.js')
      await runArgoFake({ ...options, argoVersion: VERSIONS[options.argoVersion] }, context)
    })
}

function share(text: string): number {
  const value = Number(text)
  if (text.trim() !== '' && value >= 0 && value <= 1) return value
  throw new InvalidArgumentError('It must be a number from 0 to 1.')
}
