// What the Argo worker reaches on the fake server of the testkit, in this process: `node scripts/measure.mjs
// [rate|slots|cost]`. Build first. The rates are of one loaded machine and worth something only beside each
// other: they are measured by turns.
import { setTimeout as wait } from 'node:timers/promises'
import { WorkQueue, processingLimit } from '@sluice/engine'
import { openQueue } from '@sluice/queue-memory'
import { startArgoServer } from '@sluice/fake-argo'
import { openWorker } from '../dist/index.js'

const wanted = process.argv.slice(2)
const parts = { rate: measureRate, slots: measureSlots, cost: measureCost }
for (const [name, measure] of Object.entries(parts)) {
  if (wanted.length === 0 || wanted.includes(name)) await measure()
}

function options(server, more = {}) {
  const { url: baseUrl, namespace, token } = server
  return { name: 'tiles', baseUrl, namespace, template: 'test-workflow-template', token, ...more }
}

/** Sends of the worker beside a bare loop of parallel POSTs of the same bodies, as many at once. */
async function measureRate() {
  const [count, parallel, rounds] = [2_000, 16, 5]
  const ratios = []
  for (let round = 0; round < rounds; round++) {
    const bare = await ratePerS(count, parallel, bareSender)
    const worker = await ratePerS(count, parallel, workerSender)
    ratios.push(worker / bare)
    console.log(
      `rate, round ${round + 1}: bare ${bare.toFixed(0)}/s, worker ${worker.toFixed(0)}/s, ${(worker / bare).toFixed(2)}x`,
    )
  }
  console.log(
    `rate: median ${ratios.toSorted((a, b) => a - b)[Math.floor(rounds / 2)].toFixed(2)}x of a bare loop`,
  )
}

async function ratePerS(count, parallel, senderOn) {
  const server = await startArgoServer({ controller: { reconcileDelayMs: Infinity } })
  const { send, close } = await senderOn(server)
  let next = 0
  const run = async (until) => {
    while (next < until) await send(next++)
  }
  // The first ones open connections and warm up.
  await Promise.all(Array.from({ length: parallel }, () => run(200)))
  const startedMs = performance.now()
  await Promise.all(Array.from({ length: parallel }, () => run(200 + count)))
  const tookMs = performance.now() - startedMs
  if (server.workflows.size !== 200 + count) throw new Error(`${server.workflows.size} workflows`)
  await close()
  await server.close()
  return (count * 1_000) / tookMs
}

async function workerSender(server) {
  const worker = await openWorker(options(server))
  const send = (index) =>
    worker.sendJob(
      `item ${index}`,
      { item: `item ${index}` },
      { uid: `uid ${index}`, attempt: 1, queue: 'tiles' },
    )
  return { send, close: () => worker.close() }
}

async function bareSender(server) {
  // The bodies that the worker would send, made beforehand.
  const bodies = []
  const recorded = await startArgoServer()
  recorded.main.onRequest = ({ operation, body }) => {
    if (operation === 'SubmitWorkflow') bodies.push(body)
    return undefined
  }
  const { send: record, close } = await workerSender(recorded)
  for (let index = 0; index < 50; index++) await record(index)
  await close()
  await recorded.close()
  const template = bodies[0]
  const name = JSON.parse(template).submitOptions.name
  const headers = { authorization: `Bearer ${server.token}`, 'content-type': 'application/json' }
  const send = async (index) => {
    const body = template.replace(name, `bare-${index}`)
    const answer = await fetch(`${server.url}/api/v1/workflows/argo/submit`, {
      method: 'POST',
      headers,
      body,
    })
    if (answer.status !== 200) throw new Error(String(answer.status))
    await answer.json()
  }
  return { send, close: async () => undefined }
}

/**
 * Jobs of half a second, 50 at once, a tick every ten seconds: how full the slots are, after the first two
 * seconds.
 */
async function measureSlots() {
  for (const watched of [true, false]) {
    const server = await startArgoServer({
      controller: { reconcileDelayMs: Number(process.env.RECONCILE_MS ?? 0) },
    })
    const worker = await openWorker(options(server))
    const queue = await openQueue({ name: 'tiles' })
    await queue.putMany(
      Array.from({ length: 5_000 }, (_, index) => ({
        id: `i${index}`,
        body: { item: `i${index}`, seconds: '0.5' },
      })),
    )
    const cap = 50
    const seen = watched
      ? worker
      : Object.assign(Object.create(worker), {
          supports: { ...worker.supports, watch: false },
          name: 'tiles',
        })
    const bound = watched ? worker : bindAll(worker, seen)
    const workQueue = new WorkQueue({ queue, worker: bound, policy: processingLimit(cap) })
    const stop = new AbortController()
    const minDelayMs =
      process.env.MIN_DELAY_MS === undefined ? {} : { minDelayMs: Number(process.env.MIN_DELAY_MS) }
    const loop = workQueue.run({ intervalMs: 10_000, signal: stop.signal, ...minDelayMs })
    await wait(2_000)
    const fills = []
    const endMs = performance.now() + (watched ? 8_000 : 20_000)
    server.resetCounts()
    while (performance.now() < endMs) {
      fills.push(server.workflows.unfinished / cap)
      await wait(5)
    }
    const mean = fills.reduce((sum, each) => sum + each, 0) / fills.length
    const { requests } = server.total()
    console.log(
      `slots ${watched ? 'with' : 'without'} the watch: ${(mean * 100).toFixed(1)} % filled, at most ${server.workflows.maxUnfinished} of ${cap}, ${requests} requests, lists ${server.traffic().ListWorkflows.requests}, gets ${server.traffic().GetWorkflow.requests}, submits ${server.traffic().SubmitWorkflow.requests}`,
    )
    stop.abort()
    await loop
    await worker.close()
    await server.close()
  }
}

function bindAll(worker, changed) {
  return {
    name: worker.name,
    supports: changed.supports,
    sendJob: (...args) => worker.sendJob(...args),
    pollAllStatus: (...args) => worker.pollAllStatus(...args),
    lookupJob: (...args) => worker.lookupJob(...args),
    acknowledgeJobs: (...args) => worker.acknowledgeJobs(...args),
    close: () => worker.close(),
  }
}

async function measureCost() {
  for (const retained of [0, 50_000]) {
    const server = await startArgoServer({ controller: { reconcileDelayMs: 0 } })
    const worker = await openWorker(options(server))
    const jobs = Array.from({ length: 200 }, (_, index) => ({
      id: `i${index}`,
      uid: `u${index}`,
      attempt: 1,
    }))
    for (const { id, uid, attempt } of jobs) {
      await worker.sendJob(id, { item: id, mode: 'hang' }, { uid, attempt, queue: 'tiles' })
    }
    const { labels, annotations } = server.workflows.all()[0].metadata
    server.workflows.seed(
      Array.from({ length: retained }, (_, index) => ({ name: `old-${index}`, labels, annotations })),
    )
    await worker.pollAllStatus(jobs)
    server.resetCounts()
    const startedMs = performance.now()
    await worker.pollAllStatus(jobs)
    const { requests, answerBytes } = server.total()
    console.log(
      `a poll with 200 running and ${retained} kept: ${requests} requests, ${(answerBytes / 1_000).toFixed(0)} KB, ${(performance.now() - startedMs).toFixed(0)} ms`,
    )
    await worker.close()
    await server.close()
  }
}
