import { type ItemHead, type JobReport } from '@sluice/core'
import { callWorker, isOutage } from '../engine-errors.js'
import type { Engine } from '../engine.js'
import { isReportOf } from '../found.js'
import { forEachParallel } from '../parallel.js'
import { refOf, settleAll, type DecidedSettlement } from '../settle.js'
import { noteSent } from '../send.js'
import type { SendPass, Suspect } from './send-pass.js'
import { answerOf, setAside, unsendable } from './send-settlements.js'

/**
 * Decides about the items whose sends failed, once the sends around them have ended. In an outage they keep their claims. Else each is asked for:
 * one that the worker surely has no job of goes back to WAITING with a delay, or fails when it was tried often enough; one that can't be asked for
 * keeps its place, and is tried again.
 */
export async function judgeSuspects(engine: Engine, pass: SendPass): Promise<void> {
  const suspects = pass.takeSuspects()
  const judged = pass.outage === undefined ? suspects : keepClaims(engine, pass, suspects)
  const decided: DecidedSettlement[] = []
  await forEachParallel(judged, engine.sendConcurrency, async (one) => {
    const settlement = await judge(engine, pass, one)
    if (settlement !== undefined) decided.push(settlement)
  })
  await settleAll(engine, pass.tally, decided)
}

/**
 * Nobody can tell an outage in unknown words from places that are all held by items that no worker takes. So that other items come to be tried, a few
 * go back in each pass after the first; without a success their tries don't count.
 */
function keepClaims({ sendState, clock }: Engine, pass: SendPass, suspects: readonly Suspect[]): Suspect[] {
  for (const { head } of suspects) sendState.refused.noteOutage(head, clock.monotonicMs())
  return pass.isPuzzling ? suspects.slice(0, sendState.exchanges) : []
}

async function judge(
  engine: Engine,
  pass: SendPass,
  { head, error, successes }: Suspect,
): Promise<DecidedSettlement | undefined> {
  const { refused } = engine.sendState
  const job = await askFor(engine, head)
  if (typeof job === 'object') {
    engine.sendState.trust.noteSuccess()
    noteSent(engine, pass, { head, again: false })
    return undefined
  }
  const isFirst = !refused.has(head)
  const answer = answerOf(error)
  const refusal = refused.noteRefused(head, { message: answer, successes, nowMs: engine.clock.monotonicMs() })
  logRefused(engine, { head, answer, isFirst })
  // One whose job may exist fails only by a worker that can't be asked, or that doesn't answer for this job either.
  if (refusal.isLast) return { settlement: unsendable(head, answer, refusal), why: 'unsendable' }
  return job === 'none' ? { settlement: setAside(head, answer, refusal), why: 'unsent' } : undefined
}

function logRefused(
  { logger }: Engine,
  { head, answer, isFirst }: { head: ItemHead; answer: string; isFirst: boolean },
): void {
  const level = isFirst ? 'warn' : 'debug'
  logger[level]({ ...refOf(head), answer }, 'the worker refuses an item; it is tried again with a delay')
}

/** `none`: the worker is sure that it has no job of it · `unknown`: it can't be asked, or not now. */
async function askFor(engine: Engine, head: ItemHead): Promise<JobReport | 'none' | 'unknown'> {
  const { worker, lookups, clock, running, logger } = engine
  if (!canAsk(engine) || !lookups.take(clock.monotonicMs())) return 'unknown'
  try {
    const report = await callWorker('lookupJob', async () => worker.lookupJob?.(refOf(head)))
    if (report !== undefined && isReportOf(head, report)) return report
    running.noteEnded(refOf(head))
    return 'none'
  } catch (error) {
    if (!isOutage(error)) throw error
    logger.debug({ ...refOf(head), err: error }, 'a job that could not be sent could not be asked for either')
    return 'unknown'
  }
}

function canAsk({ worker }: Engine): boolean {
  return worker.supports.lookupJob && worker.lookupJob !== undefined
}

/** Whether the worker is known to have no job of an item that is claimed. */
export async function isKnownUnsent(engine: Engine, head: ItemHead): Promise<boolean> {
  const { sendState } = engine
  if (sendState.isUntried(head)) return true
  return (await askFor(engine, head)) === 'none'
}
