import type { Queue, Worker } from '@sluice/core'
import { broken, forgottenDocument, onQueue, type EngineMutant } from './engine-mutant.js'
import { wrapWorker } from '../../worker/worker-wrapping.js'

/** Engines whose dispatch policies are broken. */
export const enginePolicyMutants: readonly EngineMutant[] = [
  broken(['ends-what-is-too-much', 'it ends jobs that run beyond a live limit'], ['E-LIMIT-1'], {
    settings: (own) => ({ ...own, worker: wrapWorker(own.worker, endingWorker(own)) }),
  }),
  broken(['a-rate-of-one-more', 'it claims one more in a window than the rate allows'], ['E-RATE-1'], {
    settings: ({ rate, ...own }) =>
      rate === undefined ? own : { ...own, rate: { ...rate, count: rate.count + 1 } },
  }),
  broken(['a-rate-of-its-own', 'it does not record claims for later engines'], ['E-RATE-1/b'], {
    ...onQueue((queue) => ({
      document: (name) => (name === 'engine/policy' ? forgottenDocument(name) : queue.document(name)),
    })),
  }),
  broken(['knows-no-resources', 'it starts items whatever they use'], ['E-BUDGET-1'], {
    settings: (own) => {
      const careless = { ...own }
      Reflect.deleteProperty(careless, 'resources')
      return careless
    },
  }),
  broken(['starves-large-items', 'it lets any number of items pass one that waits'], ['E-BUDGET-1/b'], {
    settings: ({ resources, ...own }) =>
      resources === undefined ? own : { ...own, resources: { ...resources, maxPassed: 1_000 } },
  }),
  broken(['one-more-of-each-key', 'it starts one more job of each key'], ['E-KEY-1'], {
    settings: ({ perKey, ...own }) => (perKey === undefined ? own : { ...own, perKey: perKey + 1 }),
  }),
  broken(['always-open', 'it knows no time windows'], ['E-WINDOW-1'], {
    settings: (own) => {
      const open = { ...own }
      Reflect.deleteProperty(open, 'windows')
      return open
    },
  }),
  broken(['knows-no-memory', 'it sees the load of the machine alone'], ['E-MACHINE-1'], {
    settings: ({ machine, ...own }) =>
      machine === undefined
        ? own
        : {
            ...own,
            machine: { ...machine, loadPerCore: () => machine.loadPerCore(), availableBytes: () => 1e9 },
          },
  }),
]

/** With each poll it ends the jobs beyond the live limit. */
function endingWorker({ queue, worker }: { queue: Queue; worker: Worker }): Partial<Worker> {
  return {
    pollAllStatus: async (...args) => {
      const reports = await worker.pollAllStatus(...args)
      const { limits } = await queue.control.read()
      const running = [...reports].filter(([, { stage }]) => stage === 'PROCESSING')
      for (const [id, { uid, attempt }] of running.slice(limits['maxProcessing'] ?? running.length))
        await worker.cancelJob?.({ id, uid, attempt }, 'the limit was lowered')
      return worker.pollAllStatus(...args)
    },
  }
}
