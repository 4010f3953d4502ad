import { setTimeout as wait } from 'node:timers/promises'
import { afterEach, describe, expect, test } from 'vitest'
import { ArgoBench, fastClock } from '../argo-bench.js'
import { attemptsIn, drain, serviceOn, workflowsPerJob } from '../service-bench.js'

let bench: ArgoBench
afterEach(() => bench.close())

const ITEMS = 1_000
/** Enough to meet every mixture of losses. */
const MIXED_ITEMS = 300
const CAP = 100

describe.each(['submit', 'create'] as const)('a thousand items via %s', (via) => {
  test('the answer to every request that makes a workflow is lost: a thousand workflows, none doubled, none lost', async () => {
    bench = await ArgoBench.start({ controller: { reconcileDelayMs: 0 } })
    const { server } = bench
    const operation = via === 'submit' ? 'SubmitWorkflow' : 'CreateWorkflow'
    server.main.onRequest = (request) => (request.operation === operation ? { do: 'drop-reply' } : undefined)
    await finishAll(via, ITEMS)
    expect(server.traffic()[operation].requests).toBe(ITEMS)
  })

  test('requests and answers of every kind are lost, and some arrive twice: the same with three hundred', async () => {
    bench = await ArgoBench.start({ controller: { reconcileDelayMs: 0 } })
    const { server } = bench
    server.main.onRequest = ({ index }) => {
      if (index % 3 === 0) return { do: 'drop-reply' }
      if (index % 7 === 0) return { do: 'drop-request' }
      return index % 5 === 0 ? { do: 'duplicate', answer: 'second' } : undefined
    }
    await finishAll(via, MIXED_ITEMS)
    expect(server.traffic().GetWorkflow.requests).toBeGreaterThan(MIXED_ITEMS / 10)
  })
})

async function finishAll(via: 'submit' | 'create', items: number): Promise<void> {
  const worker = await bench.open({ via })
  const { queue, engine } = await serviceOn(worker, {
    items,
    cap: CAP,
    runtime: fastClock,
    body: { seconds: '0' },
  })
  await drain(queue, engine, () => wait(1))
  expect(await queue.sizes()).toEqual({ WAITING: 0, PROCESSING: 0, SUCCESS: items, FAIL: 0 })
  expect(workflowsPerJob(bench)).toEqual(Array.from({ length: items }, () => 1))
  expect(await attemptsIn(queue, 'SUCCESS')).toEqual(Array.from({ length: items }, () => 1))
  expect(bench.server.workflows.maxUnfinished).toBeLessThanOrEqual(CAP)
}
