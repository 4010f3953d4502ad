import { MAX_PAGE_ITEMS, STAGES, type ItemRecord, type Queue, type Stage } from '@sluice/core'
import { printable } from '../output.js'
import { countText, itemsText } from '../progress/progress-text.js'
import { stageName, wholeNumber } from './arguments.js'
import { helpNotes, type CommandContext, type Program } from './command.js'

const PAGE_ITEMS = 500
/** Wide enough for most ids, narrow enough that the reason keeps its line. */
const ID_CELLS = 44

/** `sluice ls`: items, stage by stage. */
export function registerLs(program: Program, context: CommandContext): void {
  program
    .command('ls')
    .description('List items, with --json as JSON Lines')
    .option('-s, --stage <stage>', 'only WAITING, PROCESSING, SUCCESS or FAIL', stageName)
    .option('-n, --limit <n>', 'at most so many; 0 for all', wholeNumber(0), 50)
    .addHelpText('after', helpNotes(EXAMPLES, ['OK', 'INVALID', 'CONFLICT', 'UNAVAILABLE', 'DENIED']))
    .action(async ({ stage, limit }) => {
      const queue = await context.openQueue({ reading: true })
      const wanted = limit === 0 ? Number.POSITIVE_INFINITY : limit
      await list(queue, context, { stages: stage === undefined ? STAGES : [stage], wanted })
    })
}

const EXAMPLES = ['sluice ls --stage FAIL', 'sluice ls --stage SUCCESS --limit 0 --json | jq -r .id']

interface Wanted {
  readonly stages: readonly Stage[]
  readonly wanted: number
}

async function list(queue: Queue, { output }: CommandContext, { stages, wanted }: Wanted): Promise<void> {
  let shown = 0
  for await (const item of walk(queue, stages, wanted)) {
    if (output.json) await output.write(`${JSON.stringify(item)}\n`)
    else await output.write(`${shown === 0 ? `${output.colors.bold(HEAD)}\n` : ''}${itemLine(item)}\n`)
    shown += 1
  }
  if (output.json) return
  const sizes = await queue.sizes()
  const total = stages.reduce((sum, stage) => sum + sizes[stage], 0)
  if (shown < total) output.note(`${countText(shown)} of ${itemsText(total)}; --limit 0 shows all`)
  else if (shown === 0) output.note('no items')
}

async function* walk(queue: Queue, stages: readonly Stage[], wanted: number): AsyncGenerator<ItemRecord> {
  let left = wanted
  for (const stage of stages) {
    let cursor: string | undefined
    do {
      if (left <= 0) return
      const limit = Math.min(left, PAGE_ITEMS, MAX_PAGE_ITEMS)
      const page = await queue.list(stage, { limit, ...(cursor === undefined ? {} : { cursor }) })
      yield* page.items
      left -= page.items.length
      cursor = page.cursor
    } while (cursor !== undefined)
  }
}

// Lines of fixed columns, not a table: a table would have to hold all of them to know its widths.
const HEAD = `${'stage'.padEnd(11)}${'attempt'.padEnd(9)}${'id'.padEnd(ID_CELLS)}reason`

function itemLine(item: ItemRecord): string {
  const reason = item.reason === undefined ? '' : printable(item.reason, 100)
  const id = printable(item.id).padEnd(ID_CELLS - 1)
  return `${item.stage.padEnd(11)}${String(item.attempt).padEnd(9)}${id} ${reason}`.trimEnd()
}
