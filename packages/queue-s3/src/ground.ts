import type { Logger } from '@sluice/core'
import type { Layout } from './layout.js'
import { runProtocol, runProtocols, type RunResult } from './protocol-run.js'
import type { S3Store } from './s3-store.js'
import type { Protocol } from './storage-op.js'
import type { StintCache } from './stint-cache.js'
import type { StintNames } from './stint-names.js'
import type { StrayLog } from './stray-log.js'

/** What all parts of one open queue share. */
export class Ground {
  readonly store: S3Store
  readonly layout: Layout
  readonly logger: Logger
  readonly strays: StrayLog
  readonly cache: StintCache
  readonly names: StintNames
  /** Two hex digits each. */
  readonly lanes: readonly string[]

  constructor(parts: {
    readonly store: S3Store
    readonly layout: Layout
    readonly logger: Logger
    readonly strays: StrayLog
    readonly cache: StintCache
    readonly names: StintNames
    readonly lanes: readonly string[]
  }) {
    this.store = parts.store
    this.layout = parts.layout
    this.logger = parts.logger
    this.strays = parts.strays
    this.cache = parts.cache
    this.names = parts.names
    this.lanes = parts.lanes
  }

  run<T>(protocol: Protocol<T>): Promise<T> {
    return runProtocol(this.store, this.logger, protocol)
  }

  runAll<T>(protocols: readonly Protocol<T>[]): Promise<RunResult<T>[]> {
    return runProtocols(this.store, this.logger, protocols)
  }
}

/** The values; throws the first error there is. */
export function valuesOf<T>(results: readonly RunResult<T>[]): T[] {
  return results.map((result) => {
    if ('error' in result) throw result.error
    return result.value
  })
}
