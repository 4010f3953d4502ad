import type { JobOverrides } from '@sluice/core'
import { broken, forgottenDocument, onQueue, onWorker, type EngineMutant } from './engine-mutant.js'
import { wrapWorker } from '../../worker/worker-wrapping.js'

/** Engines that break what is promised of escalation, deadlines and stragglers. */
export const engineRetryMutants: readonly EngineMutant[] = [
  broken(
    ['never-escalates', 'every attempt has the first value'],
    ['E-ESCALATE-1', 'E-ESCALATE-1/c', 'E-ESCALATE-1/d'],
    {
      ...onWorker((worker) => {
        let first: JobOverrides | undefined
        return {
          sendJob: async (id, body, job) => {
            first ??= job.overrides
            await worker.sendJob(id, body, { ...job, ...(first === undefined ? {} : { overrides: first }) })
          },
        }
      }),
    },
  ),
  broken(['escalates-on-all', 'every failure escalates'], ['E-ESCALATE-1'], {
    settings: (own) => {
      const escalate = own.retryRules?.find((rule) => rule.escalate !== undefined)?.escalate
      if (escalate === undefined) return own
      return { ...own, retryRules: own.retryRules?.map((rule) => ({ ...rule, escalate })) ?? [] }
    },
  }),
  broken(
    ['forgets-the-value', 'only the running engine knows the value of the next attempt'],
    ['E-ESCALATE-1/b'],
    {
      ...onQueue((queue) => ({
        settle: (moves) =>
          queue.settle(
            moves.map((move) => {
              const { retryState: _, ...rest } = move
              return move.stage === 'WAITING' ? rest : move
            }),
          ),
      })),
    },
  ),
  broken(['forgets-when-refused', 'a refused send takes the value away'], ['E-ESCALATE-1/c'], {
    ...onQueue((queue) => ({
      settle: (moves) =>
        queue.settle(
          moves.map((move) => {
            const { retryState: _, ...rest } = move
            return move.unsent === true ? rest : move
          }),
        ),
    })),
  }),
  broken(['never-begins-again', 'an item keeps its largest value for ever'], ['E-ESCALATE-1/d'], {
    settings: (own) => {
      const largest = new Map<string, JobOverrides>()
      return {
        ...own,
        worker: wrapWorker(own.worker, {
          sendJob: async (id, body, job) => {
            const before = largest.get(id)
            const overrides = sizeOf(before) > sizeOf(job.overrides) ? before : job.overrides
            if (overrides !== undefined) largest.set(id, overrides)
            await own.worker.sendJob(id, body, { ...job, ...(overrides === undefined ? {} : { overrides }) })
          },
        }),
      }
    },
  }),
  broken(
    ['no-deadlines', 'it has no deadlines'],
    ['E-DEADLINE-1', 'E-DEADLINE-1/b', 'E-DEADLINE-2', 'E-DEADLINE-2/b'],
    {
      settings: (own) => ({ ...own, deadlines: {} }),
    },
  ),
  broken(
    ['times-by-itself', 'each engine times jobs from its own start, and knows its own cancels'],
    ['E-DEADLINE-1/b', 'E-DEADLINE-1/c'],
    {
      ...onQueue((queue) => ({
        document: (name) => (name === 'engine/clocks' ? forgottenDocument(name) : queue.document(name)),
      })),
    },
  ),
  broken(['marks-only', 'it retries no straggler'], ['E-STRAGGLER-1'], {
    settings: (own) =>
      own.stragglers === undefined ? own : { ...own, stragglers: { ...own.stragglers, action: 'mark' } },
  }),
  broken(['retries-every-straggler', 'it retries where it should only mark'], ['E-STRAGGLER-1/b'], {
    settings: (own) =>
      own.stragglers === undefined ? own : { ...own, stragglers: { ...own.stragglers, action: 'retry' } },
  }),
  broken(['retries-again', 'a straggler is retried as often as it is one'], ['E-STRAGGLER-1'], {
    ...onQueue((queue) => ({
      settle: (moves) =>
        queue.settle(
          moves.map((move) => {
            const { retryState: _, ...rest } = move
            return move.countAttempt === false ? rest : move
          }),
        ),
    })),
  }),
]

function sizeOf(overrides: JobOverrides | undefined): number {
  return Number.parseInt(overrides?.['memory'] ?? '0', 10)
}
