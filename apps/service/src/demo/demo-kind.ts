import type { JsonValue, NewItem, Worker } from '@sluice/core'
import type { Config } from '../config/config-schema.js'
import type { DemoOutcome } from './demo-outcome.js'
import type { DemoPlace } from './demo-place.js'

/** What a demo is about. */
export interface DemoPlan {
  /** How many were asked for; there may be fewer. */
  readonly items: number
  /** Whose files are digested; an absolute path. */
  readonly root?: string | undefined
}

/** What was asked for; what wasn't, a demo that was begun decides. */
export interface WantedPlan {
  readonly items: number | undefined
  readonly root: string | undefined
  /** The root of a new demo that nobody gave one. */
  readonly cwd: string
}

/** What a kind of demo knows of its work beside what the queue tells. */
export interface DemoFacts {
  /** A sentence, or nothing. */
  readonly text: string
  readonly json: Readonly<Record<string, JsonValue>>
}

/** The worker of a demo, and what it needs to run. */
export interface DemoWorker {
  readonly worker: Worker
  /** Of the run so far. */
  facts(): DemoFacts
  close(): Promise<void>
}

/** Where a demo's worker is opened, and for what. */
export interface DemoWorkerOptions {
  readonly name: string
  readonly plan: DemoPlan
  readonly place: DemoPlace
  /** From where packages are looked for. */
  readonly cwd: string
}

/** What a demo runs, and how it is spoken of. */
export interface DemoKind {
  /** Its directory below that of all demos. */
  readonly folder: string
  /** What one item is: `file`. */
  readonly noun: string
  /** What `sluice demo` is told for it: `--argo`. */
  readonly flags: readonly string[]
  /** Most jobs at once, unless it is told. */
  readonly limit: number
  /** The columns of its report. */
  readonly columns: readonly string[]
  /** What its service does otherwise than the defaults. */
  readonly settings: Partial<Pick<Config, 'retry' | 'lost'>>
  plan(wanted: WantedPlan): DemoPlan
  /** @throws CommandError INVALID when there are none */
  items(plan: DemoPlan): Promise<readonly NewItem[]>
  openWorker(options: DemoWorkerOptions): Promise<DemoWorker>
  /** `1,000 files of /home/me`. */
  planText(plan: DemoPlan): string
  /** What a new demo is about to do with so many items. */
  beginText(plan: DemoPlan, total: number): string
  /** What came of all runs together. */
  facts(outcome: DemoOutcome): DemoFacts
}
