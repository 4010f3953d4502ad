import { Option } from '@commander-js/extra-typings'
import { spanMs } from '../../cli/arguments.js'
import { helpNotes, type CommandContext, type Program } from '../../cli/command.js'

/** `sluice verify`: the contract against the configured store, under throw-away names. */
export function registerVerify(program: Program, context: CommandContext): void {
  program
    .command('verify')
    .description(
      "Prove the queue's contract on the configured storage, under a throw-away name; your items are not touched",
    )
    .option('--only <prefix>', 'only cases whose id starts so, such as Q-GET')
    .addOption(
      new Option('--timeout <span>', 'how long a case may take; one that takes longer is slow, not broken')
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
