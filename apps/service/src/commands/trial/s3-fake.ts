import { spanMs, wholeNumber } from '../../cli/arguments.js'
import { helpNotes, type CommandContext, type Program } from '../../cli/command.js'

const EXAMPLES = ['sluice s3-fake', 'sluice s3-fake --port 9000 --bucket tiles --latency 20ms']
const NOTES = `
A fake of an S3 store, to try a configuration without one: it serves the API as AWS does. Its objects are in memory, and lost when it ends.
It prints a complete configuration, and the next steps.`

/** `sluice s3-fake`: runs a fake S3 store until stopped. */
export function registerS3Fake(program: Program, context: CommandContext): void {
  program
    .command('s3-fake')
    .description('Run a fake S3 store, to try Sluice without a bucket')
    .option('-p, --port <n>', 'the port; 0 for any free port', wholeNumber(0, 65_535), 9000)
    .option('--host <address>', 'the listen address', '127.0.0.1')
    .option('--bucket <name>', 'the bucket', 'sluice')
    .option('--access-key <id>', 'the accepted access key', 'sluice-test-key')
    .option('--secret-key <secret>', 'its secret', 'sluice-test-secret')
    .option('--latency <span>', 'the delay before each request takes effect, such as 20ms', spanMs, 0)
    .addHelpText('after', NOTES)
    .addHelpText('after', helpNotes(EXAMPLES, ['OK', 'INVALID', 'CONFLICT']))
    .action(async (options) => {
      const { runS3Fake } = await import('../../fakes/run-s3-fake.js')
      await runS3Fake(options, context)
    })
}
