import {
  SluiceError,
  isSluiceError,
  type ErrorCode,
  type JobReport,
  type TroubleConcerns,
  type Worker,
} from '@sluice/core'
import type { WorkerHarness } from '../worker-harness.js'
import { wrapWorker } from '../worker-wrapping.js'

/** A worker that is broken on purpose: the proof that the cases it breaks can fail. */
export interface WorkerMutant {
  readonly id: string
  /** What is wrong with it. */
  readonly title: string
  /** The ids of cases that must catch it. */
  readonly breaks: readonly string[]
  /** The same harness, its workers broken. */
  wrap(harness: WorkerHarness): WorkerHarness
}

interface Breakage {
  readonly breaks: readonly string[]
  readonly change: () => (inner: Worker) => Partial<Worker>
}

/**
 * A worker with some of its methods changed: `change` is called once for each harness, and gives the changes
 * for each worker of it.
 */
export function broken(id: string, title: string, { breaks, change }: Breakage): WorkerMutant {
  return {
    id,
    title,
    breaks,
    wrap: (harness) => {
      const changes = change()
      return rewritten(harness, (worker) => wrapWorker(worker, changes(worker)))
    },
  }
}

function rewritten(harness: WorkerHarness, rewrite: (worker: Worker) => Worker): WorkerHarness {
  return {
    ...handedOn(harness),
    open: async (name) => rewrite(await harness.open(name)),
    ...(harness.openElsewhere && {
      openElsewhere: async () => rewrite(offered(await harness.openElsewhere?.())),
    }),
    ...(harness.openUnreachable && {
      openUnreachable: async () => rewrite(offered(await harness.openUnreachable?.())),
    }),
    ...(harness.openDenied && { openDenied: async () => rewrite(offered(await harness.openDenied?.())) }),
    ...(harness.openObstructed && {
      openObstructed: async () => {
        const { worker, obstruct, restore } = offered(await harness.openObstructed?.())
        return { worker: rewrite(worker), obstruct, restore }
      },
    }),
    ...(harness.openTroubledSends && {
      openTroubledSends: async (concerns) => {
        const troubled = await harness.openTroubledSends?.(concerns)
        return troubled && { ...troubled, worker: rewrite(troubled.worker) }
      },
    }),
    ...(harness.openCrashing && {
      openCrashing: async (point) => {
        const crash = offered(await harness.openCrashing?.(point))
        return { worker: rewrite(crash.worker), crashed: () => crash.crashed() }
      },
    }),
  }
}

/** The harness as it is, for a mutant that makes its own workers. */
export function handedOn(harness: WorkerHarness): WorkerHarness {
  return {
    open: (name) => harness.open(name),
    body: () => harness.body(),
    finish: (job, how) => harness.finish(job, how),
    // A job that was started a second time runs as the attempt a thousand further on: see
    // `every-send-starts`.
    starts: async (job) =>
      (await harness.starts(job)) + (await harness.starts({ ...job, attempt: job.attempt + 1_000 })),
    close: () => harness.close(),
    ...(harness.sendPending && {
      sendPending: async (worker, job, message) => harness.sendPending?.(worker, job, message),
    }),
    ...(harness.begin && { begin: async (job) => harness.begin?.(job) }),
    ...(harness.refusedItem && { refusedItem: () => offered(harness.refusedItem?.()) }),
    ...(harness.loseJob && { loseJob: async (job) => harness.loseJob?.(job) }),
    ...(harness.writeLog && { writeLog: async (job, bytes) => harness.writeLog?.(job, bytes) }),
    ...(harness.loseLog && { loseLog: async (job) => harness.loseLog?.(job) }),
    ...(harness.startedWith && { startedWith: async (job) => harness.startedWith?.(job) }),
    ...(harness.overrideName !== undefined && { overrideName: harness.overrideName }),
    ...(harness.exactLogs !== undefined && { exactLogs: harness.exactLogs }),
    ...(harness.hasJobUids !== undefined && { hasJobUids: harness.hasJobUids }),
    ...(harness.exitCodes !== undefined && { exitCodes: harness.exitCodes }),
    ...(harness.endsWithinMs !== undefined && { endsWithinMs: harness.endsWithinMs }),
  }
}

function offered<T>(value: T | undefined): T {
  if (value === undefined) throw new Error('the harness does not offer this')
  return value
}

/** The call, one code of its errors replaced by another. */
export async function recoded<T>(call: Promise<T>, from: ErrorCode, to: ErrorCode): Promise<T> {
  return call.catch((error: unknown) => {
    throw isSluiceError(error, from) ? new SluiceError(to, error.message) : error
  })
}

/** The call, its error with another `concerns`, or none. */
export async function reconcerned<T>(
  call: Promise<T>,
  change: (concerns: TroubleConcerns | undefined) => TroubleConcerns | undefined,
): Promise<T> {
  return call.catch((error: unknown) => {
    if (!isSluiceError(error)) throw error
    const concerns = change(error.concerns)
    throw new SluiceError(error.code, error.message, concerns === undefined ? {} : { concerns })
  })
}

/** Swallows the error of a wrong argument. */
export function ignoreTypeError(error: unknown): void {
  if (!(error instanceof TypeError)) throw error
}

/** A poll that shows some of the reports. */
export async function reporting(
  inner: Worker,
  shown: (report: JobReport) => boolean,
): Promise<ReadonlyMap<string, JobReport>> {
  return new Map([...(await inner.pollAllStatus())].filter(([, report]) => shown(report)))
}

/** A poll each report of which is changed. */
export async function changed(
  inner: Worker,
  change: (report: JobReport) => JobReport,
): Promise<ReadonlyMap<string, JobReport>> {
  return new Map([...(await inner.pollAllStatus())].map(([id, report]) => [id, change(report)]))
}

/** It never gives anything. */
export function endless(): AsyncIterator<undefined> {
  return { next: () => new Promise(() => undefined) }
}
