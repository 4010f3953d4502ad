import type { ItemRecord, Queue } from '@sluice/core'
import { MemoryStore } from '@sluice/queue-memory'
import { ManualRuntime, seededRandom } from '@sluice/testkit'
import { operatorActions, type ArgoWorkflow, type OperatorAction } from '@sluice/fake-argo'
import { afterEach, expect, test } from 'vitest'
import { ArgoBench } from './argo-bench.js'
import { serviceOn } from './service-bench.js'

const SECONDS = 300
const CAP = 20

let bench: ArgoBench
/** Workflows that were over and that operators brought back, by name. */
const broughtBack = new Set<string>()
afterEach(async () => {
  broughtBack.clear()
  await bench.close()
})

/**
 * Whether it is ours to bound. What operators start beside our jobs, copies and workflows that were over,
 * comes on top, and no one else can keep it from running: in all there are never more than the cap and those.
 */
function isOurs({ metadata }: ArgoWorkflow): boolean {
  return !(RESUBMITTED in metadata.labels) && !broughtBack.has(metadata.name)
}

const RESUBMITTED = 'workflows.argoproj.io/resubmitted-from-workflow'

test.each([1, 2, 3])(
  'five minutes in which operators do two things a second to the workflows, at random (%i): every item ends in a stage that its evidence explains',
  async (seed) => {
    const runtime = new ManualRuntime()
    bench = await ArgoBench.start({
      runtime,
      seed,
      archive: seed % 2 === 0,
      counts: isOurs,
      controller: { reconcileDelayMs: 200 },
    })
    const { server } = bench
    const logged: string[] = []
    const log = (_: object, message: string) => void logged.push(message)
    const logger = { debug: () => undefined, info: log, warn: log, error: log }
    const worker = await bench.open({ runtime, logger })
    const queue: Queue = new MemoryStore({ runtime }).queue(worker.name)
    const { engine } = await serviceOn(worker, {
      items: 400,
      cap: CAP,
      body: { seconds: '8' },
      queue,
      runtime,
      logger,
      retry: { maxAttempts: 3, backoff: { baseMs: 1_000 } },
      lost: { policy: 'resend', graceMs: 10_000 },
    })
    const next = seededRandom(seed)
    const done = new Map<OperatorAction, number>()
    for (let second = 0; second < SECONDS; second++) {
      for (let action = 0; action < 2; action++) act(next, done)
      if (second % 2 === 0) await engine.tick()
      await runtime.advance(1_000)
    }
    for (let tick = 0; tick < 400 && !(await isDone(queue)); tick++) {
      for (const { metadata } of server.workflows.all('!workflows.argoproj.io/completed'))
        server.operator.attempt('resume', metadata.name)
      for (const { metadata } of server.workflows.all('workflows.argoproj.io/completed=false'))
        server.operator.attempt('resume', metadata.name)
      await engine.tick()
      await runtime.advance(2_000)
    }

    expect(await queue.sizes()).toMatchObject({ WAITING: 0, PROCESSING: 0 })
    expect([...done.keys()].toSorted()).toEqual(operatorActions.toSorted())
    for (const stage of ['SUCCESS', 'FAIL'] as const) {
      const { items } = await queue.list(stage, { limit: 1_000 })
      expect(items.filter((item) => !explained(item))).toEqual([])
    }
    expect(logged.join('\n')).toContain('none of its jobs')
    expect((await queue.size('SUCCESS')) > 200).toBe(true)
    // Counted at every change, and so at every request.
    expect(server.workflows.maxUnfinished).toBe(CAP)
    expect(broughtBack.size).toBeGreaterThan(10)
  },
)

function act(next: () => number, done: Map<OperatorAction, number>): void {
  const { server } = bench
  // Half of it to what isn't over, which is little of what there is.
  const workflows = server.workflows.all(next() < 0.5 ? '' : 'workflows.argoproj.io/completed!=true')
  const target = workflows[Math.floor(next() * workflows.length)]
  const action = operatorActions[Math.floor(next() * operatorActions.length)]
  if (target === undefined || action === undefined) return
  const { name } = target.metadata
  const bringsBack = target.status.finishedAt !== null && (action === 'retry' || action === 'recreate')
  // Before it happens: it is counted as it changes. Retries that are refused change nothing, and what is over
  // counts for nothing.
  if (bringsBack) broughtBack.add(name)
  if (server.operator.attempt(action, name)) done.set(action, (done.get(action) ?? 0) + 1)
}

async function isDone(queue: Queue): Promise<boolean> {
  const { WAITING, PROCESSING } = await queue.sizes()
  return WAITING + PROCESSING === 0
}

/**
 * A success has a workflow that ended so; a failure a reason and a class; and each attempt before it the
 * same.
 */
function explained({ stage, details, reason, failureClass, history }: ItemRecord): boolean {
  const evidence = new Map(Object.entries(Object(details)))
  const last =
    stage === 'SUCCESS'
      ? evidence.get('phase') === 'Succeeded'
      : reason !== undefined && failureClass !== undefined
  const earlier = history
    .slice(0, -1)
    .every((attempt) => attempt.outcome === 'WAITING' && attempt.reason !== undefined)
  return last && earlier
}
