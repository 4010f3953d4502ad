import type { Queue, Worker } from '@sluice/core'
import type { EngineHarness, EngineSettings, TestedEngine } from '../engine-harness.js'
import { wrapQueue } from '../../queue/queue-wrapping.js'
import { wrapWorker } from '../../worker/worker-wrapping.js'

/** An engine that is broken on purpose: the proof that the cases it breaks can fail. */
export interface EngineMutant {
  readonly id: string
  /** What is wrong with it. */
  readonly title: string
  /** The ids of cases that must catch it. */
  readonly breaks: readonly string[]
  /** The same harness, its engines broken. */
  wrap(harness: EngineHarness): EngineHarness
}

export interface Breakage {
  readonly settings?: (settings: EngineSettings, harness: EngineHarness) => EngineSettings
  readonly engine?: (engine: TestedEngine) => TestedEngine
}

/** @param breaks the ids of cases that must catch it */
export function broken(
  [id, title]: readonly [string, string],
  breaks: readonly string[],
  { settings = (same) => same, engine = (same) => same }: Breakage,
): EngineMutant {
  return {
    id,
    title,
    breaks,
    wrap: (harness) => ({
      runtime: harness.runtime,
      openQueue: () => harness.openQueue(),
      openWorker: () => harness.openWorker(),
      starts: (job) => harness.starts(job),
      close: () => harness.close(),
      openEngine: (own) => engine(harness.openEngine(settings(own, harness))),
    }),
  }
}

/** What an engine sees of the queue is changed. */
export function onQueue(change: (queue: Queue, harness: EngineHarness) => Partial<Queue>): Breakage {
  return { settings: (own, harness) => ({ ...own, queue: wrapQueue(own.queue, change(own.queue, harness)) }) }
}

/** What an engine sees of the worker is changed. */
export function onWorker(change: (worker: Worker, harness: EngineHarness) => Partial<Worker>): Breakage {
  return {
    settings: (own, harness) => ({ ...own, worker: wrapWorker(own.worker, change(own.worker, harness)) }),
  }
}

/** A document that keeps nothing. */
export function forgottenDocument(name: string): ReturnType<Queue['document']> {
  return { name, read: async () => undefined, write: async () => true, remove: async () => false }
}

/** The control with its own methods, for a copy of which some are replaced. */
export function handedOn({ control }: Queue): Queue['control'] {
  return {
    read: () => control.read(),
    pause: (reason) => control.pause(reason),
    resume: () => control.resume(),
    setLimits: (limits) => control.setLimits(limits),
    sync: () => control.sync(),
  }
}
