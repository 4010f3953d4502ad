import { SluiceError, type JobReports, type Queue, type Worker } from '@sluice/core'
import { SecretRegistry } from '@sluice/core/backend'
import { openQueue } from '@sluice/queue-memory'
import { openWorker } from '@sluice/worker-dummy'
import { expect, test } from 'vitest'
import { guardedQueuePackage, guardedWorker } from '../../src/packages/guarded.js'

const JOB = { id: 'a', uid: 'u', attempt: 1 }

function secretsOf(...values: string[]): SecretRegistry {
  const secrets = new SecretRegistry()
  for (const value of values) secrets.add(value)
  return secrets
}

/** A dummy worker with some of its methods replaced. */
async function workerWith(changes: Partial<Worker>): Promise<Worker> {
  return Object.assign(await openWorker({ name: 'tiles' }), changes)
}

test('a guarded worker passes on the arguments of polls and look-ups', async () => {
  const given: unknown[] = []
  const worker = await workerWith({
    pollAllStatus: async (...args) => {
      given.push(args)
      const reports: JobReports = new Map()
      return reports
    },
    lookupJob: async (...args) => void given.push(args),
  })
  const guarded = guardedWorker(worker, secretsOf())
  const { signal } = new AbortController()
  await guarded.pollAllStatus([JOB], { signal })
  await guarded.lookupJob?.(JOB, { signal })
  expect(given).toEqual([
    [[JOB], { signal }],
    [JOB, { signal }],
  ])
})

test('the outcomes of sendMany, which are values, show no secret', async () => {
  const worker = await workerWith({
    sendMany: async () => [
      undefined,
      new SluiceError('SLUICE_WORKER_DENIED', 'the token hunter2hunter2 was refused'),
    ],
  })
  const job = { attempt: 1, uid: 'u', queue: 'tiles' }
  const outcomes = await guardedWorker(worker, secretsOf('hunter2hunter2')).sendMany?.([
    { id: 'a', body: 1, job },
    { id: 'b', body: 2, job },
  ])
  expect(outcomes?.[0]).toBeUndefined()
  expect(outcomes?.[1]?.message).toBe('the token [secret] was refused')
})

async function openDenied(): Promise<Queue> {
  return Object.assign(await openQueue({ name: 'tiles' }), {
    peek: async () => {
      throw new SluiceError('SLUICE_QUEUE_DENIED', 'the token hunter2hunter2 was refused')
    },
  })
}

test('a queue shows no secret in its errors, whichever function opened it', async () => {
  const both = { openQueue: openDenied, openIfExists: openDenied }
  const found = guardedQueuePackage(both, secretsOf('hunter2hunter2'))
  for (const queue of [await found.openQueue({}), await found.openIfExists?.({})])
    await expect(queue?.peek(1)).rejects.toThrow('the token [secret] was refused')
  expect(guardedQueuePackage({ openQueue: openDenied }, secretsOf()).openIfExists).toBeUndefined()
})
