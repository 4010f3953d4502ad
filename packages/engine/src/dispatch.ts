import type { ControlState, ItemHead, JsonValue, QueueItem } from '@sluice/core'
import { startableNow } from './earlier-attempt.js'
import type { Engine } from './engine.js'
import { forEachParallel } from './parallel.js'
import { roomIn } from './release-policy.js'
import { sendItem, type SendPass } from './send.js'
import { settleAll } from './settle.js'
import type { Tally } from './tick-result.js'

export interface DispatchInput {
  /** Items in PROCESSING that have no job: claimed by a process that died, or through an outage. They are in `tally.processing`. */
  readonly resends: readonly ItemHead[]
  readonly control: ControlState
  /** What {@link startAhead} started in this pass. */
  readonly ahead: Claimed
}

/** New items. */
export interface Claimed {
  readonly items: readonly QueueItem[]
  /** Fewer came than there was room for: no more wait. */
  readonly isAll: boolean
}

export const NOTHING_CLAIMED: Claimed = { items: [], isAll: false }

/**
 * Starts jobs in the places that are free before anything is settled, so that the settling need not be waited for. Not while items wait to be
 * sent again: a worker that takes none of them would be found out only after more had been claimed for it.
 */
export async function startAhead(
  engine: Engine,
  pass: SendPass,
  { resends, control }: Omit<DispatchInput, 'ahead'>,
): Promise<Claimed> {
  if (resends.length > 0) return NOTHING_CLAIMED
  const claimed = await claim(engine, pass.tally, { control, max: engine.maxBatchItems })
  await sendAll(engine, pass, claimed.items)
  return claimed
}

/**
 * Starts jobs: first for items that were claimed earlier and have none, then for new ones, as many as the policy allows. Items
 * claimed but not sent hold their places, so that no crash between the claim and the send can lead over the cap.
 */
export async function dispatch(engine: Engine, pass: SendPass, input: DispatchInput): Promise<void> {
  await sendAgain(engine, pass, input)
  if (!pass.halted) await sendNew(engine, pass, input)
  await settleAll(engine, pass.tally, pass.rejected)
}

async function sendAgain(engine: Engine, pass: SendPass, { resends, control }: DispatchInput): Promise<void> {
  const { tally } = pass
  // The cap holds for these too: an engine that lost its lease within a claim may have claimed on top of ours.
  const processing = tally.processing - resends.length
  const room = roomIn(engine.policy, { processing, orphans: tally.orphans, limits: control.limits })
  const nowMs = engine.clock.monotonicMs()
  const due = resends.filter((item) => engine.memory.maySend(item, nowMs)).slice(0, room)
  await forEachParallel(due, engine.sendConcurrency, async (head) => {
    if (pass.halted) return
    const body = await bodyOf(engine, head)
    if (body !== undefined) await sendItem(engine, pass, { head, body, again: true })
  })
}

/** Looked up afresh: somebody may have moved the item by hand since the list was read, and then nothing is sent. */
async function bodyOf({ queue }: Engine, head: ItemHead): Promise<JsonValue | undefined> {
  const item = await queue.lookup(head.id)
  const same = item?.stage === 'PROCESSING' && item.uid === head.uid && item.attempt === head.attempt
  return same ? item.body : undefined
}

async function sendNew(engine: Engine, pass: SendPass, { control, ahead }: DispatchInput): Promise<void> {
  const { tally } = pass
  const max = engine.maxBatchItems - ahead.items.length
  const more = ahead.isAll ? NOTHING_CLAIMED : await claim(engine, tally, { control, max })
  await sendAll(engine, pass, more.items)
  // The batch was cut, not the work: the rest need not wait for the next interval.
  const count = ahead.items.length + more.items.length
  const isCut = count === engine.maxBatchItems && roomFor(engine, tally, control) > 0
  if (isCut && !pass.halted) tally.nextDelayMs = 0
}

async function sendAll(engine: Engine, pass: SendPass, items: readonly QueueItem[]): Promise<void> {
  const startable = await startableNow(engine, items)
  await forEachParallel(startable, engine.sendConcurrency, (item) =>
    sendItem(engine, pass, { head: item, body: item.body, again: false }),
  )
}

async function claim(
  engine: Engine,
  tally: Tally,
  { control, max }: { control: ControlState; max: number },
): Promise<Claimed> {
  const wanted = Math.min(roomFor(engine, tally, control), max)
  if (wanted === 0 || engine.stop.requested || !(await engine.lease.keep())) return NOTHING_CLAIMED
  const lease = engine.lease.current
  if (lease === undefined) return NOTHING_CLAIMED
  const items = await engine.queue.get(wanted, { lease })
  tally.claimed += items.length
  tally.processing += items.length
  engine.unsent.noteClaimed(items)
  for (const item of items) engine.memory.noteUnsent(item)
  return { items, isAll: items.length < wanted }
}

function roomFor({ policy }: Engine, { processing, orphans }: Tally, { limits }: ControlState): number {
  return roomIn(policy, { processing, orphans, limits })
}
