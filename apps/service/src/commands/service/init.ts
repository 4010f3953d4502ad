import { writeFile } from 'node:fs/promises'
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { Option } from '@commander-js/extra-typings'
import { CommandError } from '../../cli/command-error.js'
import { CONFIG_FILES } from '../../config/config-file.js'
import {
  configExample,
  EXAMPLE_QUEUES,
  EXAMPLE_WORKERS,
  type ExampleChoice,
} from '../../config/config-example.js'
import { helpNotes, type CommandContext, type Program } from '../../cli/command.js'

const FILE = 'sluice.config.yaml'

/** `sluice init`: a commented configuration to begin with. Asks nothing. */
export function registerInit(program: Program, context: CommandContext): void {
  program
    .command('init')
    .description(`Write a commented ${FILE} here`)
    .addOption(
      new Option('--queue <store>', 'where items are kept')
        .choices(EXAMPLE_QUEUES)
        .default('sqlite' as const),
    )
    .addOption(
      new Option('--worker <worker>', 'what runs the jobs')
        .choices(EXAMPLE_WORKERS)
        .default('process' as const),
    )
    .option('--force', 'overwrite it')
    .addHelpText(
      'after',
      helpNotes(['sluice init', 'sluice init --queue s3 --worker argo'], ['OK', 'INVALID']),
    )
    .action(async ({ force, queue, worker }) => {
      const there = CONFIG_FILES.find((name) => existsSync(join(context.cwd, name)))
      // Overwriting is for the file that is written; beside another format there would be two configurations.
      if (there !== undefined && !(force && there === FILE)) {
        const how = there === FILE ? 'Overwrite it with --force.' : 'Remove it first.'
        throw new CommandError('INVALID', `There is a configuration here already: ${there}. ${how}`)
      }
      await writeExample(join(context.cwd, FILE), configExample({ queue, worker }), force === true)
      context.output.print(`Wrote ${FILE}\n\n${nextSteps({ queue, worker })}`, { file: FILE })
    })
}

async function writeExample(path: string, text: string, force: boolean): Promise<void> {
  try {
    // Another process may have written it since we looked.
    await writeFile(path, text, { flag: force ? 'w' : 'wx' })
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error)
    throw new CommandError('INVALID', `The configuration can't be written: ${reason}`)
  }
}

/** What must be set before it works; with the defaults nothing. */
const SETTINGS: Readonly<Record<ExampleChoice['queue'] | ExampleChoice['worker'], readonly string[]>> = {
  sqlite: [],
  postgres: ['the variable DATABASE_URL'],
  s3: ['queue.bucket'],
  process: [],
  argo: ['worker.baseUrl', 'worker.namespace', 'worker.template', 'the variable ARGO_TOKEN'],
}

/** What the command, or the template, of the example takes. */
const EXAMPLE_BODIES: Readonly<Record<ExampleChoice['worker'], string>> = {
  process: `{"path": "${FILE}"}`,
  argo: '{"item": "hello", "seconds": 2}',
}

const BODY_NOTES: Readonly<Record<ExampleChoice['worker'], string>> = {
  process: '',
  argo: 'its fields are the parameters of the template; ',
}

function nextSteps({ queue, worker }: ExampleChoice): string {
  const settings = [...SETTINGS[queue], ...SETTINGS[worker]]
  const steps = [
    `Install what it names:  npm install @sluice/queue-${queue === 's3' ? 's3' : 'sql'} @sluice/worker-${worker}`,
    ...(settings.length === 0 ? [] : [`Set what is yours:      ${settings.join(', ')}`]),
    'Try what is set:        npx sluice check',
    `Put work in:            npx sluice put hello '${EXAMPLE_BODIES[worker]}'
                             (${BODY_NOTES[worker]}or a whole list: npx sluice load manifest.jsonl)`,
    'Run it:                 npx sluice run --until-empty',
    'Look:                   npx sluice show hello',
  ]
  return ['Next:', ...steps.map((step, index) => `  ${index + 1}. ${step}`)].join('\n')
}
