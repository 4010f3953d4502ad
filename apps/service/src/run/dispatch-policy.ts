import { SluiceError, type Queue } from '@sluice/core'
import {
  all,
  limitPer,
  machineLimit,
  processingLimit,
  rateLimit,
  resourceLimit,
  timeWindow,
  type DispatchPolicy,
} from '@sluice/engine'
import type { Config } from '../config/config.js'

/**
 * The dispatch policy of a configuration; with a limit alone, that limit.
 *
 * @throws SluiceError SLUICE_CONFIG_INVALID for bounds that this machine has no readings for
 */
export function dispatchPolicy({
  limit,
  rate,
  windows,
  outsideLimit = 0,
  machine,
  resources,
  maxPassed,
  perKey,
}: Config['processing']): DispatchPolicy {
  const places = processingLimit(limit)
  const within = windows === undefined ? places : timeWindow(windows, places, processingLimit(outsideLimit))
  const passing = maxPassed === undefined ? {} : { maxPassed }
  const others = [
    ...(resources === undefined ? [] : [resourceLimit(resources, passing)]),
    ...(perKey === undefined ? [] : [limitPer({ max: perKey })]),
    ...(rate === undefined ? [] : [rateLimit(rate)]),
    ...(machine === undefined ? [] : [machinePolicy(machine)]),
  ]
  return others.length === 0 ? within : all(within, ...others)
}

function machinePolicy({ load, freeMemory }: NonNullable<Config['processing']['machine']>): DispatchPolicy {
  try {
    return machineLimit({
      ...(load === undefined ? {} : { load }),
      ...(freeMemory === undefined ? {} : { freeMemory }),
    })
  } catch (error) {
    if (!(error instanceof TypeError)) throw error
    throw new SluiceError('SLUICE_CONFIG_INVALID', `processing.machine: ${error.message}`, { cause: error })
  }
}

/**
 * @throws SluiceError SLUICE_CONFIG_INVALID where items are to be chosen and the queue does not support it
 */
export function assertCanChoose(
  { supports }: Pick<Queue, 'supports'>,
  { processing: { resources, perKey } }: Pick<Config, 'processing'>,
): void {
  if ((resources === undefined && perKey === undefined) || supports.selection !== undefined) return
  const setting = resources === undefined ? 'processing.perKey' : 'processing.resources'
  throw new SluiceError(
    'SLUICE_CONFIG_INVALID',
    `${setting} is set, and this queue can’t give out chosen items: remove the setting, or use a queue that can.`,
  )
}
