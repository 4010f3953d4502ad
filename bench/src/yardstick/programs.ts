import { join } from 'node:path'
import type { QueueSetup } from './processes/build.ts'
import type { CrewOptions } from './crew.ts'
import type { FeederSetup } from './processes/feeder-process.ts'
import type { FeedOptions } from './processes/feeding.ts'
import type { ServiceSetup } from './processes/service-process.ts'

/** What a job takes. */
export const JOB_MS = 1

/** The file of a program of this folder. */
export function programOf(name: string): string {
  return join(import.meta.dirname, 'processes', `${name}-process.ts`)
}

export interface SluiceOptions extends Pick<CrewOptions, 'services' | 'isCounted'> {
  /** Its options name the queue. */
  readonly queue: QueueSetup & {
    readonly options: Readonly<Record<string, unknown>> & { readonly name: string }
  }
  readonly cap: number
  readonly feed?: FeedOptions
  /** How long a standby waits for a service that died. Default that of the engine. */
  readonly leaseTtlMs?: number | undefined
}

/** A crew of Sluice. */
export function sluiceCrew({ queue, cap, feed, leaseTtlMs, ...options }: SluiceOptions): CrewOptions {
  const feeder: FeederSetup = { queue, ...feed }
  return {
    ...options,
    feeder: { file: programOf('feeder'), setup: feeder },
    service: (socket) => {
      const setup: ServiceSetup = { queue, name: queue.options.name, cap, jobMs: JOB_MS, socket, leaseTtlMs }
      return { file: programOf('service'), setup }
    },
  }
}
