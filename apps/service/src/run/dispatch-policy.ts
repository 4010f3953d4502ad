import { SluiceError } from '@sluice/core'
import {
  all,
  machineLimit,
  processingLimit,
  rateLimit,
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
}: Config['processing']): DispatchPolicy {
  const places = processingLimit(limit)
  const within = windows === undefined ? places : timeWindow(windows, places, processingLimit(outsideLimit))
  const others = [
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
