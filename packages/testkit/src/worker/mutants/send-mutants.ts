import { broken, ignoreTypeError, recoded, type WorkerMutant } from './worker-mutant.js'

/** Workers that break what is promised of sends. */
export const sendMutants: readonly WorkerMutant[] = [
  broken('every-send-starts', 'each sendJob starts a job', {
    breaks: ['W-SEND-1', 'W-SEND-1/a', 'W-SEND-1/b', 'W-SEND-1/c', 'W-SEND-1/e'],
    change: () => {
      const sent = new Map<string, number>()
      return (inner) => ({
        sendJob: async (id, body, job) => {
          const key = JSON.stringify([id, job.uid, job.attempt])
          const count = (sent.get(key) ?? 0) + 1
          sent.set(key, count)
          await inner.sendJob(id, body, job)
          // The repeat is started as a job of another attempt, which the harness then counts with this one.
          if (count > 1) await inner.sendJob(id, body, { ...job, attempt: job.attempt + 1_000 })
        },
      })
    },
  }),
  broken('attempt-not-told-apart', 'all attempts of a uid are one job', {
    breaks: ['W-SEND-1/d', 'W-POLL-1/b', 'W-LOOK-1'],
    change: () => (inner) => ({
      sendJob: (id, body, job) => inner.sendJob(id, body, { ...job, attempt: 1 }),
    }),
  }),
  broken('id-shortened', 'ids are cut to eight characters', {
    breaks: ['W-SEND-2'],
    change: () => (inner) => ({
      sendJob: async (id, ...rest) => inner.sendJob(id.slice(0, 8).toWellFormed(), ...rest),
    }),
  }),
  broken('rejected-as-outage', 'an item that can never be accepted is reported as an outage', {
    breaks: ['W-SEND-2/a'],
    change: () => (inner) => ({
      sendJob: (...args) =>
        recoded(inner.sendJob(...args), 'SLUICE_JOB_REJECTED', 'SLUICE_WORKER_UNAVAILABLE'),
    }),
  }),
  broken('outage-as-rejection', 'an outage is reported as a rejection of the item', {
    breaks: ['W-SEND-2/b'],
    change: () => (inner) => ({
      sendJob: (...args) =>
        recoded(inner.sendJob(...args), 'SLUICE_WORKER_UNAVAILABLE', 'SLUICE_JOB_REJECTED'),
    }),
  }),
  broken('denied-as-outage', 'refused credentials are reported as an outage', {
    breaks: ['W-SEND-2/c'],
    change: () => (inner) => ({
      pollAllStatus: () =>
        recoded(inner.pollAllStatus(), 'SLUICE_WORKER_DENIED', 'SLUICE_WORKER_UNAVAILABLE'),
    }),
  }),
  broken('id-unchecked', 'sendJob takes any id', {
    breaks: ['W-SEND-2/d'],
    change: () => (inner) => ({
      sendJob: async (...args) => inner.sendJob(...args).catch(ignoreTypeError),
    }),
  }),
]
