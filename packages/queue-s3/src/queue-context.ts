import type { Logger, Runtime } from '@sluice/core'
import type { GuaranteeWatch } from './probe/guarantee-watch.js'
import { has } from './format/item-state.js'
import type { Layout } from './format/layout.js'
import type { Patience } from './store/patience.js'
import { runProtocol, runProtocols, type RunResult } from './store/protocol-run.js'
import type { S3Store } from './store/s3-store.js'
import type { Protocol } from './store/storage-op.js'
import type { AttemptCache } from './items/attempt-cache.js'
import type { AttemptNaming } from './format/attempt-naming.js'
import type { ForeignObjectLog } from './stages/foreign-object-log.js'

/** What a {@link QueueContext} is made of. */
export interface QueueContextParts {
  readonly store: S3Store
  readonly layout: Layout
  readonly logger: Logger
  readonly watch: GuaranteeWatch
  readonly foreignObjects: ForeignObjectLog
  readonly cache: AttemptCache
  readonly names: AttemptNaming
  /** Two hex digits each. */
  readonly shards: readonly string[]
}

/** What all parts of one open queue share, and how they run protocols on its store. */
export interface QueueContext extends QueueContextParts {
  readonly runtime: Runtime
  /** @param patience of the work that it is a part of; default one of its own */
  run<T>(protocol: Protocol<T>, patience?: Patience): Promise<T>
  runAll<T>(protocols: readonly Protocol<T>[]): Promise<RunResult<T>[]>
}

export function makeQueueContext(parts: QueueContextParts): QueueContext {
  const { store, logger, watch } = parts
  return {
    ...parts,
    runtime: store.runtime,
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
