import { isSluiceError, type JobRef, type ReadLogOptions, type Worker } from '@sluice/core'
import { broken, type WorkerMutant } from './worker-mutant.js'

type Log = AsyncIterable<Uint8Array>

/** Workers that break what is promised of their logs. */
export const logMutants: readonly WorkerMutant[] = [
  broken('log-lost', 'a log is empty, whatever was written', {
    breaks: ['W-LOG-1', 'W-LOG-1/a', 'W-LOG-1/b', 'W-LOG-1/e'],
    change: () => () => ({ readLog: () => only() }),
  }),
  broken('log-twice', 'what was written is given twice', {
    breaks: ['W-LOG-1', 'W-LOG-1/a'],
    change: () => (inner) => ({
      readLog: async function* (job, options) {
        for await (const chunk of logOf(inner, job, options)) yield* [chunk, chunk]
      },
    }),
  }),
  broken('log-of-all', 'the logs of all jobs are one', {
    breaks: ['W-LOG-1'],
    change: () => (inner) => ({
      readLog: async function* (job, options) {
        for (const [id, { uid, attempt }] of await inner.pollAllStatus())
          if (id !== job.id) yield* logOf(inner, { id, uid, attempt }, options)
        yield* logOf(inner, job, options)
      },
    }),
  }),
  broken('log-not-followed', 'it ends with what is there, follow or not', {
    breaks: ['W-LOG-1/a', 'W-LOG-1/b'],
    change: () => (inner) => ({
      readLog: (job, options) => logOf(inner, job, { ...options, follow: false }),
    }),
  }),
  broken('log-cut-at-the-end', 'one who follows is not given what was written last', {
    breaks: ['W-LOG-1/a'],
    change: () => (inner) => ({
      readLog: async function* (job, options) {
        const chunks: Uint8Array[] = []
        for await (const chunk of logOf(inner, job, options)) {
          const before = chunks.pop()
          if (before !== undefined) yield before
          chunks.push(chunk)
        }
      },
    }),
  }),
  broken('log-endless', 'one who follows waits for ever', {
    breaks: ['W-LOG-1/a', 'W-LOG-1/b'],
    change: () => (inner) => ({
      readLog: async function* (job, options = {}) {
        yield* logOf(inner, job, options)
        if (options.follow === true) await new Promise(() => undefined)
      },
    }),
  }),
  broken('log-whole', 'tailBytes is not known', {
    breaks: ['W-LOG-1/b', 'W-LOG-1/e'],
    change: () => (inner) => ({
      readLog: (job, { tailBytes: _tailBytes, ...options } = {}) => logOf(inner, job, options),
    }),
  }),
  broken('log-head', 'tailBytes gives the first bytes', {
    breaks: ['W-LOG-1/b', 'W-LOG-1/e'],
    change: () => (inner) => ({
      readLog: async function* (job, { tailBytes, ...options } = {}) {
        for await (const chunk of logOf(inner, job, options)) yield chunk.subarray(0, tailBytes)
      },
    }),
  }),
  broken('log-of-any-attempt', 'it is that of whatever attempt of the item runs', {
    breaks: ['W-LOG-1/c'],
    change: () => (inner) => ({
      readLog: async function* (job, options) {
        const { uid, attempt } = (await inner.pollAllStatus()).get(job.id) ?? job
        yield* logOf(inner, { ...job, uid, attempt }, options)
      },
    }),
  }),
  broken('log-of-none', 'a job that is not known has an empty log', {
    breaks: ['W-LOG-1/c'],
    change: () => (inner) => ({
      readLog: async function* (job, options) {
        try {
          yield* logOf(inner, job, options)
        } catch (error) {
          if (!isSluiceError(error, 'SLUICE_ITEM_NOT_FOUND')) throw error
        }
      },
    }),
  }),
  broken('log-deaf', 'it does not hear its signal', {
    breaks: ['W-LOG-1/d'],
    change: () => (inner) => ({
      readLog: (job, { signal: _signal, ...options } = {}) => logOf(inner, job, options),
    }),
  }),
  broken('log-cut-quietly', 'its signal ends it as if it were whole', {
    breaks: ['W-LOG-1/d'],
    change: () => (inner) => ({
      readLog: async function* (job, options) {
        try {
          yield* logOf(inner, job, options)
        } catch (error) {
          // This is what is broken about it.
          if (options?.signal?.aborted !== true) throw error
        }
      },
    }),
  }),
  broken('log-as-text', 'bytes that are no UTF-8 are replaced', {
    breaks: ['W-LOG-1/e'],
    change: () => (inner) => ({
      readLog: async function* (job, options) {
        for await (const chunk of logOf(inner, job, options))
          yield Buffer.from(Buffer.from(chunk).toString('utf8'))
      },
    }),
  }),
]

function logOf(inner: Worker, job: JobRef, options?: ReadLogOptions): Log {
  return inner.readLog?.(job, options) ?? only()
}

async function* only(...chunks: readonly Uint8Array[]): AsyncGenerator<Uint8Array, void, undefined> {
  yield* chunks
}
