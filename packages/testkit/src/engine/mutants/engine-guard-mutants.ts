import { SluiceError, isSluiceError, type Queue, type Worker } from '@sluice/core'
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
  broken(['counts-for-itself', 'its counts and its pause are not stored'], ['E-GUARD-1/d', 'E-GUARD-3'], {
    ...onQueue((queue) => ({
      document: (name) => (name === 'engine/guards' ? forgottenDocument(name) : queue.document(name)),
    })),
  }),
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
  broken(['never-forgives', 'a success in between does not end a row'], ['E-GUARD-1/c'], {
    ...onQueue((queue) => ({
      document: (name) => (name === 'engine/guards' ? growingDocument(queue, name) : queue.document(name)),
    })),
  }),
]

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
