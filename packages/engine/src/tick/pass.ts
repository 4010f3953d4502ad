import type { ControlState } from '@sluice/core'
import { dispatch, NOTHING_CLAIMED, startAhead } from '../dispatch/dispatch.js'
import { giveBackPaused } from '../dispatch/give-back.js'
import { SendPass } from '../dispatch/send-pass.js'
import { obeyGuards } from '../guards/obey-guards.js'
import { controlHoldups } from '../holdups/dispatch-holdups.js'
import { observe, reconcile, type Findings } from '../reconcile/reconcile.js'
import type { Tick } from './tick.js'

export interface PassHooks {
  /** Called with each state of the control that is read. */
  readonly onControl: (control: ControlState) => void
  /** Called once, before anything is sent: but for those in flight all sends of earlier ticks have ended. */
  readonly answerSync: (control: ControlState) => Promise<void>
  /** Called at the end, however it ends, with the control as it was read last. */
  readonly onEnd: (control: ControlState) => void
}

/** What the holder of the lease does in a tick: observe, reconcile, dispatch. */
export async function runPass(tick: Tick, { onControl, answerSync, onEnd }: PassHooks): Promise<void> {
  await tick.guards.read(tick.lease.fencingToken)
  if (tick.claimLog !== undefined) await tick.claimLog.read(tick.lease.fencingToken)
  const resuming = tick.backpressure.resume(tick.lease.fencingToken)
  const readAtMonotonic = tick.runtime.monotonicMs()
  // In parallel: neither moves an item, and each round trip less is a shorter tick. Both end before the tick
  // can fail.
  const observing = settled(observe(tick))
  const read = await settled(tick.queue.control.read())
  if (read.status === 'rejected') {
    await observing
    await resuming
    throw read.reason
  }
  onControl(read.value)
  // From now on the control is read every second: a poll may take long.
  const pass = new SendPass(tick, { state: read.value, readAtMonotonic, onRead: onControl })
  try {
    await answerSync(read.value)
    const observed = await observing
    if (resuming !== undefined) await resuming
    if (observed.status === 'rejected') throw observed.reason
    tick.unsent.keepOnly(observed.value.found.items)
    await settleAndSend(tick, pass, observed.value)
  } catch (error) {
    pass.halt('queue')
    throw error
  } finally {
    await observing
    if (resuming !== undefined) await resuming
    await pass.sendsEnded()
    pass.stop()
    tick.tally.holdups.unshift(...controlHoldups(tick, tick.tally, pass.control))
    onEnd(pass.control)
  }
  pass.assertWhole()
}

async function settleAndSend(tick: Tick, pass: SendPass, findings: Findings): Promise<void> {
  const { tally, sendState, polls } = tick
  const isPaused = await obeyGuards(tick, pass, findings)
  // Of those whose sends are still under way nothing is known yet.
  const resends = findings.decisions.resends.filter((item) => !sendState.flights.has(item))
  const isHeld = isPaused || tally.unavailable !== undefined || !polls.mayStart
  // What has ended makes room for what is to start, and is settled first. Meanwhile only what there is room
  // for anyway is started, which counts what is not settled yet.
  const [settling, starting] = await Promise.allSettled([
    reconcile(tick, findings),
    isHeld ? NOTHING_CLAIMED : startAhead(tick, pass, { resends }),
  ])
  if (settling.status === 'rejected') throw settling.reason
  tally.reconciled = true
  if (starting.status === 'rejected') throw starting.reason
  if (isPaused) await giveBackPaused(tick, pass, [...resends, ...findings.decisions.earlierWaits])
  if (!isHeld) await dispatch(tick, pass, { resends, ahead: starting.value })
}

/** The outcome of work that runs beside other work: its failure is handled once that has ended too. */
async function settled<T>(work: Promise<T>): Promise<PromiseSettledResult<T>> {
  // The caller gets the failure as a value.
  const [result] = await Promise.allSettled([work])
  return result
}
