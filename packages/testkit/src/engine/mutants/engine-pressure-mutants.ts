import { wrapWorker } from '../../worker/worker-wrapping.js'
import { broken, forgottenDocument, onQueue, onWorker, type EngineMutant } from './engine-mutant.js'

/** Engines whose backpressure is broken. */
export const enginePressureMutants: readonly EngineMutant[] = [
  broken(
    ['insists', 'it fills every place, whatever the worker does'],
    ['E-PRESS-1', 'E-PRESS-1/b', 'E-PRESS-1/c'],
    { settings: (own) => ({ ...own, backpressure: 'off' }) },
  ),
  broken(['takes-pending-for-running', 'it does not see which jobs are pending'], ['E-PRESS-1/b'], {
    ...onWorker((worker) => ({
      pollAllStatus: async (...args) =>
        new Map(
          [...(await worker.pollAllStatus(...args))].map(([id, report]) => [
            id,
            { ...report, pending: false },
          ]),
        ),
    })),
  }),
  broken(['never-returns', 'the worker pushes back for good'], ['E-PRESS-1'], {
    settings: (own) => {
      let refused = false
      const sendJob: typeof own.worker.sendJob = (...args) =>
        own.worker.sendJob(...args).catch((error: unknown) => {
          refused = true
          throw error
        })
      const policed = wrapWorker(own.worker, {
        sendJob,
        pollAllStatus: async (...args) =>
          new Map(
            [...(await own.worker.pollAllStatus(...args))].map(([id, report]) => [
              id,
              refused && report.stage === 'PROCESSING' ? { ...report, pending: true } : report,
            ]),
          ),
      })
      return { ...own, worker: policed }
    },
  }),
  broken(['keeps-silent', 'its ticks do not say that the worker pushes back'], ['E-PRESS-2'], {
    engine: (engine) => ({
      stop: () => engine.stop(),
      run: (signal) => engine.run(signal),
      tick: async () => {
        const tick = await engine.tick()
        return { ...tick, holdups: tick.holdups.filter(({ code }) => code !== 'backpressure') }
      },
    }),
  }),
  broken(['begins-at-the-cap', 'what the limit was lowered to is not recorded'], ['E-PRESS-3'], {
    ...onQueue((queue) => ({
      document: (name) => (name === 'engine/dispatcher' ? forgottenDocument(name) : queue.document(name)),
    })),
  }),
]
