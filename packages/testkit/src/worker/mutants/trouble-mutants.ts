import { SluiceError, type JsonValue, type JobSpec, type Worker } from '@sluice/core'
import { broken, reconcerned, type WorkerMutant } from './worker-mutant.js'

type SendArguments = [id: string, body: JsonValue, job: JobSpec]

/** Workers that break what is promised of refused sends and of probes. */
export const troubleMutants: readonly WorkerMutant[] = [
  broken('concerns-unsaid', 'no error says whose trouble it is', {
    breaks: ['W-SEND-2/b', 'W-SEND-2/e', 'W-SEND-2/f', 'W-SEND-2/g'],
    change: () => (inner) => ({
      sendJob: (...args) => reconcerned(inner.sendJob(...args), () => undefined),
    }),
  }),
  broken('item-as-worker', 'the trouble of an item is said to be the worker’s', {
    breaks: ['W-SEND-2/e'],
    change: () => (inner) => ({
      sendJob: (...args) =>
        reconcerned(inner.sendJob(...args), (concerns) => (concerns === 'item' ? 'worker' : concerns)),
    }),
  }),
  broken('worker-as-item', 'the trouble of the worker is said to be the item’s', {
    breaks: ['W-SEND-2/b', 'W-SEND-2/f'],
    change: () => (inner) => ({
      sendJob: (...args) =>
        reconcerned(inner.sendJob(...args), (concerns) => (concerns === 'worker' ? 'item' : concerns)),
    }),
  }),
  broken('full-as-down', 'a worker that takes no more says that it is in trouble', {
    breaks: ['W-SEND-2/g'],
    change: () => (inner) => ({
      sendJob: (...args) =>
        reconcerned(inner.sendJob(...args), (concerns) => (concerns === 'capacity' ? 'worker' : concerns)),
    }),
  }),
  broken('trouble-spreads', 'after one refusal of an item nothing else is sent', {
    breaks: ['W-SEND-2/e'],
    change: () => {
      let isStopped = false
      return (inner) => ({
        sendJob: async (...args) => {
          if (isStopped) throw new SluiceError('SLUICE_WORKER_UNAVAILABLE', 'one was refused')
          await inner.sendJob(...args).catch((error: unknown) => {
            isStopped = true
            throw error
          })
        },
      })
    },
  }),
  broken('refused-and-kept', 'what was refused is sent later all the same', {
    breaks: ['W-SEND-2/e', 'W-SEND-2/f', 'W-SEND-2/g'],
    change: () => {
      const kept: SendArguments[] = []
      return (inner) => ({
        sendJob: async (...args) =>
          inner.sendJob(...args).catch((error: unknown) => {
            kept.push(args)
            throw error
          }),
        pollAllStatus: async () => {
          await sendAgain(inner, kept)
          return inner.pollAllStatus()
        },
      })
    },
  }),
  broken('full-and-deaf', 'a worker that takes no more answers no polls', {
    breaks: ['W-SEND-2/g'],
    change: () => {
      let isFull = false
      return (inner) => ({
        sendJob: async (...args) => {
          isFull = false
          await inner.sendJob(...args).catch((error: unknown) => {
            isFull = true
            throw error
          })
        },
        pollAllStatus: async () => {
          if (!isFull) return inner.pollAllStatus()
          throw new SluiceError('SLUICE_WORKER_UNAVAILABLE', 'it takes no more')
        },
      })
    },
  }),
  broken('probe-sends', 'a probe sends the sample as a job', {
    breaks: ['W-PROBE-1', 'W-PROBE-1/a', 'W-PROBE-1/b', 'W-PROBE-1/c'],
    change: () => (inner) => ({
      probeSend: async (sample = { id: 'probe', body: null }) => {
        await inner.sendJob(sample.id, sample.body, { uid: 'probe', attempt: 1, queue: inner.name })
      },
    }),
  }),
  broken('probe-reads', 'a probe reads something instead', {
    breaks: ['W-PROBE-1/b'],
    change: () => (inner) => ({
      probeSend: async () => {
        await inner.pollAllStatus()
      },
    }),
  }),
  broken('probe-needs-sample', 'a probe without a sample never succeeds', {
    breaks: ['W-PROBE-1'],
    change: () => (inner) => ({
      probeSend: async (sample) => {
        if (sample === undefined) throw new SluiceError('SLUICE_WORKER_UNAVAILABLE', 'no sample')
        await inner.probeSend?.(sample)
      },
    }),
  }),
  broken('probe-concerns-unsaid', 'a probe that fails does not say whose trouble it is', {
    breaks: ['W-PROBE-1/a', 'W-PROBE-1/b'],
    change: () => (inner) => ({
      probeSend: async (sample) => reconcerned(probed(inner, sample), () => undefined),
    }),
  }),
  broken('probe-undisturbed', 'a probe always succeeds', {
    breaks: ['W-PROBE-1/a', 'W-PROBE-1/b', 'W-PROBE-1/d'],
    change: () => () => ({ probeSend: async () => undefined }),
  }),
]

async function probed(inner: Worker, sample: Parameters<NonNullable<Worker['probeSend']>>[0]): Promise<void> {
  await inner.probeSend?.(sample)
}

async function sendAgain(inner: Worker, kept: SendArguments[]): Promise<void> {
  for (const args of kept.splice(0)) {
    await inner.sendJob(...args).catch(() => {
      // It is tried again at the next poll.
      kept.push(args)
    })
  }
}
