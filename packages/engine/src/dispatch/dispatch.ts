import type { ItemSummary, JsonValue, QueueItem } from '@sluice/core'
import { startableNow } from '../lookups/earlier-attempt.js'
import type { Engine } from '../tick/tick.js'
import { forEachParallel } from '../parallel.js'
import { roomIn } from '../policies/dispatch-policy.js'
import { sendItem, type Sending } from '../sending/send.js'
import { giveBack, giveBackPaused, pausedReason } from './give-back.js'
import { noteCapacityOver } from '../sending/note-capacity.js'
import { probeWorker } from '../sending/probe.js'
import type { SendPass } from './send-pass.js'
import { giveUpStalled, judgeSuspects } from './set-aside.js'
import { settleAll } from '../settling/settle.js'

export interface DispatchInput {
  /** Items in PROCESSING that have no job: claimed by a process that died, or through an outage. They are in `tally.processing`. */
  readonly resends: readonly ItemSummary[]
  /** What {@link startAhead} started in this pass. */
  readonly ahead: Claimed
}

/** New items. */
export interface Claimed {
  readonly count: number
  /** There was room, and nothing could be given out. */
  readonly isAll: boolean
  /** Of them, those that failed before and are sent after the others. */
  readonly later: readonly Sending[]
}

export const NOTHING_CLAIMED: Claimed = { count: 0, isAll: false, later: [] }

/** A claim is cut to what is sent in about this time, and to what the storage claims in {@link LONGEST_CALL_MS}. */
const CLAIM_AHEAD_MS = 1_000
const LONGEST_CALL_MS = 60_000

/**
 * Starts jobs in the places that are free before anything is settled, so that the settling need not be waited for. Not while it is doubtful whether
 * the worker takes any: that would be found out only after more had been claimed for it.
 */
export async function startAhead(
  engine: Engine,
  pass: SendPass,
  { resends }: Pick<DispatchInput, 'resends'>,
): Promise<Claimed> {
  const { sendState, runtime } = engine
  const nowMs = runtime.monotonicMs()
  if (resends.some((item) => sendState.refused.maySend(item, nowMs))) return NOTHING_CLAIMED
  if (sendState.exchanges > 0 || sendState.capacity.message !== undefined) return NOTHING_CLAIMED
  return claimAndSend(engine, pass, engine.maxBatchItems)
}

/**
 * Starts jobs: first for items that were claimed earlier and have none, then for new ones, as many as the policy allows, and last for those whose
 * sends failed before, so that the others show first whether the worker takes any. Items claimed but not sent hold their places, so that no crash
 * between the claim and the send can lead over the cap.
 */
export async function dispatch(engine: Engine, pass: SendPass, input: DispatchInput): Promise<void> {
  pass.measureCapacity()
  giveUpStalled(engine, pass)
  await judgeSuspects(engine, pass)
  const due = await dueResends(engine, pass, input.resends)
  const [fresh, tried] = split(engine, due)
  const { exchanges, outage, capacity } = engine.sendState
  // While nobody knows why all sends fail, new items are tried before those that have failed.
  const isExchange = exchanges > 0 && fresh.length === 0
  const exchanged = isExchange ? await claimAndSend(engine, pass, exchanges) : NOTHING_CLAIMED
  const later = [...input.ahead.later, ...exchanged.later]
  await pass.sendsEnded()
  await sendAll(engine, pass, fresh)
  // After a refusal of all nothing more is claimed before something was sent well.
  if (outage === undefined && capacity.message === undefined) later.unshift(...tried)
  else await sendTriedBefore(engine, pass, tried)
  later.push(...(await sendNew(engine, pass, input.ahead)))
  await sendTriedBefore(engine, pass, later)
  await endPass(engine, pass)
}

/** What is claimed beyond the cap goes back: an engine that lost its lease within a claim may have claimed on top of ours. */
async function dueResends(
  engine: Engine,
  pass: SendPass,
  resends: readonly ItemSummary[],
): Promise<Sending[]> {
  const { refused } = engine.sendState
  const nowMs = engine.runtime.monotonicMs()
  const { processing, orphans } = pass.tally
  const room = roomIn(engine.policy, {
    processing: processing - resends.length,
    orphans,
    limits: pass.control.limits,
  })
  if (resends.length > room)
    await giveBack(engine, pass.tally, { items: resends.slice(room), reason: 'claimed beyond the limit' })
  const due = resends.slice(0, room).filter((item) => refused.maySend(item, nowMs))
  pass.expect(due)
  return due
    .toSorted((a, b) => refused.triedAtMs(a) - refused.triedAtMs(b) || 0)
    .map((head) => ({ head, body: () => bodyOf(engine, head), again: true }))
}

/** Looked up afresh: somebody may have moved the item by hand since the list was read, and then nothing is sent. */
async function bodyOf({ queue }: Engine, head: ItemSummary): Promise<JsonValue | undefined> {
  const item = await queue.lookup(head.id)
  const same = item?.stage === 'PROCESSING' && item.uid === head.uid && item.attempt === head.attempt
  return same ? item.body : undefined
}

/** Those that were never tried, and those whose sends have failed before, in whatever process. */
function split({ sendState: { refused } }: Engine, sendings: readonly Sending[]): [Sending[], Sending[]] {
  const { fresh = [], tried = [] } = Object.groupBy(sendings, ({ head }) =>
    refused.has(head) ? 'tried' : 'fresh',
  )
  return [fresh, tried]
}

/**
 * Claims again as soon as all that is claimed is on its way, and not when it has arrived: where sends take long, places would stand empty while the last
 * ones of each claim end.
 */
async function sendNew(engine: Engine, pass: SendPass, ahead: Claimed): Promise<Sending[]> {
  const { tally } = pass
  const later: Sending[] = []
  let { count } = ahead
  while (pass.halted === undefined && !ahead.isAll && count < engine.maxBatchItems) {
    if (!isWell(engine, pass)) await pass.sendsEnded()
    await judgeSuspects(engine, pass)
    const more = await claimAndSend(engine, pass, engine.maxBatchItems - count)
    count += more.count
    later.push(...more.later)
    // Without room: what turns out to be refused may leave some.
    if (more.count === 0 && (more.isAll || !pass.isSending)) break
    if (more.count === 0) await pass.sendsEnded()
  }
  await pass.sendsEnded()
  await judgeSuspects(engine, pass)
  // The batch was cut, not the work: the rest need not wait for the next interval.
  if (pass.halted === undefined && count >= engine.maxBatchItems && roomFor(engine, pass) > 0)
    tally.nextDelayMs = 0
  return later
}

/** The worker takes jobs, as far as this pass shows: no item is claimed for an outage that the sends under way are about to meet. */
function isWell({ sendState: { trust } }: Engine, { tally, hasSuspects }: SendPass): boolean {
  return tally.sent > 0 && !hasSuspects && !trust.isSuspect
}

/** Resolves when all sends have begun but those of `later`. */
async function claimAndSend(engine: Engine, pass: SendPass, max: number): Promise<Claimed> {
  // The poll, or the send before, may have taken long.
  await pass.controlIsCurrent()
  const wanted = Math.min(roomFor(engine, pass), max, claimSize(engine))
  if (wanted === 0 || pass.halted !== undefined || !(await engine.lease.keep())) return NOTHING_CLAIMED
  const claimedAtMs = engine.runtime.monotonicMs()
  const items = await claim(engine, pass, wanted)
  const startable = (await startableNow(engine, items)).map((item) => newSending(pass, item, claimedAtMs))
  const [fresh, later] = split(engine, startable)
  await startSends(engine, pass, fresh).begun
  return { count: items.length, isAll: items.length === 0, later }
}

function newSending({ claims }: SendPass, item: QueueItem, claimedAtMs: number): Sending {
  const body = async (): Promise<JsonValue | undefined> =>
    (await claims.isStillOurs(item, claimedAtMs)) ? item.body : undefined
  return { head: item, body, again: false }
}

async function claim(engine: Engine, pass: SendPass, wanted: number): Promise<readonly QueueItem[]> {
  const { queue, runtime, lease, sendState, memory } = engine
  const beganMs = runtime.monotonicMs()
  const held = lease.current
  const items = await queue.get(wanted, held === undefined ? {} : { lease: held })
  sendState.rates.claims.note(items.length, runtime.monotonicMs() - beganMs)
  pass.tally.claimed += items.length
  pass.tally.processing += items.length
  for (const item of items) {
    memory.noteUnsent(item)
  }
  engine.unsent.noteClaimed(items)
  pass.expect(items)
  return items
}

/** Old claims are the exception: an operator may move any of them while it waits to be sent. */
function claimSize({ sendState: { rates }, sendConcurrency: least, maxBatchItems: most }: Engine): number {
  return Math.min(
    rates.sends.countWithin(CLAIM_AHEAD_MS, { least, most, unknown: least }),
    rates.claims.countWithin(LONGEST_CALL_MS, { least, most, unknown: most }),
  )
}

function roomFor({ policy }: Engine, { tally, control }: SendPass): number {
  const { processing, orphans } = tally
  return roomIn(policy, { processing, orphans, limits: control.limits })
}

async function sendAll(engine: Engine, pass: SendPass, sendings: readonly Sending[]): Promise<void> {
  await startSends(engine, pass, sendings).ended
  await judgeSuspects(engine, pass)
}

interface Sends {
  /** Each has its place in flight, or gets none in this pass. */
  readonly begun: Promise<void>
  readonly ended: Promise<void>
}

function startSends(engine: Engine, pass: SendPass, sendings: readonly Sending[]): Sends {
  const { promise: begun, resolve } = Promise.withResolvers<void>()
  let waiting = sendings.length
  if (waiting === 0) resolve()
  const onEntered = (): void => {
    waiting -= 1
    if (waiting === 0) resolve()
  }
  const ended = measured(engine, pass, () =>
    forEachParallel(sendings, engine.sendConcurrency, (sending) =>
      sendItem(engine, pass, { ...sending, onEntered }),
    ),
  )
  pass.track(ended)
  return { begun, ended }
}

/** What other sends of the pass come to meanwhile counts too: the rate is that of the whole pass. */
async function measured(engine: Engine, pass: SendPass, work: () => Promise<void>): Promise<void> {
  const { runtime, sendState } = engine
  const [beganMs, before] = [runtime.monotonicMs(), pass.tally.sent]
  await work()
  sendState.rates.sends.note(pass.tally.sent - before, runtime.monotonicMs() - beganMs)
}

/** Where nothing else was sent that could show whether the worker takes jobs, a probe stands in for it. */
async function sendTriedBefore(engine: Engine, pass: SendPass, sendings: readonly Sending[]): Promise<void> {
  const { refused, trust, flights } = engine.sendState
  // Items at which the worker hangs must not take all places that the others need.
  if (flights.size > engine.sendConcurrency / 2) return
  const isProbed = pass.freshSends === 0 && sendings.some(({ head }) => refused.lacksSuccess(head))
  if (isProbed && pass.halted === undefined && (await probeWorker(engine, pass)) === 'well')
    trust.noteSuccess()
  await sendAll(engine, pass, sendings)
}

async function endPass(engine: Engine, pass: SendPass): Promise<void> {
  const { tally, halted, outage } = pass
  const { sendState } = engine
  // In this order: what was counted and not settled is refused again after a crash, and counts once.
  const rejected = pass.takeRejected()
  await engine.guards.record(pass.control)
  await settleAll(engine, tally, rejected)
  noteCapacityOver(engine, pass)
  sendState.noteOutage(pass)
  const standing = halted === 'retry-after' ? sendState.outage : outage
  if (standing !== undefined) tally.unavailable ??= standing
  if (halted === 'less') await giveBackSurplus(engine, pass)
  if (halted === 'guard') await giveBackPaused(engine, pass, pass.unsent)
  // What an operator wants is to be seen at once; what there is room for by it keeps its claim.
  if (halted === 'more' || (halted === 'less' && !pass.control.paused)) tally.nextDelayMs = 0
}

async function giveBackSurplus(engine: Engine, pass: SendPass): Promise<void> {
  const { unsent, control } = pass
  const items = unsent.slice(unsent.length - pass.surplus())
  const reason = control.paused ? pausedReason(control.reason) : 'not sent: the live limit was lowered'
  await giveBack(engine, pass.tally, { items, reason })
}
