import type { Worker } from '@sluice/core'

/** A worker that hands every call to another one, save those that are given. */
export function wrapWorker(inner: Worker, changes: Partial<Worker>): Worker {
  return {
    name: inner.name,
    supports: inner.supports,
    // Read each time: a worker may find it out with its first poll.
    get identity() {
      return inner.identity
    },
    sendJob: (...args) => inner.sendJob(...args),
    ...(inner.sendMany && { sendMany: async (jobs) => inner.sendMany?.(jobs) ?? [] }),
    pollAllStatus: (...args) => inner.pollAllStatus(...args),
    ...(inner.lookupJob && { lookupJob: async (job, options) => inner.lookupJob?.(job, options) }),
    ...(inner.cancelJob && { cancelJob: async (job, reason) => inner.cancelJob?.(job, reason) }),
    ...(inner.acknowledgeJobs && { acknowledgeJobs: async (jobs) => inner.acknowledgeJobs?.(jobs) }),
    ...(inner.probeSend && { probeSend: async (sample) => inner.probeSend?.(sample) }),
    ...(inner.checkItem && { checkItem: async (id, body) => inner.checkItem?.(id, body) }),
    ...(inner.watch && { watch: (options) => inner.watch?.(options) ?? nothing() }),
    ...(inner.readLog && { readLog: (job, options) => inner.readLog?.(job, options) ?? nothing() }),
    ...(inner.check && { check: async (use) => inner.check?.(use) }),
    close: () => inner.close(),
    [Symbol.asyncDispose]: () => inner[Symbol.asyncDispose](),
    ...changes,
  }
}

async function* nothing(): AsyncGenerator<never, void, undefined> {
  // The wake signals, or the log, of a worker that has none.
}
