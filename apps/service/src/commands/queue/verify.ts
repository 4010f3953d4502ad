import { Option } from '@commander-js/extra-typings'
import { spanMs } from '../../cli/arguments.js'
import { helpNotes, type CommandContext, type Program } from '../../cli/command.js'

/** `sluice verify`: runs the contract on the configured store, under temporary names. */
export function registerVerify(program: Program, context: CommandContext): void {
  program
    .command('verify')
    .description(
      'Verify the queue contract on the configured storage, under a temporary name; your items are not touched',
    )
    .option('--only <prefix>', 'only cases with this id prefix, such as Q-GET')
    .addOption(
      new Option(
        '--timeout <span>',
        'the time for a case; one that takes longer counts as slow, not as broken',
      )
        .argParser(spanMs)
        .default(60_000, '60s'),
    )
    .addHelpText('after', helpNotes(['sluice verify', 'sluice verify --only Q-GET --json'], EXITS))
    .action(async ({ only = '', timeout }) => {
      const { verifyConfigured } = await import('../../check/verification.js')
      await verifyConfigured(context, { only, timeoutMs: Math.max(1, timeout) })
    })
}

const EXITS = ['OK', 'INVALID', 'UNAVAILABLE', 'DENIED', 'BROKEN'] as const
