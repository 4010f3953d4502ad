import { isDeepStrictEqual } from 'node:util'
import type { JsonValue, Queue } from '@sluice/core'
import { settingsOf } from '@sluice/engine'
import type { Config } from '../config/config.js'
import { dispatchPolicy } from '../run/dispatch-policy.js'
import { readLiveChanges, type LiveChange } from './live-changes.js'
import { readService, type ServiceState } from './service-state.js'

/** What `sluice policy show` prints with `--json`. */
export interface PolicyView {
  readonly queue: string
  /** The policy of this configuration, as data. */
  readonly configured: JsonValue
  /** The live limits, by name, which hold for every service. */
  readonly live: Readonly<Record<string, number>>
  /** The latest changes of live limits, the last one last. */
  readonly changes: readonly LiveChange[]
  /** Of the service that dispatches; absent where none does, or one of a version that does not record it. */
  readonly inForce?: {
    readonly holder: string
    readonly policy: JsonValue
    /** The most unfinished jobs by policy and live limits at this time; absent without a limit. */
    readonly atMost?: number
  }
  /** The service that dispatches has another policy than this configuration. */
  readonly isDifferent: boolean
}

/**
 * The policy of a configuration, beside that of the service that dispatches, wherever it runs.
 *
 * @throws SluiceError of the queue; SLUICE_CONFIG_INVALID as {@link dispatchPolicy}
 */
export async function readPolicy(
  queue: Queue,
  { processing }: Pick<Config, 'processing'>,
): Promise<PolicyView> {
  const [{ service, said }, { limits }, changes] = await Promise.all([
    readService(queue),
    queue.control.read(),
    readLiveChanges(queue),
  ])
  const configured = settingsOf(dispatchPolicy(processing))
  const own = inForceOf(service, said?.policy)
  return {
    queue: queue.name,
    configured,
    live: limits,
    changes,
    ...(own === undefined ? {} : { inForce: own }),
    isDifferent: own !== undefined && !isDeepStrictEqual(own.policy, configured),
  }
}

function inForceOf(
  { state, holder, atMost }: ServiceState,
  policy: JsonValue | undefined,
): PolicyView['inForce'] {
  if (state !== 'dispatching' || holder === undefined || policy === undefined) return undefined
  return { holder, policy, ...(atMost === undefined ? {} : { atMost }) }
}
