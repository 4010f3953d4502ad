import { callWorker, isOutage } from '../engine-errors.js'
import type { Tick } from '../tick/tick.js'
import { noteCapacity } from './note-capacity.js'
import type { SendPass } from '../dispatch/send-pass.js'
import { sendTrouble } from './send-trouble.js'

/** `impossible`: the worker has no probe, there is nothing to probe with, or it is full. */
export type ProbeAnswer = 'well' | 'failed' | 'impossible'

/** Finds out whether the worker accepts jobs at all, without starting one; once in a pass [W-PROBE-1]. */
export function probeWorker(tick: Tick, pass: SendPass): Promise<ProbeAnswer> {
  pass.probe ??= probe(tick, pass)
  return pass.probe
}

async function probe(tick: Tick, pass: SendPass): Promise<ProbeAnswer> {
  const { worker, sendState, runtime, logger } = tick
  if (worker.supports.probeSend !== true || worker.probeSend === undefined) return 'impossible'
  // A worker rejects a probe without a sample as if it were unreachable: it is probed only with one.
  const sample = await sendState.sentWell.sample()
  if (sample === undefined) return 'impossible'
  try {
    await callWorker('probeSend', async () => worker.probeSend?.(sample))
    return 'well'
  } catch (error) {
    if (!isOutage(error)) throw error
    logger.debug({ err: error }, 'a probe of the worker failed')
    if (sendState.retryAfter.note(error, runtime.monotonicMs())) pass.halt('retry-after')
    if (sendTrouble(error) !== 'capacity') return 'failed'
    noteCapacity(tick, pass, error)
    return 'impossible'
  }
}
