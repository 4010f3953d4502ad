import { spanMs, wholeNumber } from '../../cli/arguments.js'
import { helpNotes, type CommandContext, type Program } from '../../cli/command.js'

const EXAMPLES = ['sluice s3-fake', 'sluice s3-fake --port 9000 --bucket tiles --latency 20ms']
const NOTES = `
A stand-in for an S3 store, to try a configuration without one: it speaks the API as AWS does. What is put into it is in memory, and gone when it ends.
It prints a configuration that works as it stands, and what to do next.`

/** `sluice s3-fake`: a stand-in for an S3 store, until it is stopped. */
export function registerS3Fake(program: Program, context: CommandContext): void {
  program
    .command('s3-fake')
    .description('Stand in for an S3 store, to try things without a bucket')
    .option('-p, --port <n>', 'where it listens; 0 for any free port', wholeNumber(0, 65_535), 9000)
    .option('--host <address>', 'the address it listens on', '127.0.0.1')
    .option('--bucket <name>', 'the bucket that there is', 'sluice')
    .option('--access-key <id>', 'the access key it lets in', 'sluice-test-key')
    .option('--secret-key <secret>', 'its secret', 'sluice-test-secret')
    .option('--latency <span>', 'how long each request waits before it takes effect, such as 20ms', spanMs, 0)
    .addHelpText('after', NOTES)
    .addHelpText('after', helpNotes(EXAMPLES, ['OK', 'INVALID', 'CONFLICT']))
    .action(async (options) => {
      const { runS3Fake } = await import('../../fakes/run-s3-fake.js')
      await runS3Fake(options, context)
    })
}
