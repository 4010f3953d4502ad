import type { Logger } from '@sluice/core'
import type { GuaranteeWatch } from './guarantee-watch.js'
import { has } from './item-state.js'
import type { Layout } from './layout.js'
import type { Patience } from './patience.js'
import { runProtocol, runProtocols, type RunResult } from './protocol-run.js'
import type { S3Store } from './s3-store.js'
import type { Protocol } from './storage-op.js'
import type { StintCache } from './stint-cache.js'
import type { StintNames } from './stint-names.js'
import type { StrayLog } from './stray-log.js'

/** What a {@link Ground} is made of. */
export interface GroundParts {
  readonly store: S3Store
  readonly layout: Layout
  readonly logger: Logger
  readonly watch: GuaranteeWatch
  readonly strays: StrayLog
  readonly cache: StintCache
  readonly names: StintNames
  /** Two hex digits each. */
  readonly lanes: readonly string[]
}

/** What all parts of one open queue share, and how they run protocols on its store. */
export interface Ground extends GroundParts {
  /** @param patience of the work that it is a part of; default one of its own */
  run<T>(protocol: Protocol<T>, patience?: Patience): Promise<T>
  runAll<T>(protocols: readonly Protocol<T>[]): Promise<RunResult<T>[]>
}

export function makeGround(parts: GroundParts): Ground {
  const { store, logger, watch } = parts
  return {
    ...parts,
    run: (protocol, patience) => runProtocol(store, protocol, { logger, watch, ...has({ patience }) }),
    runAll: (protocols) => runProtocols(store, protocols, { logger, watch }),
  }
}

/** The values; throws the first error there is. */
export function valuesOf<T>(results: readonly RunResult<T>[]): T[] {
  return results.map((result) => {
    if ('error' in result) throw result.error
    return result.value
  })
}
