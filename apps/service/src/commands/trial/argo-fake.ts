import { InvalidArgumentError, Option } from '@commander-js/extra-typings'
import { wholeNumber } from '../../cli/arguments.js'
import { helpNotes, type CommandContext, type Program } from '../../cli/command.js'

const EXAMPLES = [
  'sluice argo-fake',
  'sluice argo-fake --parallelism 20 --fail-rate 0.05',
  'sluice argo-fake --template workflow-template.yaml --port 2746',
]

const NOTES = `
A fake of an Argo Server with Kubernetes, to try a configuration without a cluster: it serves Argo's API and runs nothing. It prints
a configuration to copy, and commands to try. The parameters of the test template decide how a workflow ends: \`item\` (required; any
text), \`seconds\` (default 1) and \`mode\` (succeed, fail, error, hang), as in

  $ sluice put hello '{"item": "hello", "seconds": 2, "mode": "succeed"}'

Its state is in memory, and lost when it ends.`

/** Argo's minor versions, with the release that the fake mimics. */
const VERSIONS = {
  'v3.5': '3.5.15',
  'v3.6': '3.6.19',
  'v3.7': '3.7.18',
  'v4.0': '4.0.10',
  'v4.1': '4.1.2',
} as const
const MINORS = ['v3.5', 'v3.6', 'v3.7', 'v4.0', 'v4.1'] as const

/** `sluice argo-fake`: runs a fake Argo Server until stopped. */
export function registerArgoFake(program: Program, context: CommandContext): void {
  program
    .command('argo-fake')
    .description('Run a fake Argo Server, to try Sluice without a cluster')
    .option('-p, --port <n>', 'the port; 0 for any free port', wholeNumber(0, 65_535), 2746)
    .option('--host <address>', 'the listen address', '127.0.0.1')
    .option('--namespace <name>', 'the namespace', 'argo')
    .option('--token <token>', 'the accepted bearer token', 'sluice-test-token')
    .addOption(
      new Option('--argo-version <line>', 'the Argo version that it mimics')
        .choices(MINORS)
        .default('v4.1' as const),
    )
    .option('--template <file...>', 'YAML files with its templates (default: a test template)')
    .option('--parallelism <n>', 'the most workflows that run at once; others are Pending', wholeNumber(1))
    .option('--fail-rate <share>', 'the share of workflows that fail, in any mode', share, 0)
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
