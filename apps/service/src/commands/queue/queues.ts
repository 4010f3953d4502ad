import { STAGES, type LeaseView, type StoredQueue } from '@sluice/core'
import { DISPATCHER_LEASE } from '@sluice/engine'
import { CommandError } from '../../cli/command-error.js'
import { printable, warningsOf, type Output } from '../../output/output.js'
import { countText } from '../../output/amounts.js'
import { helpNotes, type CommandContext, type Program } from '../../cli/command.js'

/** `sluice queues`: the queues of a store. */
export function registerQueues(program: Program, context: CommandContext): void {
  program
    .command('queues')
    .description('List the queues of the configured store: sizes, dispatcher, format')
    .option('--sizes', 'count the items even where that lists all of them (S3)')
    .addHelpText('after', NOTES)
    .addHelpText('after', helpNotes(EXAMPLES, ['OK', 'INVALID', 'UNAVAILABLE', 'DENIED']))
    .action(async ({ sizes }) => listQueues(context, sizes === true))
}

const EXAMPLES = ['sluice queues', 'sluice queues --sizes --json']
const NOTES = `
The store is that of \`queue\` in the configuration, whatever its \`name\`. A store that does not exist yet has no queues. States: ready;
dropping (an interrupted drop: drop it again), unreadable (another format), leftovers (objects without a queue).`

async function listQueues(context: CommandContext, sizes: boolean): Promise<void> {
  const { output } = context
  const loaded = await context.config()
  const { queue } = loaded.config
  const { loadQueueStore } = await import('../../packages/open-package.js')
  const options = { ...loaded, reading: true, brief: true, logger: warningsOf(output) }
  const { found, given, use, at } = await loadQueueStore(queue, options)
  if (found.listQueues === undefined) {
    const message = `${queue.package} can't list its queues: it exports no function listQueues.`
    throw new CommandError('INVALID', message)
  }
  const listed = await found.listQueues(given, { ...use, sizes })
  if (listed.length === 0) output.note(`no queues${at}`)
  if (output.json) for (const one of listed) await output.write(`${JSON.stringify(one)}\n`)
  else if (listed.length > 0) output.print(tableOf(listed, output), undefined)
}

const HEAD = ['queue', 'state', ...STAGES, 'dispatched by', 'stored as']

function tableOf(listed: readonly StoredQueue[], output: Output): string {
  const rows = listed.map(({ name, state, sizes, leases, format }) => [
    printable(name, 60),
    state,
    ...STAGES.map((stage) => (sizes === undefined ? '-' : countText(sizes[stage]))),
    dispatcherOf(leases),
    printable(format, 60),
  ])
  return output.table(HEAD, rows)
}

function dispatcherOf(leases: readonly LeaseView[]): string {
  const lease = leases.find(({ name }) => name === DISPATCHER_LEASE)
  return lease === undefined ? '-' : printable(lease.holder, 60)
}
