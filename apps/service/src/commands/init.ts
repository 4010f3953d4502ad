import { writeFile } from 'node:fs/promises'
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { CommandError } from '../command-error.js'
import { CONFIG_FILES } from '../config/config-file.js'
import { CONFIG_EXAMPLE } from '../config/config-example.js'
import { helpNotes, type CommandContext, type Program } from './command.js'

const FILE = 'sluice.config.yaml'

/** `sluice init`: a commented configuration to begin with. Asks nothing. */
export function registerInit(program: Program, context: CommandContext): void {
  program
    .command('init')
    .description(`Write a commented ${FILE} here`)
    .option('--force', 'overwrite it')
    .addHelpText('after', helpNotes(['sluice init'], ['OK', 'INVALID']))
    .action(async ({ force }) => {
      const there = CONFIG_FILES.find((name) => existsSync(join(context.cwd, name)))
      // Overwriting is for the file that is written; beside another format there would be two configurations.
      if (there !== undefined && !(force && there === FILE)) {
        const how = there === FILE ? 'Overwrite it with --force.' : 'Remove it first.'
        throw new CommandError('INVALID', `There is a configuration here already: ${there}. ${how}`)
      }
      await writeExample(join(context.cwd, FILE), force === true)
      context.output.print(`Wrote ${FILE}\n\n${NEXT_STEPS}`, { file: FILE })
    })
}

async function writeExample(path: string, force: boolean): Promise<void> {
  try {
    // Another process may have written it since we looked.
    await writeFile(path, CONFIG_EXAMPLE, { flag: force ? 'w' : 'wx' })
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error)
    throw new CommandError('INVALID', `The configuration can't be written: ${reason}`)
  }
}

const NEXT_STEPS = `Next:
  1. Install what it names:  npm install @sluice/queue-sql @sluice/worker-process
  2. Put work in:            npx sluice put hello '{"path": "${FILE}"}'
                             (or a whole list: npx sluice load manifest.jsonl)
  3. Run it:                 npx sluice run --until-empty
  4. Look:                   npx sluice show hello`
