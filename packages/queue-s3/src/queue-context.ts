import type { CallOptions, Logger, Runtime } from '@sluice/core'
import type { AttemptNaming } from './format/attempt-naming.js'
import type { Layout } from './format/layout.js'
import type { AttemptCache } from './items/attempt-cache.js'
import type { GuaranteeWatch } from './probe/guarantee-watch.js'
import type { ForeignObjectLog } from './stages/foreign-object-log.js'
import type { ListedPage } from './store/listed-page.js'
import type { Patience } from './store/sending/patience.js'
import { runProtocol, runProtocols, type RunResult } from './store/protocol-run.js'
import type { ListRange, S3Store } from './store/s3-store.js'
import type { Protocol } from './store/storage-op.js'

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
  /** Once it has aborted, no further request begins. */
  readonly signal?: AbortSignal | undefined
}

/** What all parts of one open queue share, and how they run protocols on its store. */
export interface QueueContext extends QueueContextParts {
  readonly runtime: Runtime
  /** @param patience of the work that it is a part of; default one of its own */
  run<T>(protocol: Protocol<T>, patience?: Patience): Promise<T>
  runAll<T>(protocols: readonly Protocol<T>[]): Promise<RunResult<T>[]>
  list(range: ListRange): Promise<ListedPage>
}

export function makeQueueContext(parts: QueueContextParts): QueueContext {
  const { store, logger, watch, signal } = parts
  const options = { logger, watch, ...(signal === undefined ? {} : { signal }) }
  return {
    ...parts,
    runtime: store.runtime,
    run: (protocol, patience) =>
      runProtocol(store, protocol, patience === undefined ? options : { ...options, patience }),
    runAll: (protocols) => runProtocols(store, protocols, options),
    list: (range) => {
      signal?.throwIfAborted()
      return store.list(range)
    },
  }
}

/** The same queue, for one call that its signal may end. */
export function contextOf(context: QueueContext, { signal }: CallOptions): QueueContext {
  return signal === undefined ? context : makeQueueContext({ ...context, signal })
}

/** The values; throws the first error there is. */
export function valuesOf<T>(results: readonly RunResult<T>[]): T[] {
  return results.map((result) => {
    if ('error' in result) throw result.error
    return result.value
  })
}
