import { isSluiceError, type ItemRecord, type Queue, type SkippedItem } from '@sluice/core'
import { untilInterrupted } from '../../cli/command-error.js'
import { printable } from '../../output/output.js'
import { assertOneChoice, itemIds, spanMs } from '../../cli/arguments.js'
import { helpNotes, type CommandContext, type Program } from '../../cli/command.js'
import { moveSelected } from '../../items/bulk-move.js'
import { countSelected } from '../../items/item-selection.js'
import { itemsText } from '../../output/amounts.js'
import { countMoved, printMoved } from '../../items/moved-items.js'

/** `sluice release`: PROCESSING → WAITING. */
export function registerRelease(program: Program, context: CommandContext): void {
  program
    .command('release')
    .description('Move items in PROCESSING back to WAITING; running jobs continue')
    .argument('[ids...]', 'the items', itemIds, [])
    .option('-a, --all', 'every item in PROCESSING')
    .option('--delay <span>', 'do not start them before this time has passed, such as 30s, 5m, 2h', spanMs, 0)
    .option('-r, --reason <text>', 'why, for the history', 'released manually')
    .option('-y, --yes', 'do not ask')
    .addHelpText(
      'after',
      helpNotes(EXAMPLES, ['OK', 'INVALID', 'CONFLICT', 'UNAVAILABLE', 'REFUSED', 'INTERRUPTED']),
    )
    .action(async (ids, { all, delay, reason, yes }) => {
      assertOneChoice(ids, all === true, '--all')
      const queue = await context.openQueue()
      const release: Release = { delayMs: delay, reason }
      if (all) await unlimited(queue, release, { context, yes: yes === true })
      else await releaseIds(queue, ids, { context, release })
    })
}

const EXAMPLES = ['sluice release tile-1', 'sluice release --all --reason "cluster rebuilt"']
const WARNING =
  'Jobs that still run continue, so an item may run twice; their reports are ignored. `sluice cancel` ends jobs.'

interface Release {
  readonly delayMs: number
  readonly reason: string
}

async function releaseIds(
  queue: Queue,
  ids: readonly string[],
  { context, release }: { context: CommandContext; release: Release },
): Promise<void> {
  const skipped: SkippedItem[] = []
  const seen = new Set<string>()
  const released = await countMoved('released', async (moved) => {
    for (const id of ids) {
      const reason = seen.has(id) ? 'repeated' : await releaseOne(queue, id, release)
      seen.add(id)
      if (reason === undefined) moved.items += 1
      else skipped.push({ id, reason })
    }
  })
  if (released > 0) context.output.warn(WARNING)
  await print(queue, { released, skipped }, context)
}

/** @returns why not */
async function releaseOne(
  queue: Queue,
  id: string,
  release: Release,
): Promise<'wrong-stage' | 'not-found' | undefined> {
  try {
    await queue.release(id, release)
    return undefined
  } catch (error) {
    if (isSluiceError(error, 'SLUICE_STAGE_CONFLICT')) return 'wrong-stage'
    if (isSluiceError(error, 'SLUICE_ITEM_NOT_FOUND')) return 'not-found'
    throw error
  }
}

async function unlimited(
  queue: Queue,
  release: Release,
  { context, yes }: { context: CommandContext; yes: boolean },
): Promise<void> {
  const selection = { stage: 'PROCESSING' } as const
  const reading = { runtime: context.runtime, signal: context.interrupted() }
  const count = yes
    ? 0
    : await untilInterrupted(context, 'Interrupted: nothing was done.', () =>
        countSelected(queue, selection, reading),
      )
  if (count > 0) {
    context.output.warn(WARNING)
    await context.confirm(`Release ${itemsText(count)} of ${printable(queue.name)}?`, { yes })
  }
  const move = async (items: readonly ItemRecord[], signal: AbortSignal): Promise<number> => {
    // Checked by attempt: an item that was settled or claimed again since it was listed stays unchanged.
    const moves = items.map(({ id, attempt, uid }) => ({
      id,
      attempt,
      uid,
      stage: 'WAITING' as const,
      ...release,
    }))
    return (await queue.settle(moves, { signal })).settled
  }
  const { moved, interrupted } = await moveSelected(queue, { selection, done: 'released', move }, context)
  if (yes && moved > 0) context.output.warn(WARNING)
  await print(queue, { released: moved, skipped: [] }, context)
  if (!interrupted) return
  context.output.note('Interrupted: run the same command again for the rest.')
  context.exitWith('INTERRUPTED')
}

function print(
  queue: Queue,
  { released, skipped }: { released: number; skipped: readonly SkippedItem[] },
  context: CommandContext,
): Promise<void> {
  return printMoved(context, queue, {
    text: `Released ${itemsText(released)}`,
    json: { moved: released, skipped },
    skipped,
  })
}
