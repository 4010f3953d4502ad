import type { TroubleConcerns } from '@sluice/core'
import { answerWith } from '@sluice/fake-argo'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { ArgoBench, jobOf, send } from '../argo-bench.js'

let bench: ArgoBench
beforeEach(async () => {
  bench = await ArgoBench.start({ controller: { reconcileDelayMs: 0 } })
})
afterEach(() => bench.close())

const sample = { id: 'sample', body: { item: 'sample', mode: 'hang' } }

describe.each(['submit', 'create'] as const)('a probe via %s', (via) => {
  test('is one request, stores nothing, and takes no slot', async () => {
    const worker = await bench.open({ via })
    await worker.probeSend(sample)
    await send(worker, jobOf('a'))
    bench.server.resetCounts()
    await worker.probeSend()
    await worker.probeSend(sample)
    expect(bench.server.total().requests).toBe(2)
    expect(bench.server.workflows.size).toBe(1)
    expect(bench.server.workflows.maxUnfinished).toBe(1)
  })

  test.each<[string, TroubleConcerns, () => void]>([
    [
      'the permission to create is missing',
      'worker',
      () => void bench.server.access.denied.add('create workflows'),
    ],
    ['the quota is used up', 'capacity', () => void (bench.server.quota = 1)],
    ['kube-apiserver is away', 'worker', () => void (bench.server.kubernetes = 'refused')],
    [
      'a policy denies what was taken before',
      'worker',
      () => void (bench.server.admission = () => ({ policy: 'p', message: 'no' })),
    ],
    [
      'the template is gone',
      'worker',
      () => bench.server.templates.delete('WorkflowTemplate', 'test-workflow-template'),
    ],
    ['the token is no longer let in', 'worker', () => bench.server.rotateToken('another')],
  ])('fails where a send would: %s (%s)', async (_, concerns, begin) => {
    const worker = await bench.open({ via })
    await send(worker, jobOf('a'), { mode: 'hang' })
    begin()
    for (const probe of [worker.probeSend(), worker.probeSend(sample)]) {
      await expect(probe).rejects.toMatchObject({ name: 'SluiceError', concerns })
    }
    expect(bench.server.workflows.size).toBe(1)
  })

  test('says no more than it knows where Argo did not write the answer', async () => {
    const worker = await bench.open({ via })
    for (const trouble of ['gateway-page', 'empty', 'proxy-500'] as const) {
      bench.server.main.onRequest = () => answerWith(trouble)
      const error: unknown = await worker.probeSend(sample).catch((reason: unknown) => reason)
      expect(error).toMatchObject({ code: 'SLUICE_WORKER_UNAVAILABLE' })
    }
    bench.server.main.onRequest = () => answerWith('unavailable', { headers: { 'retry-after': '9' } })
    await expect(worker.probeSend(sample)).rejects.toMatchObject({ retryAfterMs: 9_000 })
  })
})

test('without anything to probe with there is no probe', async () => {
  const worker = await bench.open()
  await expect(worker.probeSend()).rejects.toMatchObject({ code: 'SLUICE_WORKER_UNAVAILABLE' })
  expect(bench.server.total().requests).toBe(0)
  // An item that doesn't fit this configuration is nothing to probe with either, and is not said to be
  // rejected.
  for (const body of [{ item: 'x', colour: 'red' }, 'no object']) {
    await expect(worker.probeSend({ id: 'x', body })).rejects.toMatchObject({
      code: 'SLUICE_WORKER_UNAVAILABLE',
    })
  }
})

test('it goes with the labels of the queue, so that policies judge it as they do a send', async () => {
  const worker = await bench.open({ labels: { team: 'maps' } })
  bench.server.admission = ({ metadata }) =>
    metadata.labels['team'] === 'maps' && metadata.labels['sluice/queue'] !== undefined
      ? undefined
      : { policy: 'need-team', message: 'no' }
  await expect(worker.probeSend(sample)).resolves.toBeUndefined()
})
