import { writeFile } from 'node:fs/promises'
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { Option } from '@commander-js/extra-typings'
import { CommandError } from '../../cli/command-error.js'
import { IS_INSTALLED, sluiceCommand } from '../../cli/invocation.js'
import { CONFIG_FILES } from '../../config/config-file.js'
import {
  configExample,
  EXAMPLE_QUEUES,
  EXAMPLE_WORKERS,
  type ExampleChoice,
} from '../../config/config-example.js'
import { helpNotes, type CommandContext, type Program } from '../../cli/command.js'

const FILE = 'sluice.config.yaml'

/** `sluice init`: writes a commented configuration, without questions. */
export function registerInit(program: Program, context: CommandContext): void {
  program
    .command('init')
    .description(`Write a commented ${FILE} to the working directory`)
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
      // --force overwrites this file only: beside another format there would be two configurations.
      if (there !== undefined && !(force && there === FILE)) {
        const how = there === FILE ? 'Overwrite it with --force.' : 'Remove it first.'
        throw new CommandError('INVALID', `The configuration exists already: ${there}. ${how}`)
      }
      await writeExample(join(context.cwd, FILE), configExample({ queue, worker }), force === true)
      context.output.print(`Wrote ${FILE}\n\n${nextSteps({ queue, worker }, context.cwd)}`, { file: FILE })
    })
}

async function writeExample(path: string, text: string, force: boolean): Promise<void> {
  try {
    // Another process may have written it since the check.
    await writeFile(path, text, { flag: force ? 'w' : 'wx' })
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error)
    throw new CommandError('INVALID', `The configuration can't be written: ${reason}`)
  }
}

/** The settings to fill in; none with the defaults. */
const SETTINGS: Readonly<Record<ExampleChoice['queue'] | ExampleChoice['worker'], readonly string[]>> = {
  sqlite: [],
  postgres: ['the variable DATABASE_URL'],
  s3: ['queue.bucket'],
  process: [],
  argo: ['worker.baseUrl', 'worker.namespace', 'worker.template', 'the variable ARGO_TOKEN'],
}

/** A body for the example's command or template. */
const EXAMPLE_BODIES: Readonly<Record<ExampleChoice['worker'], string>> = {
  process: `{"path": "${FILE}"}`,
  argo: '{"item": "hello", "seconds": 2}',
}

const BODY_NOTES: Readonly<Record<ExampleChoice['worker'], string>> = {
  process: '',
  argo: 'its fields are the parameters of the template; ',
}

function nextSteps({ queue, worker }: ExampleChoice, cwd: string): string {
  const sluice = (args: string): string => sluiceCommand(args, cwd)
  const settings = [...SETTINGS[queue], ...SETTINGS[worker]]
  const packages = `@sluice/queue-${queue === 's3' ? 's3' : 'sql'} @sluice/worker-${worker}`
  const steps = [
    ...(IS_INSTALLED ? [`Install the packages:   npm install ${packages}`] : []),
    ...(settings.length === 0 ? [] : [`Fill in:                ${settings.join(', ')}`]),
    `Check the settings:     ${sluice('check')}`,
    `Put an item:            ${sluice(`put hello '${EXAMPLE_BODIES[worker]}'`)}
                             (${BODY_NOTES[worker]}or a whole list: ${sluice('load manifest.jsonl')})`,
    `Run it:                 ${sluice('run --until-empty')}`,
    `Show the result:        ${sluice('show hello')}`,
  ]
  return ['Next:', ...steps.map((step, index) => `  ${index + 1}. ${step}`)].join('\n')
}
