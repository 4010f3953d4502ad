import { SluiceError, isSluiceError } from '@sluice/core'
import { broken, type WorkerMutant } from './worker-mutant.js'

/** Workers that break what is promised of `checkItem`. */
export const checkMutants: readonly WorkerMutant[] = [
  broken('check-sends', 'a check sends the item', {
    breaks: ['W-CHECK-1'],
    change: () => (inner) => ({
      checkItem: (id, body) => inner.sendJob(id, body, { uid: 'check', attempt: 1, queue: inner.name }),
    }),
  }),
  broken('check-passes-all', 'a check finds every item fine', {
    breaks: ['W-CHECK-1/a', 'W-CHECK-1/d'],
    change: () => () => ({ checkItem: async () => undefined }),
  }),
  broken('check-rejects-in-trouble', 'a check that gets no answer rejects the item', {
    breaks: ['W-CHECK-1/b', 'W-CHECK-1/c', 'W-CHECK-1/d'],
    change: () => (inner) => ({
      checkItem: async (id, body) => {
        await inner.checkItem?.(id, body).catch((error: unknown) => {
          throw new SluiceError('SLUICE_JOB_REJECTED', isSluiceError(error) ? error.message : 'no answer')
        })
      },
    }),
  }),
  broken('check-stays-in-doubt', 'after one item that is rejected every other is, too', {
    breaks: ['W-CHECK-1/a'],
    change: () => {
      let isInDoubt = false
      return (inner) => ({
        checkItem: async (id, body) => {
          if (isInDoubt) throw new SluiceError('SLUICE_JOB_REJECTED', 'as the last one')
          await inner.checkItem?.(id, body).catch((error: unknown) => {
            isInDoubt = true
            throw error
          })
        },
      })
    },
  }),
]
