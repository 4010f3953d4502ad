import type { JsonValue, Queue, Stage, Worker } from '@sluice/core'
import { WorkQueue, processingLimit } from '@sluice/engine'
import { openQueue } from '@sluice/queue-memory'
import type { ArgoBench } from './argo-bench.js'

type EngineOptions = ConstructorParameters<typeof WorkQueue<JsonValue>>[0]

/** A queue with so many items, and an engine that takes them to a worker. */
export async function serviceOn(
  worker: Worker,
  {
    items,
    cap,
    body,
    ...options
  }: { items: number; cap: number; body: object | ((index: number) => object) } & Partial<
    Omit<EngineOptions, 'queue'>
  > & { readonly queue?: Queue },
): Promise<{ readonly queue: Queue; readonly engine: WorkQueue }> {
  const queue: Queue = options.queue ?? (await openQueue({ name: worker.name }))
  const bodyOf = typeof body === 'function' ? body : () => body
  const all = Array.from({ length: items }, (_, index) => ({ id: `i${index}`, more: bodyOf(index) }))
  await queue.putMany(all.map(({ id, more }) => ({ id, body: { item: id, ...more } })))
  return {
    queue,
    engine: new WorkQueue({ policy: processingLimit(cap), canary: 0, ...options, queue, worker }),
  }
}

/** Ticks until all items have left WAITING and PROCESSING. */
export async function drain(queue: Queue, engine: WorkQueue, between: () => Promise<void>): Promise<void> {
  for (let tick = 0; tick < 5_000; tick++) {
    await engine.tick()
    const { WAITING, PROCESSING } = await queue.sizes()
    if (WAITING + PROCESSING === 0) return
    await between()
  }
  throw new Error(`not at an end: ${JSON.stringify(await queue.sizes())}`)
}

/** How many workflows there are of each item's attempt; copies made by operators not counted. */
export function workflowsPerJob(bench: ArgoBench): readonly number[] {
  const counts = new Map<string, number>()
  for (const { metadata } of bench.server.workflows.all('!workflows.argoproj.io/resubmitted-from-workflow')) {
    const key = metadata.labels['sluice/job'] ?? metadata.name
    counts.set(key, (counts.get(key) ?? 0) + 1)
  }
  return [...counts.values()]
}

/** The attempts of all items of a stage. */
export async function attemptsIn(queue: Queue, stage: Stage): Promise<readonly number[]> {
  const { items } = await queue.listSummaries(stage, { limit: 10_000 })
  // One that was given back since no job of it was made doesn't count.
  return items.map(({ attempt, uncounted }) => attempt - uncounted)
}
