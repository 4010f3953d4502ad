import { broken, changed, endless, type WorkerMutant } from './worker-mutant.js'

/** Workers that break what is promised of cancels and of their close. */
export const stopMutants: readonly WorkerMutant[] = [
  broken('cancel-ignored', 'cancelJob does nothing', {
    breaks: ['W-STOP-1'],
    change: () => () => ({ cancelJob: async () => undefined }),
  }),
  broken('cancelled-vanishes', 'a cancelled job is gone without a report of its end', {
    breaks: ['W-STOP-1', 'W-STOP-1/b'],
    change: () => (inner) => ({
      cancelJob: async (job, reason) => {
        await inner.cancelJob?.(job, reason)
        await inner.acknowledgeJobs?.([job])
      },
    }),
  }),
  broken('cancelled-unnoted', 'a job that ends well although it was cancelled does not say so', {
    breaks: ['W-STOP-1'],
    change: () => (inner) => ({
      pollAllStatus: () =>
        changed(inner, ({ uid, attempt, stage }) =>
          stage === 'FAIL' ? { uid, attempt, stage: 'SUCCESS' } : { uid, attempt, stage },
        ),
    }),
  }),
  broken('cancel-waits', 'a job that is pending is not cancelled', {
    breaks: ['W-STOP-1/b'],
    change: () => (inner) => ({
      cancelJob: async (job, reason) => {
        const report = (await inner.pollAllStatus()).get(job.id)
        if (report?.pending !== true) await inner.cancelJob?.(job, reason)
      },
    }),
  }),
  broken('cancel-by-id', 'cancelJob ends whatever attempt of the item runs', {
    breaks: ['W-STOP-1/a'],
    change: () => (inner) => ({
      cancelJob: async ({ id, ...rest }, reason) => {
        const { uid, attempt } = (await inner.pollAllStatus()).get(id) ?? rest
        await inner.cancelJob?.({ id, uid, attempt }, reason)
      },
    }),
  }),
  broken('close-ignored', 'close does nothing', {
    breaks: ['W-CLOSE-1'],
    change: () => () => ({ close: async () => undefined, [Symbol.asyncDispose]: async () => undefined }),
  }),
  broken('watch-deaf', 'watch does not hear its signal', {
    breaks: ['W-CLOSE-1/a'],
    change: () => (inner) => ({
      watch: () => inner.watch?.() ?? { [Symbol.asyncIterator]: endless },
    }),
  }),
  broken('signal-unread', 'polls and look-ups take no notice of their signals', {
    breaks: ['W-SIGNAL-1'],
    change: () => (inner) => ({
      pollAllStatus: (awaited) => inner.pollAllStatus(awaited),
      lookupJob: async (job) => inner.lookupJob?.(job),
    }),
  }),
  broken('signal-shared', 'a call whose signal aborted ends the later ones too', {
    breaks: ['W-SIGNAL-1'],
    change: () => {
      let aborted: AbortSignal | undefined
      return (inner) => ({
        pollAllStatus: async (awaited, options) => {
          if (aborted?.aborted === true) throw aborted.reason
          aborted = options?.signal
          return inner.pollAllStatus(awaited, options)
        },
      })
    },
  }),
]
