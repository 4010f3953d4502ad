import {
  SluiceError,
  isSluiceError,
  type ControlState,
  type JobRef,
  type JobReport,
  type Queue,
  type Settlement,
  type Worker,
} from '@sluice/core'
import { createLease } from '@sluice/core/backend'
import { engineRetryMutants } from './engine-retry-mutants.js'
import { engineGuardMutants } from './engine-guard-mutants.js'
import { enginePolicyMutants } from './engine-policy-mutants.js'
import { enginePressureMutants } from './engine-pressure-mutants.js'
import type { EngineSettings } from '../engine-harness.js'
import { broken, forgottenDocument, handedOn, onQueue, onWorker, type EngineMutant } from './engine-mutant.js'
import { wrapWorker } from '../../worker/worker-wrapping.js'

/** Engines that are broken on purpose: every promise has one that a case of it catches. */
export const engineMutants: readonly EngineMutant[] = [
  broken(['one-too-many', 'it allows one job more than the limit'], ['E-CAP-1'], {
    settings: (own) => ({ ...own, limit: own.limit + 1 }),
  }),
  broken(
    ['blind-to-others', 'it sees only the jobs of items in PROCESSING, at their attempts'],
    ['E-CAP-1/b', 'E-CAP-2', 'E-CAP-2/b', 'E-ORPHAN-1'],
    {
      settings: (own) => ({ ...own, worker: wrapWorker(own.worker, onlyAwaited(own)) }),
    },
  ),
  broken(['all-lead', 'every engine believes that it holds the lease'], ['E-ONE-1'], {
    ...onQueue((queue, { runtime }) => ({
      lease: async (name, holder, ttlMs) => {
        const facts = { name, holder, ttlMs, fencingToken: runtime.monotonicMs() + 1 }
        return createLease(facts, { renew: async () => true, release: async () => undefined })
      },
      get: (maxItems) => queue.get(maxItems),
      document: (name) => unfencedDocument(queue, name),
    })),
  }),
  broken(['sends-twice', 'every send is made twice, as two jobs'], ['E-ONCE-1'], {
    settings: (own, harness) => ({
      ...own,
      worker: wrapWorker(own.worker, {
        sendJob: async (id, body, job) => {
          const control = harness.openWorker()
          // Whether it went well or not: it is sent again, which the promise forbids.
          await own.worker.sendJob(id, body, job).catch(() => undefined)
          control.loseJob(id)
          await own.worker.sendJob(id, body, job)
        },
      }),
    }),
  }),
  broken(['one-by-one', 'it sends each job by a call of its own'], ['E-MANY-1'], {
    ...onWorker(({ supports }) => ({ supports: lacking(supports, 'sendMany') })),
  }),
  broken(
    ['takes-a-call-for-sent', 'a call for many jobs that was answered has sent all of them'],
    ['E-MANY-1/b'],
    {
      ...onWorker((worker) => ({
        sendMany: async (jobs) => ((await worker.sendMany?.(jobs)) ?? []).map(() => undefined),
      })),
    },
  ),
  broken(
    ['makes-calls-again', 'a call for many jobs whose answer is lost is made again as one for other jobs'],
    ['E-MANY-1/c'],
    {
      ...onWorker((worker, harness) => ({
        sendMany: async (jobs) => {
          try {
            return (await worker.sendMany?.(jobs)) ?? []
          } catch (error) {
            for (const { id } of jobs) harness.openWorker().loseJob(id)
            throw error
          }
        },
      })),
    },
  ),
  broken(
    ['one-rejects-all', 'a call that is rejected as a whole has no item that could be sent'],
    ['E-MANY-1/d'],
    {
      ...onWorker((worker) => ({
        sendMany: async (jobs) => {
          try {
            return (await worker.sendMany?.(jobs)) ?? []
          } catch {
            // What was wrong with the call is taken for what is wrong with each item.
            return jobs.map(() => new SluiceError('SLUICE_JOB_REJECTED', 'the call was rejected'))
          }
        },
      })),
    },
  ),
  broken(['forgetful', 'it stores no documents'], ['E-ONCE-2', 'E-CTRL-2'], {
    ...onQueue(() => ({ document: forgottenDocument })),
  }),
  broken(['claims-unfenced', 'it claims without its lease'], ['E-ONCE-3'], {
    ...onQueue((queue) => ({ get: (maxItems) => queue.get(maxItems) })),
  }),
  broken(['never-ends-a-job', 'it cancels no job'], ['E-ORPHAN-1/b', 'E-ORPHAN-1/c'], {
    ...onWorker(() => ({ cancelJob: async () => undefined })),
  }),
  broken(['drops-fields', 'it stores no failure class, exit code or job uid'], ['E-END-1'], {
    ...onQueue((queue) => settling(queue, (move) => without(move, ['failureClass', 'exitCode', 'jobUid']))),
  }),
  broken(['one-attempt-more', 'it tries once more than is allowed'], ['E-RETRY-1'], {
    settings: (own) => ({ ...own, maxAttempts: (own.maxAttempts ?? 1) + 1 }),
  }),
  broken(['retries-the-unsendable', 'an item that can’t be sent is tried again'], ['E-RETRY-1/b'], {
    ...onQueue((queue) =>
      settling(queue, (move) =>
        move.failureClass === 'unsendable' ? { ...move, stage: 'WAITING', delayMs: 1_000 } : move,
      ),
    ),
  }),
  broken(['one-rule-for-all', 'it applies the last rule to every failure'], ['E-RETRY-2'], {
    settings: (own) => {
      const last = own.retryRules?.at(-1)
      return last === undefined ? own : { ...own, retryRules: [{ maxAttempts: last.maxAttempts }] }
    },
  }),
  broken(['counts-the-uncounted', 'an attempt that was given back counts'], ['E-RETRY-2/b'], {
    ...onQueue((queue) => ({
      listSummaries: async (...args) => {
        const { items, ...page } = await queue.listSummaries(...args)
        return { ...page, items: items.map((item) => ({ ...item, uncounted: 0 })) }
      },
    })),
  }),
  broken(['no-grace', 'an absent job is lost at once'], ['E-LOST-1'], {
    settings: (own) => ({ ...own, graceMs: 0 }),
  }),
  broken(['trusts-any-poll', 'it takes every poll for a complete one'], ['E-POLL-1'], {
    ...onWorker((worker) => ({
      pollAllStatus: async (...args) => new Map(await worker.pollAllStatus(...args)),
    })),
  }),
  broken(['an-outage-fails-items', 'it takes an outage for a refusal'], ['E-OUT-1'], {
    ...onWorker((worker) => ({
      sendJob: (...args) => recoded(worker.sendJob(...args), 'SLUICE_JOB_REJECTED'),
    })),
  }),
  broken(['gives-up-the-queue', 'an outage of the queue ends it'], ['E-OUT-1/b'], {
    ...onQueue((queue) => ({
      get: async (...args) =>
        queue.get(...args).catch(() => {
          throw new Error('the queue is gone')
        }),
    })),
  }),
  broken(['one-for-all', 'it takes one item’s trouble for the worker’s'], ['E-ITEM-1'], {
    ...onWorker((worker) => ({ sendJob: (...args) => concerned(worker.sendJob(...args), 'worker') })),
  }),
  broken(['forgets-tries', 'tries are not kept with the item'], ['E-ITEM-2'], {
    ...onQueue((queue) => settling(queue, (move) => without(move, ['retryState']))),
  }),
  broken(['never-probes', 'it does not probe'], ['E-ITEM-3'], {
    ...onWorker((worker) => ({
      supports: { ...worker.supports, probeSend: false },
      probeSend: async () => {
        throw new SluiceError('SLUICE_WORKER_UNAVAILABLE', 'there is no probe')
      },
    })),
  }),
  broken(['no-room-is-an-outage', 'it takes a full worker for one that is down'], ['E-ROOM-1'], {
    ...onWorker((worker) => ({ sendJob: (...args) => down(worker.sendJob(...args)) })),
  }),
  broken(['knocks-again', 'it ignores a `Retry-After`'], ['E-TIME-1'], {
    ...onWorker((worker) => ({ sendJob: (...args) => concerned(worker.sendJob(...args), 'item') })),
  }),
  broken(['reads-control-once', 'it reads the control once in a minute'], ['E-CTRL-1', 'E-CTRL-1/b'], {
    ...onQueue((queue, { runtime }) => ({
      control: { ...handedOn(queue), read: seldom(queue, () => runtime.monotonicMs()) },
    })),
  }),
  broken(['never-stops', 'a stop has no effect'], ['E-STOP-1'], {
    engine: (engine) => ({
      tick: () => engine.tick(),
      run: (signal) => engine.run(signal),
      stop: async () => undefined,
    }),
  }),
  broken(['patient-for-ever', 'it waits for every answer for ever'], ['E-STALL-1'], {
    settings: (own) => ({ ...own, stallMs: 100_000_000 }),
  }),
  ...engineRetryMutants,
  ...engineGuardMutants,
  ...enginePolicyMutants,
  ...enginePressureMutants,
]

function onlyAwaited({ queue, worker }: EngineSettings): Partial<Worker> {
  const isAwaited = async ({ id, uid, attempt }: JobRef): Promise<boolean> => {
    const item = await queue.lookup(id)
    return item?.stage === 'PROCESSING' && item.uid === uid && item.attempt === attempt
  }
  return {
    pollAllStatus: async (...args) => {
      const seen = new Map<string, JobReport>()
      for (const [id, { earlier: _, ...report }] of await worker.pollAllStatus(...args)) {
        if (await isAwaited({ id, ...report })) seen.set(id, report)
      }
      return seen
    },
    lookupJob: async (job) => ((await isAwaited(job)) ? worker.lookupJob?.(job) : undefined),
  }
}

function unfencedDocument(queue: Queue, name: string): ReturnType<Queue['document']> {
  const inner = queue.document(name)
  return {
    name,
    read: () => inner.read(),
    write: (value, { ifVersion }) => inner.write(value, { ifVersion }),
    remove: () => inner.remove(),
  }
}

function lacking<T extends object>(object: T, field: keyof T): T {
  const rest = { ...object }
  Reflect.deleteProperty(rest, field)
  return rest
}

function settling(queue: Queue, change: (move: Settlement) => Settlement): Partial<Queue> {
  return { settle: (moves) => queue.settle(moves.map(change)) }
}

function without(move: Settlement, fields: readonly (keyof Settlement)[]): Settlement {
  const rest = { ...move }
  for (const field of fields) Reflect.deleteProperty(rest, field)
  return rest
}

async function recoded<T>(call: Promise<T>, code: 'SLUICE_JOB_REJECTED'): Promise<T> {
  return call.catch((error: unknown) => {
    throw isSluiceError(error) ? new SluiceError(code, error.message) : error
  })
}

async function concerned<T>(call: Promise<T>, concerns: 'item' | 'worker'): Promise<T> {
  return call.catch((error: unknown) => {
    throw isSluiceError(error) ? new SluiceError(error.code, error.message, { concerns }) : error
  })
}

/** As one that is out of reach, and comes back who knows when. */
async function down<T>(call: Promise<T>): Promise<T> {
  return call.catch((error: unknown) => {
    const options = { concerns: 'worker', retryAfterMs: 30_000 } as const
    throw isSluiceError(error) ? new SluiceError(error.code, error.message, options) : error
  })
}

const SELDOM_MS = 60_000

function seldom({ control }: Queue, nowMs: () => number): () => Promise<ControlState> {
  let known: { readonly state: ControlState; readonly atMs: number } | undefined
  return async () => {
    if (known === undefined || nowMs() - known.atMs > SELDOM_MS)
      known = { state: await control.read(), atMs: nowMs() }
    return known.state
  }
}
