import type { ItemSummary, QueueItem } from '@sluice/core'
import { startableNow } from '../lookups/earlier-attempt.js'
import type { Tick } from '../tick/tick.js'
import { forEachParallel } from '../parallel.js'
import { roomForClaimed, roomForNew } from '../policies/rooms.js'
import { placesOf, roomNow } from './room.js'
import { sendBatch, type SendBody, type Sending } from '../sending/send.js'
import { giveBack, giveBackPaused, pausedReason } from './give-back.js'
import { startableOf, withoutMisfits } from '../selection/misfits.js'
import { noteCapacityOver } from '../sending/note-capacity.js'
import { probeWorker } from '../sending/probe.js'
import { NOTHING_SELECTED, type SelectedItems } from '../selection/selector.js'
import type { SendPass } from './send-pass.js'
import { giveUpStalled, judgeSuspects } from './set-aside.js'
import { isAwaiting, settleAll } from '../settling/settle.js'

export interface DispatchInput {
  /**
   * Items in PROCESSING without a job: claimed by a process that died, or in an outage. `tally.processing`
   * counts them.
   */
  readonly resends: readonly ItemSummary[]
  /** The claims of {@link startAhead} in this pass. */
  readonly ahead: Claimed
}

/** New items. */
export interface Claimed {
  readonly count: number
  /** There was room, and nothing could be given out. */
  readonly isAll: boolean
  /** Those of them that failed before, and are sent after the others. */
  readonly later: readonly Sending[]
}

export const NOTHING_CLAIMED: Claimed = { count: 0, isAll: false, later: [] }

/**
 * A claim is limited to what is sent in about this time, and to what the storage claims in
 * {@link LONGEST_CALL_MS}.
 */
const CLAIM_AHEAD_MS = 1_000
const LONGEST_CALL_MS = 60_000
/** Each tick polls the worker: a rate of many small windows must not bring one for each. */
const LEAST_RATE_WAIT_MS = 250

/**
 * Starts jobs in the places that are free before anything is settled, in parallel with the settling. Not
 * while it is doubtful whether the worker accepts any: more would be claimed before that is known.
 */
export async function startAhead(
  tick: Tick,
  pass: SendPass,
  { resends }: Pick<DispatchInput, 'resends'>,
): Promise<Claimed> {
  const { sendState, runtime } = tick
  const nowMonotonic = runtime.monotonicMs()
  if (resends.some((item) => sendState.refused.maySend(item, nowMonotonic))) return NOTHING_CLAIMED
  if (sendState.exchanges > 0 || sendState.capacity.message !== undefined) return NOTHING_CLAIMED
  return claimAndSend(tick, pass, tick.maxBatchItems)
}

/**
 * Starts jobs: first for items that were claimed earlier and have none, then for new ones, as many as the
 * policy allows, and last for those whose sends failed before, so that the others show first whether the
 * worker accepts any. Items claimed but not sent take places, so that no crash between the claim and the send
 * can exceed the cap.
 */
export async function dispatch(tick: Tick, pass: SendPass, input: DispatchInput): Promise<void> {
  pass.measureCapacity()
  giveUpStalled(tick, pass)
  await judgeSuspects(tick, pass)
  const due = await dueResends(tick, pass, input.resends)
  const [fresh, tried] = split(tick, due)
  const { exchanges, outage, capacity } = tick.sendState
  // While it is unknown why all sends fail, new items are tried before those that have failed.
  const isExchange = exchanges > 0 && fresh.length === 0
  const exchanged = isExchange ? await claimAndSend(tick, pass, exchanges) : NOTHING_CLAIMED
  const later = [...input.ahead.later, ...exchanged.later]
  await pass.sendsEnded()
  await sendAll(tick, pass, fresh)
  // After a pass without a success, nothing more is claimed before a send succeeds.
  if (outage === undefined && capacity.message === undefined) later.unshift(...tried)
  else await sendTriedBefore(tick, pass, tried)
  later.push(...(await sendNew(tick, pass, input.ahead)))
  await sendTriedBefore(tick, pass, later)
  await endPass(tick, pass)
}

/** Claims beyond the cap go back: an engine that lost its lease within a claim may have added them. */
async function dueResends(tick: Tick, pass: SendPass, resends: readonly ItemSummary[]): Promise<Sending[]> {
  const { refused } = tick.sendState
  const nowMonotonic = tick.runtime.monotonicMs()
  const { processing, orphans } = tick.tally
  const room = roomForClaimed(tick, {
    processing: processing - resends.length,
    orphans,
    limits: pass.control.limits,
  })
  if (resends.length > room)
    await giveBack(tick, { items: resends.slice(room), reason: 'claimed beyond the limit' })
  const fitting = withoutMisfits(tick, pass, resends.slice(0, room))
  const pressed = tick.backpressure.room(processing - resends.length + orphans)
  const due = fitting.slice(0, pressed).filter((item) => refused.maySend(item, nowMonotonic))
  pass.keep(fitting.length - due.length)
  pass.expect(due)
  return due
    .toSorted((a, b) => refused.triedAtMonotonic(a) - refused.triedAtMonotonic(b) || 0)
    .map((item) => ({ item, body: () => storedBody(tick, item), again: true }))
}

/**
 * Looked up again: an operator may have moved the item since the list was read, and then nothing is sent.
 * What is stored was not checked yet.
 */
async function storedBody({ queue, logger, reported }: Tick, item: ItemSummary): Promise<SendBody> {
  const found = await queue.lookup(item.id)
  if (found === undefined || !isAwaiting(found, item)) return 'moved'
  if (queue.parseBody === undefined) return { body: found.body }
  try {
    const parsed = await queue.parseBody(found.body)
    reported.schemaFailing = false
    return parsed
  } catch (error) {
    if (!(error instanceof TypeError)) throw error
    noteSchemaFailed({ logger, reported }, error)
    return 'unknown'
  }
}

/** Nothing is settled for it: the next tick tries again. */
function noteSchemaFailed({ logger, reported }: Pick<Tick, 'logger' | 'reported'>, error: TypeError): void {
  const level = reported.schemaFailing ? 'debug' : 'error'
  reported.schemaFailing = true
  logger[level]({ err: error }, 'the schema of the bodies failed: items are not sent until it works')
}

/** Those that were never tried, and those whose sends have failed before, in any process. */
function split({ sendState: { refused } }: Tick, sendings: readonly Sending[]): [Sending[], Sending[]] {
  const { fresh = [], tried = [] } = Object.groupBy(sendings, ({ item }) =>
    refused.has(item) ? 'tried' : 'fresh',
  )
  return [fresh, tried]
}

/**
 * Claims again as soon as all sends have begun, not when they have ended: where sends take long, places would
 * stay empty during the last ones of each claim.
 */
async function sendNew(tick: Tick, pass: SendPass, ahead: Claimed): Promise<Sending[]> {
  const later: Sending[] = []
  let { count } = ahead
  while (pass.halted === undefined && !ahead.isAll && count < tick.maxBatchItems) {
    if (!isWell(tick, pass)) await pass.sendsEnded()
    await judgeSuspects(tick, pass)
    const more = await claimAndSend(tick, pass, tick.maxBatchItems - count)
    count += more.count
    later.push(...more.later)
    // Without room: refused sends may leave some.
    if (more.count === 0 && (more.isAll || !pass.isSending)) break
    if (more.count === 0) await pass.sendsEnded()
  }
  await pass.sendsEnded()
  await judgeSuspects(tick, pass)
  // Only the batch ended, not the work: the rest does not wait for the interval.
  if (pass.halted === undefined && count >= tick.maxBatchItems && roomFor(tick, pass) > 0)
    tick.tally.nextDelayMs = 0
  return later
}

/**
 * The worker accepts jobs, as far as this pass shows: nothing is claimed into an outage that the sends under
 * way are about to meet.
 */
function isWell({ sendState: { trust }, tally }: Tick, { hasSuspects }: SendPass): boolean {
  return tally.sent > 0 && !hasSuspects && !trust.isSuspect
}

/** Resolves when all sends but those of `later` have begun. */
async function claimAndSend(tick: Tick, pass: SendPass, max: number): Promise<Claimed> {
  // The poll, or the previous send, may have taken long.
  await pass.controlIsCurrent()
  const wanted = Math.min(roomFor(tick, pass), max, claimSize(tick))
  if (wanted === 0 || pass.halted !== undefined || !(await tick.lease.keep())) return NOTHING_CLAIMED
  if (tick.claimLog !== undefined) {
    // Before the claims: a process that dies in between must not leave any that are not recorded.
    await tick.claimLog.reserve(wanted)
    if (pass.halted !== undefined) return NOTHING_CLAIMED
  }
  const claimedAtMonotonic = tick.runtime.monotonicMs()
  const items = await claim(tick, pass, wanted)
  // What a policy chooses may fit once more jobs have ended.
  if (items.length === 0) return { ...NOTHING_CLAIMED, isAll: tick.selector === undefined }
  const startable = (await startableNow(tick, items)).map((item) =>
    newSending(pass, item, claimedAtMonotonic),
  )
  const [fresh, later] = split(tick, startable)
  await startSends(tick, pass, fresh).begun
  return { count: items.length, isAll: false, later }
}

function newSending({ claims }: SendPass, item: QueueItem<unknown>, claimedAtMonotonic: number): Sending {
  const body = async (): Promise<SendBody> =>
    (await claims.isStillOurs(item, claimedAtMonotonic)) ? { body: item.body } : 'moved'
  return { item, body, again: false }
}

async function claim(tick: Tick, pass: SendPass, wanted: number): Promise<readonly QueueItem<unknown>[]> {
  const { runtime, sendState, memory } = tick
  const beganAtMonotonic = runtime.monotonicMs()
  const claimed = await claimItems(tick, pass, wanted)
  const { items } = claimed
  sendState.rates.claims.note(items.length, runtime.monotonicMs() - beganAtMonotonic)
  tick.tally.claimed += items.length
  tick.tally.processing += items.length
  for (const item of items) {
    memory.noteUnsent(item)
  }
  tick.unsent.noteClaimed(items)
  pass.expect(items)
  return startableOf(tick, pass, claimed)
}

/** Claims that a policy counts are counted by the items that were claimed, those that can never start too. */
async function claimItems(tick: Tick, pass: SendPass, wanted: number): Promise<SelectedItems> {
  const { claimLog } = tick
  if (claimLog === undefined) return getItems(tick, pass, wanted)
  let claimed = NOTHING_SELECTED
  await claimLog.counted(wanted, async () => {
    claimed = await getItems(tick, pass, wanted)
    return claimed.items
  })
  return claimed
}

/** Where the schema of the bodies fails, the queue has given back what it had claimed. */
async function getItems(tick: Tick, { control }: SendPass, wanted: number): Promise<SelectedItems> {
  const { queue, lease, reported, selector, guards } = tick
  const held = lease.current === undefined ? {} : { lease: lease.current }
  try {
    const claimed =
      selector === undefined
        ? { ...NOTHING_SELECTED, items: await queue.get(wanted, held) }
        : await selector.claim({ room: wanted, limits: control.limits, ...held })
    if (claimed.items.length > 0) reported.schemaFailing = false
    guards.noteClaimed(claimed.items.length)
    return claimed
  } catch (error) {
    if (queue.parseBody === undefined || !(error instanceof TypeError)) throw error
    noteSchemaFailed(tick, error)
    return NOTHING_SELECTED
  }
}

/** Keeps claims young: an operator may move any of them while it waits to be sent. */
function claimSize({
  sendState: { rates },
  sendConcurrency,
  maxJobsPerSend,
  maxBatchItems: most,
}: Tick): number {
  const least = Math.max(sendConcurrency, maxJobsPerSend)
  return Math.min(
    rates.sends.countWithin(CLAIM_AHEAD_MS, { least, most, unknown: least }),
    rates.claims.countWithin(LONGEST_CALL_MS, { least, most, unknown: most }),
  )
}

function roomFor(tick: Tick, { control }: SendPass): number {
  const room = roomNow(tick, control)
  return room === 0 ? 0 : Math.min(room, tick.guards.admission(tick.tally.processing).room)
}

async function sendAll(tick: Tick, pass: SendPass, sendings: readonly Sending[]): Promise<void> {
  await startSends(tick, pass, sendings).ended
  await judgeSuspects(tick, pass)
}

interface Sends {
  /** Each has its place in flight, or gets none in this pass. */
  readonly begun: Promise<void>
  readonly ended: Promise<void>
}

function startSends(tick: Tick, pass: SendPass, sendings: readonly Sending[]): Sends {
  const { promise: begun, resolve } = Promise.withResolvers<void>()
  let waiting = sendings.length
  if (waiting === 0) resolve()
  const onEntered = (): void => {
    waiting -= 1
    if (waiting === 0) resolve()
  }
  const entering = sendings.map((sending) => ({ ...sending, onEntered }))
  const ended = measured(tick, () =>
    forEachParallel(batchesOf(tick, entering), tick.sendConcurrency, (batch) => sendBatch(tick, pass, batch)),
  )
  pass.track(ended)
  return { begun, ended }
}

/** Those that are sent by one call each, in order. */
function batchesOf(
  { maxJobsPerSend, sendState }: Tick,
  sendings: readonly Sending[],
): (readonly Sending[])[] {
  const batches: Sending[][] = []
  let open: Sending[] | undefined
  for (const sending of sendings) {
    const isAlone = maxJobsPerSend === 1 || sendState.refused.isAlone(sending.item)
    if (open === undefined || isAlone || open.length >= maxJobsPerSend) {
      const batch = [sending]
      batches.push(batch)
      if (!isAlone) open = batch
    } else open.push(sending)
  }
  return batches
}

/** Other sends of the pass count too: the rate is that of the whole pass. */
async function measured(tick: Tick, work: () => Promise<void>): Promise<void> {
  const { runtime, sendState } = tick
  const [beganAtMonotonic, before] = [runtime.monotonicMs(), tick.tally.sent]
  await work()
  sendState.rates.sends.note(tick.tally.sent - before, runtime.monotonicMs() - beganAtMonotonic)
}

/** Where no other send could show whether the worker accepts jobs, a probe does. */
async function sendTriedBefore(tick: Tick, pass: SendPass, sendings: readonly Sending[]): Promise<void> {
  const { refused, trust, flights } = tick.sendState
  // Items at which the worker hangs must not take all places.
  if (flights.size > (tick.sendConcurrency * tick.maxJobsPerSend) / 2) return
  const isProbed = pass.freshSends === 0 && sendings.some(({ item }) => refused.lacksSuccess(item))
  if (isProbed && pass.halted === undefined && (await probeWorker(tick, pass)) === 'well') trust.noteSuccess()
  await sendAll(tick, pass, sendings)
}

async function endPass(tick: Tick, pass: SendPass): Promise<void> {
  const { halted, outage } = pass
  const { sendState } = tick
  // In this order: after a crash, a refusal that was counted and not settled occurs again, and counts once.
  const rejected = pass.takeRejected()
  await tick.guards.record(pass.control)
  await settleAll(tick, rejected)
  await tick.guards.noteEnd(tick.tally.processing)
  noteCapacityOver(tick, pass)
  noteRateWait(tick, pass)
  if (outage !== undefined && pass.isPuzzling) tick.backpressure.noteRefused(outage)
  tick.backpressure.endPass(tick.tally.sent, () => placesOf(tick, pass))
  sendState.noteOutage(pass)
  const standing = halted === 'retry-after' ? sendState.outage : outage
  if (standing !== undefined) tick.tally.unavailable ??= standing
  if (halted === 'less') await giveBackSurplus(tick, pass)
  if (halted === 'guard') await giveBackPaused(tick, pass, pass.unsent)
  // A change of the control takes effect at once; claims within the new limit are kept.
  if (halted === 'more' || (halted === 'less' && !pass.control.paused)) tick.tally.nextDelayMs = 0
}

/** Where a rate has room again before the interval is over, the next tick comes then. */
function noteRateWait(tick: Tick, { control }: SendPass): void {
  if (tick.claimLog === undefined) return
  const { processing, orphans } = tick.tally
  const { room, holdup } = roomForNew(tick, { processing, orphans, limits: control.limits })
  if (room === 0 && holdup?.code === 'rate' && holdup.forMs !== undefined)
    tick.tally.nextDelayMs = Math.max(holdup.forMs, LEAST_RATE_WAIT_MS)
}

async function giveBackSurplus(tick: Tick, pass: SendPass): Promise<void> {
  const { unsent, control } = pass
  const items = unsent.slice(unsent.length - pass.surplus())
  const reason = control.paused ? pausedReason(control.reason) : 'not sent: the live limit was lowered'
  await giveBack(tick, { items, reason })
}
