import { setTimeout as pause } from 'node:timers/promises'
import { isSluiceError, type ItemHead, type JobRef, type Queue, type Worker } from '@sluice/core'
import pMap from 'p-map'
import { CommandError, withLine } from '../command-error.js'
import { printable } from '../output.js'
import { itemsText } from '../progress/progress-text.js'
import { itemIds } from './arguments.js'
import { helpNotes, type CommandContext, type Program } from './command.js'
import { countSelected, selectPages } from './item-selection.js'
import { idsText, printMoved } from './moved-items.js'

/** `sluice cancel`: PROCESSING → FAIL by hand, and the end of the job. */
export function registerCancel(program: Program, context: CommandContext): void {
  program
    .command('cancel')
    .description('Fail items in PROCESSING by hand, and end their jobs')
    .argument('[ids...]', 'which', itemIds, [])
    .option('-a, --all', 'every item in PROCESSING')
    .option('-r, --reason <text>', 'why, for the history and the worker', 'cancelled by hand')
    .option('-y, --yes', 'do not ask')
    .addHelpText('after', NOTES)
    .addHelpText('after', helpNotes(EXAMPLES, EXITS))
    .action(async (ids, { all, reason, yes }) => {
      if ((all === true) === ids.length > 0) throw new CommandError('INVALID', 'Say which: ids, or --all.')
      const queue = await context.openQueue()
      const worker = await context.openWorker()
      const cancelling = new Cancelling(queue, worker, reason)
      if (all !== true) {
        const items = await found(queue, ids)
        await tellingCancelled(cancelling, () => cancelling.items(items))
        return print(cancelling, { ids, context })
      }
      const count = yes === true ? 0 : await countSelected(queue, { stage: 'PROCESSING' })
      if (count > 0)
        await context.confirm(`Cancel ${itemsText(count)} of ${printable(queue.name)}?`, { yes: false })
      for await (const items of selectPages(queue, { stage: 'PROCESSING' })) {
        await tellingCancelled(cancelling, () => cancelling.items(items))
        // What the worker was not told of is to be told by name: better few than all.
        if (cancelling.unreachedWhy !== undefined) break
      }
      print(cancelling, { ids: [], context })
    })
}

const EXAMPLES = ['sluice cancel tile-1', 'sluice pause && sluice cancel --all --reason "wrong template"']
const EXITS = ['OK', 'INVALID', 'CONFLICT', 'UNAVAILABLE', 'DENIED', 'REFUSED'] as const
const NOTES = `
The item goes to FAIL first, whatever its job reports later; then the worker is told to end the job. Of an item in FAIL
the job is ended if it still runs, so that a cancel that was broken off can be done again. \`sluice requeue\` sends
cancelled items back to WAITING.`

/** A service that is just sending an item has its job at the worker within this time. */
const SENDING_MS = 2_000
const CONCURRENCY = 16

/** Cancels items, and keeps count of what became of them. */
class Cancelling {
  readonly cancelled = new Set<string>()
  /** Those that were in FAIL before: only their jobs were told to end. */
  readonly again = new Set<string>()
  /** Their jobs may go on: the worker could not be told. */
  readonly unreached = new Set<string>()
  unreachedWhy: string | undefined
  readonly #queue: Queue
  readonly #reason: string
  readonly #worker: Worker

  /** @throws CommandError INVALID for a worker that can't end jobs */
  constructor(queue: Queue, worker: Worker, reason: string) {
    if (!worker.supports.cancelJob || worker.cancelJob === undefined) {
      throw new CommandError(
        'INVALID',
        'This worker can’t end jobs. `sluice release` sends the items back to WAITING and lets the jobs run on.',
      )
    }
    this.#queue = queue
    this.#worker = worker
    this.#reason = reason
  }

  /** Items in PROCESSING go to FAIL; those that moved meanwhile are left alone. */
  async items(items: readonly ItemHead[]): Promise<void> {
    const moves = items
      .filter(({ stage }) => stage === 'PROCESSING')
      .map(({ id, uid, attempt }) => ({ id, uid, attempt, stage: 'FAIL' as const, reason: this.#reason }))
    const { refused } = moves.length === 0 ? { refused: [] } : await this.#queue.settle(moves)
    const moved = new Set(refused.map(({ id }) => id))
    const jobs = items.filter(({ id }) => !moved.has(id))
    for (const { id, stage } of jobs) (stage === 'FAIL' ? this.again : this.cancelled).add(id)
    const unknown = (await pMap(jobs, (job) => this.#end(job), { concurrency: CONCURRENCY })).flat()
    if (unknown.length === 0) return
    await pause(SENDING_MS)
    await pMap(unknown, (job) => this.#end(job), { concurrency: CONCURRENCY })
  }

  /** @returns the job, if the worker knows nothing of it: it may be about to be sent */
  async #end({ id, uid, attempt }: JobRef): Promise<readonly JobRef[]> {
    const job = { id, uid, attempt }
    try {
      await this.#worker.cancelJob?.(job, this.#reason)
      if (this.#worker.lookupJob === undefined) return []
      return (await this.#worker.lookupJob(job)) === undefined ? [job] : []
    } catch (error) {
      if (!isSluiceError(error) || !error.retryable) throw error
      this.unreached.add(id)
      this.unreachedWhy = error.message
      return []
    }
  }
}

/** A cancel that breaks off has put items into FAIL whose jobs may run on: its error says so too. */
async function tellingCancelled(cancelling: Cancelling, work: () => Promise<void>): Promise<void> {
  try {
    await work()
  } catch (error) {
    const { size } = cancelling.cancelled
    if (size === 0) throw error
    throw withLine(
      error,
      `${itemsText(size)} ${size === 1 ? 'is' : 'are'} in FAIL by this; jobs may run on. Cancel the same ids again to end them: ` +
        idsText([...cancelling.cancelled]),
    )
  }
}

/** Items that a cancel is about: those in PROCESSING, and those in FAIL, whose job may have outlived an earlier cancel. */
async function found(queue: Queue, ids: readonly string[]): Promise<ItemHead[]> {
  const items = await pMap([...new Set(ids)], (id) => queue.lookup(id), { concurrency: CONCURRENCY })
  return items
    .filter((item) => item !== undefined)
    .filter(({ stage }) => stage === 'PROCESSING' || stage === 'FAIL')
}

function print(
  { cancelled, again, unreached, unreachedWhy }: Cancelling,
  { ids, context }: { ids: readonly string[]; context: CommandContext },
): void {
  const skipped = ids.filter((id) => !cancelled.has(id) && !again.has(id))
  const before =
    again.size === 0 ? '' : `; ${itemsText(again.size)} had failed before, whose jobs were told to end`
  printMoved(context, {
    text: `Cancelled ${itemsText(cancelled.size)}${before}`,
    json: { cancelled: cancelled.size, again: again.size, skipped, unreached: [...unreached] },
    skipped,
    why: 'not in PROCESSING, or unknown',
  })
  if (unreachedWhy === undefined) return
  context.output.warn(
    `The jobs of ${itemsText(unreached.size)} may run on: ${unreachedWhy}\n` +
      `Their items are in FAIL. To end the jobs, cancel the same ids again (--json names all): ${idsText([...unreached])}`,
  )
  context.exitWith('UNAVAILABLE')
}
