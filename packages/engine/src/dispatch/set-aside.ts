import { SluiceError, type ItemSummary } from '@sluice/core'
import type { Tick } from '../tick/tick.js'
import { forEachParallel } from '../parallel.js'
import { refOf, type DecidedSettlement } from '../settling/settle.js'
import { noteSent } from '../sending/send.js'
import { askForJob, settleUnsent } from './known-unsent.js'
import type { SendPass, Suspect } from './send-pass.js'
import { answerOf, setAside, unsendable } from '../settling/send-settlements.js'

/**
 * Decides about the items whose sends failed, once the sends around them have ended. In an outage they keep
 * their claims. Else each is looked up: an item without a job goes back to WAITING with a delay, or fails
 * after enough tries; one that can't be looked up keeps its place, and is tried again.
 */
export async function judgeSuspects(tick: Tick, pass: SendPass): Promise<void> {
  const suspects = pass.takeSuspects()
  const judged = pass.outage === undefined ? suspects : keepClaims(tick, pass, suspects)
  const decided: DecidedSettlement[] = []
  await forEachParallel(judged, tick.sendConcurrency, async (one) => {
    const settlement = await judge(tick, pass, one)
    if (settlement !== undefined) decided.push(settlement)
  })
  await recordUnsendable(tick, pass, decided)
  await settleUnsent(tick, decided)
}

/** Items that fail as unsendable count as refusals, like rejected ones. */
async function recordUnsendable(
  { guards }: Tick,
  pass: SendPass,
  decided: readonly DecidedSettlement[],
): Promise<void> {
  const unsendable = decided.filter(({ why }) => why === 'unsendable')
  if (unsendable.length === 0) return
  for (const { settlement } of unsendable) guards.noteRejected(settlement)
  if (guards.isTripped) pass.halt('guard')
  await guards.record(pass.control)
}

/**
 * Gives up sends without an answer for `stallMs`, longer than any call may take: a late answer changes
 * nothing.
 */
export function giveUpStalled(tick: Tick, pass: SendPass): void {
  const { sendState, stallMs, runtime, logger, memory } = tick
  for (const flight of sendState.flights.olderThan(stallMs, runtime.monotonicMs())) {
    const { item } = flight
    sendState.flights.end(flight)
    memory.noteUnsent(item)
    const attempted = `Cannot send item ${JSON.stringify(item.id)}: the worker has not answered for ${stallMs} ms`
    const error = new SluiceError('SLUICE_WORKER_UNAVAILABLE', attempted, { itemId: item.id })
    logger.error(refOf(item), `${attempted}; its answer is no longer waited for`)
    pass.noteSuspect({ item, error, successes: sendState.trust.successes })
  }
}

/**
 * An outage in unknown words can't be told from places that are all held by items that no worker accepts. So
 * that other items are tried, a few go back in each pass after the first; their tries don't count.
 */
function keepClaims({ sendState, runtime }: Tick, pass: SendPass, suspects: readonly Suspect[]): Suspect[] {
  for (const { item } of suspects) sendState.refused.noteOutage(item, runtime.monotonicMs())
  return pass.isPuzzling ? suspects.slice(0, sendState.exchanges) : []
}

async function judge(
  tick: Tick,
  pass: SendPass,
  { item, error, successes }: Suspect,
): Promise<DecidedSettlement | undefined> {
  const { refused, trust } = tick.sendState
  const job = await askForJob(tick, item)
  if (typeof job === 'object') {
    trust.noteSuccess()
    noteSent(tick, pass, { item, again: false })
    return undefined
  }
  const answer = answerOf(error)
  const nowMonotonic = tick.runtime.monotonicMs()
  const isInOutage = pass.outage !== undefined
  if (!isInOutage) logRefused(tick, { item, answer, isFirst: !refused.has(item) })
  const refusal = refused.noteRefused(item, { message: answer, successes, nowMonotonic, isInOutage })
  // One whose job may exist fails only where the worker has no look-ups, or does not answer this one either.
  if (refusal.isLast) return { settlement: unsendable(item, answer, refusal), why: 'unsendable' }
  return job === 'none'
    ? { settlement: setAside(tick, item, { ...refusal, answer }), why: 'unsent' }
    : undefined
}

function logRefused(
  { logger }: Tick,
  { item, answer, isFirst }: { item: ItemSummary; answer: string; isFirst: boolean },
): void {
  const level = isFirst ? 'warn' : 'debug'
  logger[level]({ ...refOf(item), answer }, 'the worker refuses an item; it is tried again with a delay')
}
