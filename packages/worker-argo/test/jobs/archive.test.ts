import { ManualRuntime } from '@sluice/testkit'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import type { ArgoWorker, ArgoWorkerOptions } from '../../src/index.js'
import { isOutdated, newestOf, seenAfter } from '../../src/workflow/seen-run.js'
import type { Workflow } from '../../src/workflow/workflow.js'
import { ArgoBench, jobOf, send } from '../argo-bench.js'

let bench: ArgoBench
let runtime: ManualRuntime
beforeEach(async () => {
  runtime = new ManualRuntime()
  bench = await ArgoBench.start({ runtime, archive: true, controller: { reconcileDelayMs: 0 } })
})
afterEach(() => bench.close())

const A = jobOf('a')

/** A job that has failed and is in the archive so, and whose workflow is still there. */
async function failed(
  options: Partial<ArgoWorkerOptions> = {},
): Promise<{ worker: ArgoWorker; name: string }> {
  const worker = await bench.open({ runtime, ...options })
  const name = bench.nameOf(A)
  await send(worker, A, { mode: 'hang' })
  await worker.pollAllStatus([A])
  bench.server.workflows.finish(name, { phase: 'Failed', message: 'pod deleted' })
  bench.server.workflows.archive(name)
  return { worker, name }
}

/** Of the one job, by a poll and by a look-up. */
async function stages(worker: ArgoWorker): Promise<readonly unknown[]> {
  await runtime.advance(120_000)
  const polled = (await worker.pollAllStatus([A])).get('a')?.stage
  return [polled, (await worker.lookupJob(A))?.stage]
}

describe('an archived row of a run before a retry is not the end of the job', () => {
  test.each([0, 5_000])(
    'that this worker retried, %i ms after it began, while the live one can’t be read',
    async (afterMs) => {
      const { worker, name } = await failed({ retryInPlace: { on: ['evicted'], limit: 1 } })
      await runtime.advance(afterMs)
      expect(await worker.lookupJob(A)).toMatchObject({ stage: 'PROCESSING' })
      expect(bench.server.traffic().RetryWorkflow.requests).toBe(1)
      bench.server.readsFail = true
      expect(await worker.lookupJob(A)).toMatchObject({ stage: 'PROCESSING' })
      expect(await stages(worker)).toEqual(['PROCESSING', 'PROCESSING'])
      // Its own end gets into the archive, and is told by that.
      bench.server.workflows.finish(name, { phase: 'Succeeded', outputs: { result: '7' } })
      bench.server.workflows.archive(name)
      expect(await worker.lookupJob(A)).toMatchObject({ stage: 'SUCCESS', result: { result: '7' } })
      expect(await stages(worker)).toEqual(['SUCCESS', 'SUCCESS'])
    },
  )

  test('that an operator retried', async () => {
    const { worker, name } = await failed()
    await runtime.advance(5_000)
    bench.server.operator.retry(name)
    await runtime.advance(1_000)
    expect(await stages(worker)).toEqual(['PROCESSING', 'PROCESSING'])
    bench.server.readsFail = true
    expect(await stages(worker)).toEqual(['PROCESSING', 'PROCESSING'])
    bench.server.readsFail = false
    bench.server.workflows.finish(name)
    expect(await stages(worker)).toEqual(['SUCCESS', 'SUCCESS'])
  })

  test('and where the live one is gone since, the job is lost and not failed by it', async () => {
    const { worker, name } = await failed()
    await runtime.advance(5_000)
    bench.server.operator.retry(name)
    await runtime.advance(1_000)
    expect(await stages(worker)).toEqual(['PROCESSING', 'PROCESSING'])
    bench.server.operator.delete(name)
    expect(await stages(worker)).toEqual([undefined, undefined])
  })

  test('but that of the last run is, whatever became of its workflow', async () => {
    const { worker, name } = await failed()
    bench.server.workflows.expire(name)
    expect(await stages(worker)).toEqual(['FAIL', 'FAIL'])
  })

  test('and does not keep a job that runs again from being cancelled', async () => {
    const { worker, name } = await failed()
    await runtime.advance(5_000)
    bench.server.operator.retry(name)
    bench.server.readsFail = true
    // Told by no answer: only the archive speaks.
    await worker.cancelJob(A, 'no longer needed')
    bench.server.readsFail = false
    expect(bench.server.traffic().TerminateWorkflow.requests).toBe(1)
  })
})

function row(fields: {
  uid?: string
  version?: string
  began: string
  ended?: string
  live?: boolean
}): Workflow {
  const { uid = 'u', version, began, ended = null, live = false } = fields
  return {
    metadata: {
      name: 'n',
      uid,
      resourceVersion: version,
      labels: live ? {} : { 'workflows.argoproj.io/workflow-archiving-status': 'Persisted' },
    },
    status: {
      phase: 'Failed',
      startedAt: `2026-11-29T10:00:${began}Z`,
      finishedAt: ended && `2026-11-29T10:00:${ended}Z`,
    },
  }
}

test('what is outdated goes by the start, and in the same second by the version, or by the end', () => {
  const seen = seenAfter({}, row({ began: '10', live: true }))
  expect(isOutdated(row({ began: '09', ended: '59' }), seen)).toBe(true)
  expect(isOutdated(row({ began: '10', ended: '59' }), seen)).toBe(false)
  expect(isOutdated(row({ began: '09', live: true }), seen)).toBe(false)
  expect(isOutdated(row({ began: '09' }), {})).toBe(false)
  const retried = { ...seen, retriedVersion: '1000', retriedEndAt: Date.parse('2026-11-29T10:00:10Z') }
  expect(isOutdated(row({ began: '10', ended: '10', version: '999' }), retried)).toBe(true)
  expect(isOutdated(row({ began: '10', ended: '10', version: '10000' }), retried)).toBe(false)
  expect(isOutdated(row({ began: '10', ended: '10' }), retried)).toBe(true)
  expect(isOutdated(row({ began: '10', ended: '11' }), retried)).toBe(false)
  // An answer of before adds nothing.
  expect(seenAfter(seen, row({ began: '01', live: true }))).toEqual(seen)
})

test('of several rows of one name the newest counts, by its end and then by its version', () => {
  const [old, newer] = [
    row({ uid: 'old', began: '01', ended: '02' }),
    row({ uid: 'new', began: '03', ended: '04' }),
  ]
  expect(newestOf([old, newer])?.metadata.uid).toBe('new')
  expect(newestOf([newer, old])?.metadata.uid).toBe('new')
  const [nine, ten] = ['9', '10'].map((version) => row({ uid: version, version, began: '01', ended: '02' }))
  expect(newestOf([nine ?? old, ten ?? old])?.metadata.uid).toBe('10')
  expect(newestOf([ten ?? old, nine ?? old])?.metadata.uid).toBe('10')
  expect(newestOf([])).toBeUndefined()
})
