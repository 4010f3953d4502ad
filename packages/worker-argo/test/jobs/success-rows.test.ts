import { ManualRuntime } from '@sluice/testkit'
import { answerWith, type ArgoServerOptions } from '@sluice/fake-argo'
import { afterEach, describe, expect, test } from 'vitest'
import { ArgoBench, jobOf, send } from '../argo-bench.js'

let bench: ArgoBench
afterEach(() => bench.close())

const COUNT = 6

/** A worker with six jobs that run, and have been in a list. */
async function running(options: ArgoServerOptions = {}) {
  const runtime = new ManualRuntime()
  bench = await ArgoBench.start({ runtime, controller: { reconcileDelayMs: 0 }, ...options })
  const worker = await bench.open({ runtime })
  const jobs = Array.from({ length: COUNT }, (_, index) => jobOf(`i${index}`))
  for (const job of jobs) await send(worker, job, { mode: 'hang' })
  await worker.pollAllStatus(jobs)
  await worker.pollAllStatus(jobs)
  const { server } = bench
  server.resetCounts()
  const poll = async () => {
    const reports = await worker.pollAllStatus(jobs)
    return jobs.map(({ id }) => reports.get(id))
  }
  const asked = () => {
    const { ListWorkflows, GetWorkflow } = server.traffic()
    return { lists: ListWorkflows.requests, gets: GetWorkflow.requests }
  }
  return { worker, jobs, runtime, server, names: jobs.map((job) => bench.nameOf(job)), poll, asked }
}

describe('jobs that ended well together', () => {
  test('are read by one list more, with their results', async () => {
    const { server, names, poll, asked } = await running()
    for (const name of names) server.workflows.finish(name, { outputs: { rows: '7' } })
    for (const report of await poll())
      expect(report).toMatchObject({
        stage: 'SUCCESS',
        result: { rows: '7' },
        details: { phase: 'Succeeded' },
      })
    expect(asked()).toEqual({ lists: 2, gets: 0 })
  })

  test('are reported exactly as one that is asked for by name', async () => {
    const { server, names, worker, jobs, poll } = await running()
    for (const name of names) server.workflows.finish(name, { outputs: { rows: '7' } })
    const listed = await poll()
    const found = await Promise.all(jobs.map((job) => worker.lookupJob(job)))
    expect(listed).toEqual(found)
  })

  test('are asked for by name where that list does not show it yet', async () => {
    const { server, names, poll, asked } = await running()
    for (const name of names) server.workflows.finish(name)
    const body = '{"metadata":{"resourceVersion":"9"},"items":null}'
    const headers = { 'content-type': 'application/json' }
    server.main.onRequest = ({ operation, query }) =>
      operation === 'ListWorkflows' && query.get('listOptions.labelSelector')?.includes(' in (')
        ? { do: 'answer', answer: { status: 200, headers, body } }
        : undefined
    for (const report of await poll()) expect(report).toMatchObject({ stage: 'SUCCESS' })
    expect(asked().gets).toBe(COUNT)
  })

  test('are asked for by name where that list is refused', async () => {
    const { server, names, poll, asked } = await running()
    for (const name of names) server.workflows.finish(name)
    server.main.onRequest = ({ operation, query }) =>
      operation === 'ListWorkflows' && query.get('listOptions.labelSelector')?.includes(' in (')
        ? answerWith('internal')
        : undefined
    for (const report of await poll()) expect(report).toMatchObject({ stage: 'SUCCESS' })
    expect(asked().gets).toBe(COUNT)
  })
})

describe('a list is no evidence', () => {
  test('of a failure: it is asked for by name, with its cause', async () => {
    const { server, names, poll, asked } = await running()
    for (const name of names) server.workflows.finish(name, { phase: 'Failed', exitCode: 3 })
    for (const report of await poll()) expect(report).toMatchObject({ stage: 'FAIL', exitCode: 3 })
    expect(asked().gets).toBe(COUNT)
  })

  test('of one that was told to end', async () => {
    const { server, names, worker, jobs, poll, asked } = await running()
    await worker.cancelJob(jobs[0]!, 'enough')
    server.resetCounts()
    for (const name of names.slice(1)) server.workflows.finish(name)
    const [first, ...others] = await poll()
    expect(first).toMatchObject({ stage: 'FAIL', failureClass: 'killed' })
    for (const report of others) expect(report).toMatchObject({ stage: 'SUCCESS' })
    expect(asked().gets).toBe(1)
  })

  test('of one that was made again under its name', async () => {
    const { server, names, jobs, poll, asked } = await running()
    for (const name of names) server.workflows.finish(name)
    const old = server.workflows.get(names[0]!)
    server.operator.delete(names[0]!)
    server.workflows.seed([
      {
        name: names[0]!,
        labels: { ...old?.metadata.labels },
        annotations: { ...old?.metadata.annotations },
        at: 0,
      },
    ])
    const [first] = await poll()
    expect(first).toMatchObject({ stage: 'SUCCESS', uid: jobs[0]!.uid })
    expect(JSON.stringify(first?.details)).toContain('made again under its name')
    expect(asked().gets).toBe(1)
  })
})

test('few that ended are asked for by name: that costs no list', async () => {
  const { server, names, poll, asked } = await running()
  for (const name of names.slice(0, 2)) server.workflows.finish(name)
  expect((await poll()).filter((report) => report?.stage === 'SUCCESS')).toHaveLength(2)
  expect(asked()).toEqual({ lists: 1, gets: 2 })
})
