import { MAX_PAGE_ITEMS, type ItemHead, type JobReport, type Queue } from '@sluice/core'
import { decide, type JobFacts } from './decide.js'
import type { Engine } from './engine.js'
import { callWorker, isOutage } from './engine-errors.js'
import { countOrphans, isReportOf, reconcileOrphans, type Found } from './orphans.js'
import { forEachParallel } from './parallel.js'
import { refOf, settleAll, type DecidedSettlement } from './settle.js'
import type { Tally } from './tick-result.js'

/** What was read of queue and worker, and what was decided of all items in PROCESSING. */
export interface Findings {
  readonly found: Found
  readonly decisions: Decisions
}

interface Decisions {
  readonly settlements: DecidedSettlement[]
  readonly resends: ItemHead[]
  readonly asks: ItemHead[]
}

/** Reads what is in PROCESSING and what the worker says of it, and decides what is to be done; nothing moves. */
export async function look(engine: Engine, tally: Tally): Promise<Findings> {
  // The list is read before the poll: an item claimed and sent in between would be in the list, and look lost.
  const items = await listProcessing(engine.queue)
  tally.processing = items.size
  const awaited = [...items.values()].map(refOf)
  const reports = await callWorker('pollAllStatus', () => engine.worker.pollAllStatus(awaited))
  engine.memory.keepOnly(items.values())
  const decisions: Decisions = { settlements: [], resends: [], asks: [] }
  const canAsk = engine.worker.lookupJob !== undefined && engine.worker.supports.lookupJob
  for (const item of items.values()) {
    decideOne(engine, { item, report: reports.get(item.id), canAsk }, decisions)
  }
  await askForAbsent(engine, tally, decisions)
  const found = { items, reports }
  tally.orphans = countOrphans(found)
  return { found, decisions }
}

/** Brings the queue up to what the worker says: settles items whose jobs have ended, and tells of jobs that have no item. */
export async function reconcile(engine: Engine, tally: Tally, { found, decisions }: Findings): Promise<void> {
  await settleAll(engine, tally, decisions.settlements)
  await reconcileOrphans(engine, found)
}

async function listProcessing(queue: Queue): Promise<Map<string, ItemHead>> {
  const items = new Map<string, ItemHead>()
  let cursor: string | undefined
  do {
    const page = await queue.listHeads('PROCESSING', {
      limit: MAX_PAGE_ITEMS,
      ...(cursor === undefined ? {} : { cursor }),
    })
    for (const item of page.items) items.set(item.id, item)
    cursor = page.cursor
  } while (cursor !== undefined)
  return items
}

interface Seen {
  readonly item: ItemHead
  readonly report: JobReport | undefined
  readonly canAsk: boolean
}

function decideOne(engine: Engine, { item, report, canAsk }: Seen, decisions: Decisions): void {
  const own = ownReport(item, report)
  const nowMs = engine.clock.monotonicMs()
  engine.memory.noteReport(item, own, nowMs)
  act(engine, { item, report: own, facts: engine.memory.facts(item, nowMs, canAsk) }, decisions)
}

/** A report of another uid or attempt is a stranger's: for this item there is none. */
function ownReport(item: ItemHead, report: JobReport | undefined): JobReport | undefined {
  return report !== undefined && isReportOf(item, report) ? report : undefined
}

interface Judged {
  readonly item: ItemHead
  readonly report: JobReport | undefined
  readonly facts: JobFacts
}

function act(engine: Engine, { item, report, facts }: Judged, decisions: Decisions): void {
  const action = decide(item, { report, facts }, engine.rules)
  switch (action.kind) {
    case 'wait':
      return
    case 'ask':
      decisions.asks.push(item)
      return
    case 'resend':
      engine.memory.noteUnsent(item)
      decisions.resends.push(item)
      return
    case 'hold':
      if (engine.memory.firstHeld(item)) tellHeld(engine, item)
      return
    case 'settle':
      decisions.settlements.push({ settlement: action.settlement, why: action.lost ? 'lost' : 'reported' })
  }
}

function tellHeld(engine: Engine, item: ItemHead): void {
  engine.logger.error(
    refOf(item),
    'a job is lost; its item stays in PROCESSING until a person releases or settles it',
  )
  engine.emit({ kind: 'item-lost', job: refOf(item), policy: 'hold' })
}

/** Absence from a poll is never a failure [W-POLL-2]: the worker is asked for each missing job before anything follows from it. */
async function askForAbsent(engine: Engine, tally: Tally, decisions: Decisions): Promise<void> {
  await forEachParallel(decisions.asks, engine.sendConcurrency, async (item) => {
    // One that couldn't be asked will do: the others wait for the next tick, as this one does.
    if (tally.unavailable !== undefined) return
    try {
      await ask(engine, item, decisions)
    } catch (error) {
      if (!isOutage(error)) throw error
      engine.memory.noteAskFailed(item, engine.clock.monotonicMs())
      tally.unavailable ??= error
    }
  })
}

async function ask(engine: Engine, item: ItemHead, decisions: Decisions): Promise<void> {
  const { worker, memory, clock } = engine
  const answer = await callWorker('lookupJob', async () => worker.lookupJob?.(refOf(item)))
  const report = ownReport(item, answer)
  const nowMs = clock.monotonicMs()
  memory.noteReport(item, report, nowMs)
  const facts = { ...memory.facts(item, nowMs, true), asking: 'no-such-job' } as const
  memory.noteAsked(item, nowMs)
  act(engine, { item, report, facts }, decisions)
}
