import type { JsonValue, NewItem, Worker } from '@sluice/core'
import type { Config } from '../config/config.js'
import type { DemoOutcome } from './demo-outcome.js'
import type { DemoPlace } from './demo-place.js'

/** The plan of a demo. */
export interface DemoPlan {
  /** The requested number of items; there may be fewer. */
  readonly items: number
  /** The directory with the files; an absolute path. */
  readonly root?: string | undefined
}

/** The requested plan; the plan of an unfinished demo fills in the rest. */
export interface WantedPlan {
  readonly items: number | undefined
  readonly root: string | undefined
  /** The default root of a new demo. */
  readonly cwd: string
}

/** Facts of a demo besides those of the queue. */
export interface DemoFacts {
  /** A sentence, or empty. */
  readonly text: string
  readonly json: Readonly<Record<string, JsonValue>>
}

/** The worker of a demo. */
export interface DemoWorker {
  readonly worker: Worker
  /** The facts of the run so far. */
  facts(): DemoFacts
  close(): Promise<void>
}

/** How a demo's worker is opened. */
export interface DemoWorkerOptions {
  readonly name: string
  readonly plan: DemoPlan
  readonly place: DemoPlace
  /** Where packages are resolved from. */
  readonly cwd: string
}

/** A kind of demo: what it runs, and its texts. */
export interface DemoKind {
  /** Its directory within that of all demos. */
  readonly folder: string
  /** The word for an item: `file`. */
  readonly noun: string
  /** Its flags of `sluice demo`: `--argo`. */
  readonly flags: readonly string[]
  /** The default limit of jobs. */
  readonly limit: number
  /** The columns of its report. */
  readonly columns: readonly string[]
  /** Settings of its service other than the defaults. */
  readonly settings: Partial<Pick<Config, 'retry' | 'lost'>>
  plan(wanted: WantedPlan): DemoPlan
  /** @throws CommandError INVALID where there are none */
  items(plan: DemoPlan): Promise<readonly NewItem[]>
  openWorker(options: DemoWorkerOptions): Promise<DemoWorker>
  /** `1,000 files of /home/me`. */
  planText(plan: DemoPlan): string
  /** The text before a new demo starts. */
  beginText(plan: DemoPlan, total: number): string
  /** The facts of all runs together. */
  facts(outcome: DemoOutcome): DemoFacts
}
