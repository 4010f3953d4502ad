import { SluiceError, isSluiceError, type NewJob, type Worker } from '@sluice/core'
import { broken, ignoreTypeError, type WorkerMutant } from './worker-mutant.js'

type Outcomes = readonly (SluiceError | undefined)[]

/** Workers that break what is promised of `sendMany`. */
export const sendManyMutants: readonly WorkerMutant[] = [
  broken('many-starts-again', 'sendMany starts what an earlier call of either kind has started', {
    breaks: ['W-SEND-1/f', 'W-SEND-1/g', 'W-SEND-1/h', 'W-SEND-1/i', 'W-SEND-1/j'],
    change: () => {
      const sent = new Set<string>()
      const isFirst = (id: string, uid: string, attempt: number): boolean => {
        const key = JSON.stringify([id, uid, attempt])
        const first = !sent.has(key)
        sent.add(key)
        return first
      }
      return (inner) => ({
        sendJob: async (id, body, job) => {
          isFirst(id, job.uid, job.attempt)
          await inner.sendJob(id, body, job)
        },
        sendMany: async (jobs) => {
          const again = jobs.filter(({ id, job }) => !isFirst(id, job.uid, job.attempt))
          const outcomes = await many(inner, jobs)
          // The repeats are started as jobs of other attempts, which the harness then counts with these.
          for (const { id, body, job } of again)
            await inner.sendJob(id, body, { ...job, attempt: job.attempt + 1_000 })
          return outcomes
        },
      })
    },
  }),
  broken('many-loses-last', 'of several jobs of one call the last is not sent', {
    breaks: ['W-SEND-3'],
    change: () => (inner) => ({
      sendMany: async (jobs) => {
        if (jobs.length < 2) return many(inner, jobs)
        return [...(await many(inner, jobs.slice(0, -1))), undefined]
      },
    }),
  }),
  broken('many-out-of-order', 'the outcomes of sendMany come in the order of the errors first', {
    breaks: ['W-SEND-3/a', 'W-SEND-3/b'],
    change: () => (inner) => ({
      sendMany: async (jobs) =>
        (await many(inner, jobs)).toSorted(
          (one, other) => Number(other !== undefined) - Number(one !== undefined),
        ),
    }),
  }),
  broken('many-stands-or-falls', 'one refused job rejects the whole call, although others were sent', {
    breaks: ['W-SEND-3/a', 'W-SEND-3/b', 'W-SEND-3/d'],
    change: () => (inner) => ({
      sendMany: async (jobs) => {
        const outcomes = await many(inner, jobs)
        const error = outcomes.find((outcome) => outcome !== undefined)
        if (error !== undefined) throw error
        return outcomes
      },
    }),
  }),
  broken('many-stops-early', 'the first refused job ends the call, and those after it get its error', {
    breaks: ['W-SEND-3/a', 'W-SEND-3/b'],
    change: () => (inner) => ({
      sendMany: async (jobs) => {
        const outcomes: (SluiceError | undefined)[] = []
        let first: SluiceError | undefined
        for (const job of jobs) {
          first ??= (await many(inner, [job]))[0]
          outcomes.push(first)
        }
        return outcomes
      },
    }),
  }),
  broken('many-swallows', 'sendMany says of every job that it was sent', {
    breaks: ['W-SEND-3/a', 'W-SEND-3/b', 'W-SEND-3/c', 'W-SEND-3/d', 'W-SEND-3/e', 'W-SEND-3/f'],
    change: () => (inner) => ({
      sendMany: async (jobs) => {
        await many(inner, jobs).catch(ignoreSluiceError)
        return jobs.map(() => undefined)
      },
    }),
  }),
  broken('many-concerns-unsaid', 'no outcome of sendMany says whose trouble it is', {
    breaks: ['W-SEND-3/b', 'W-SEND-3/c', 'W-SEND-3/d', 'W-SEND-3/e'],
    change: () => (inner) => ({
      sendMany: async (jobs) =>
        (await many(inner, jobs)).map((error) => error && new SluiceError(error.code, error.message)),
    }),
  }),
  broken('many-rejects-items', 'an outage is at each place a rejection of the item', {
    breaks: ['W-SEND-3/c', 'W-SEND-3/e'],
    change: () => (inner) => ({
      sendMany: async (jobs) =>
        (await many(inner, jobs)).map(
          (error) => error && new SluiceError('SLUICE_JOB_REJECTED', error.message, { concerns: 'worker' }),
        ),
    }),
  }),
  broken('many-keeps-refused', 'what sendMany refused is sent later all the same', {
    breaks: ['W-SEND-3/b', 'W-SEND-3/c', 'W-SEND-3/d'],
    change: () => {
      const kept: NewJob[] = []
      return (inner) => ({
        sendMany: async (jobs) => {
          const outcomes = await many(inner, jobs)
          kept.push(...jobs.filter((_, index) => outcomes[index] !== undefined))
          return outcomes
        },
        pollAllStatus: async () => {
          for (const job of kept.splice(0)) {
            const [error] = await many(inner, [job])
            if (error !== undefined) kept.push(job)
          }
          return inner.pollAllStatus()
        },
      })
    },
  }),
  broken('many-unchecked', 'sendMany sends what it can make of its arguments', {
    breaks: ['W-SEND-3/g'],
    change: () => (inner) => ({
      sendMany: async (jobs) => {
        await inner.sendMany?.(jobs).catch(ignoreTypeError)
        return jobs.map(() => undefined)
      },
    }),
  }),
  broken('many-after-close', 'sendMany works after close', {
    breaks: ['W-SEND-3/h'],
    change: () => (inner) => ({
      sendMany: async (jobs) => {
        await many(inner, jobs).catch(ignoreSluiceError)
        return jobs.map(() => undefined)
      },
    }),
  }),
]

/** The outcomes of the call; the error of one that rejects as a whole at each place. */
async function many(inner: Worker, jobs: readonly NewJob[]): Promise<Outcomes> {
  const outcomes = inner.sendMany?.(jobs) ?? Promise.resolve([])
  return outcomes.catch((error: unknown) => {
    if (!isSluiceError(error) || error.code === 'SLUICE_WORKER_CLOSED') throw error
    return jobs.map(() => error)
  })
}

function ignoreSluiceError(error: unknown): Outcomes {
  if (!isSluiceError(error)) throw error
  return []
}
