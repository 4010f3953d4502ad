import { SluiceError, isSluiceError, type JsonValue, type Queue, type Worker } from '@sluice/core'
import { broken, forgottenDocument, handedOn, onQueue, onWorker, type EngineMutant } from './engine-mutant.js'
import { wrapWorker } from '../../worker/worker-wrapping.js'

/** Engines whose guards are broken. */
export const engineGuardMutants: readonly EngineMutant[] = [
  broken(
    ['never-pauses', 'it counts, and does not pause the queue'],
    ['E-GUARD-1', 'E-GUARD-1/b', 'E-GUARD-2'],
    {
      ...onQueue((queue) => ({ control: { ...handedOn(queue), pause: async () => undefined } })),
    },
  ),
  broken(['takes-each-for-another', 'it takes every rejection for a different one'], ['E-GUARD-1'], {
    settings: (own) => {
      let sends = 0
      const sendJob: Worker['sendJob'] = (...args) =>
        own.worker.sendJob(...args).catch((error: unknown) => {
          sends += 1
          throw isSluiceError(error)
            ? new SluiceError(error.code, `${wordOf(sends)} ${error.message}`)
            : error
        })
      return { ...own, worker: wrapWorker(own.worker, { sendJob }) }
    },
  }),
  broken(
    ['counts-for-itself', 'its counts and its pause are not stored'],
    ['E-GUARD-1/d', 'E-GUARD-3', 'E-GUARD-7', 'E-GUARD-9/b'],
    {
      ...onQueue((queue) => ({
        document: (name) => (name === 'engine/guards' ? forgottenDocument(name) : queue.document(name)),
      })),
    },
  ),
  broken(['pauses-for-any-error', 'it takes every error for a refused start'], ['E-GUARD-2/b'], {
    ...onWorker((worker) => ({
      pollAllStatus: async (...args) => {
        const reports = await worker.pollAllStatus(...args)
        return new Map(
          [...reports].map(([id, report]) => [id, { ...report, startedAt: report.finishedAt ?? 0 }]),
        )
      },
    })),
  }),
  broken(
    ['starts-all-at-once', 'the first items do not start alone'],
    ['E-GUARD-4', 'E-GUARD-4/b', 'E-GUARD-4/c', 'E-GUARD-5'],
    { settings: (own) => ({ ...own, canary: 0 }) },
  ),
  broken(
    ['never-opens', 'nothing opens the breaker'],
    ['E-GUARD-1', 'E-GUARD-2', 'E-GUARD-4', 'E-GUARD-6', 'E-GUARD-7', 'E-GUARD-8'],
    { settings: (own) => ({ ...own, breaker: 'off' }) },
  ),
  broken(['opens-early', 'half as many failures open the breaker'], ['E-GUARD-6/b'], {
    settings: ({ breaker, ...own }) => ({
      ...own,
      ...(breaker === undefined
        ? {}
        : { breaker: breaker === 'off' ? breaker : { ...breaker, failures: '10%' } }),
    }),
  }),
  broken(['stays-open', 'nothing is tried after the breaker has opened'], ['E-GUARD-8'], {
    settings: ({ breaker, ...own }) => {
      if (breaker === undefined || breaker === 'off') return own
      const { halfOpenMs: _, ...rest } = breaker
      return { ...own, breaker: rest }
    },
  }),
  broken(['counts-twice', 'an end that is reported again counts again'], ['E-GUARD-9'], {
    ...onQueue((queue) => ({
      document: (name) => (name === 'engine/guards' ? withoutCounted(queue, name) : queue.document(name)),
    })),
  }),
  broken(['never-forgives', 'a success in between does not end a row'], ['E-GUARD-1/c'], {
    ...onQueue((queue) => ({
      document: (name) => (name === 'engine/guards' ? growingDocument(queue, name) : queue.document(name)),
    })),
  }),
]

/** Which ends were counted is not stored. */
function withoutCounted(queue: Queue, name: string): ReturnType<Queue['document']> {
  const inner = queue.document(name)
  return {
    name,
    read: () => inner.read(),
    remove: () => inner.remove(),
    write: (value, options) => inner.write(isObject(value) ? { ...value, counted: null } : value, options),
  }
}

function isObject(value: JsonValue): value is { readonly [key: string]: JsonValue } {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

/** What was counted once is there for good. */
function growingDocument(queue: Queue, name: string): ReturnType<Queue['document']> {
  const inner = queue.document(name)
  return {
    name,
    read: () => inner.read(),
    remove: () => inner.remove(),
    write: async (value, options) => {
      const hasRows = typeof value === 'object' && value !== null && 'rows' in value && isFilled(value.rows)
      return hasRows ? inner.write(value, options) : false
    },
  }
}

function isFilled(rows: unknown): boolean {
  return Array.isArray(rows) && rows.length > 0
}

/** Words that no rule takes for numbers. */
function wordOf(number: number): string {
  return Array.from(String(number), (digit) => 'abcdefghij'[Number(digit)]).join('')
}
