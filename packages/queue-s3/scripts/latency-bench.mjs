// How long putMany, and get with settle, take on a store with latency, against bare parallel PUTs of as many
// requests in the same run.
//   node packages/queue-s3/scripts/latency-bench.mjs [--items 10000] [--latency 20] [--concurrency 32] [--batch 1000]
// A bench, not a test: it prints what it measures, and judges nothing.
import { fork } from 'node:child_process'
import { once } from 'node:events'
import { Agent } from 'node:http'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { PutObjectCommand, S3Client } from '@aws-sdk/client-s3'
import { openQueue } from '../dist/index.js'

const number = (text) => ({ type: 'string', default: text })
const { values } = parseArgs({
  options: {
    items: number('10000'),
    latency: number('20'),
    concurrency: number('32'),
    batch: number('1000'),
  },
})
const [items, latencyMs, concurrency, batch] = ['items', 'latency', 'concurrency', 'batch'].map((name) =>
  Number(values[name]),
)

const program = fileURLToPath(new URL('s3-server-process.mjs', import.meta.url))
const server = fork(program, [JSON.stringify({ latencyMs })])
const [{ bucket, ...connection }] = await once(server, 'message')
// A process's first requests are slower than its later ones, in every client.
await bare(500)
const warm = await openQueue({ name: 'warm-up', bucket, concurrency, ...connection })
await putAll(warm, 500)
await workAll(warm, 500)
await warm.close()
const queue = await openQueue({ name: 'bench', bucket, concurrency, ...connection })
await counts()

const put = await timed(() => putAll(queue, items))
const work = await timed(() => workAll(queue, items))
const barePut = await timed(() => bare(put.requests))
const bareWork = await timed(() => bare(work.requests))
await queue.close()
server.disconnect()
console.log(
  JSON.stringify(
    {
      items,
      latencyMs,
      concurrency,
      batch,
      putMany: { ...put, bareMs: barePut.ms, ratio: ratio(put.ms, barePut.ms) },
      getAndSettle: { ...work, bareMs: bareWork.ms, ratio: ratio(work.ms, bareWork.ms) },
      leastMs: {
        putMany: Math.round((put.requests * latencyMs) / concurrency),
        getAndSettle: Math.round((work.requests * latencyMs) / concurrency),
      },
    },
    undefined,
    1,
  ),
)

function putAll(into, count) {
  return into.putMany(Array.from({ length: count }, (_, index) => ({ id: `item-${index}`, body: { index } })))
}

async function workAll(from, count) {
  for (let done = 0; done < count;) {
    const given = await from.get(batch)
    await from.settle(given.map(({ id, uid, attempt }) => ({ id, uid, attempt, stage: 'SUCCESS' })))
    done += given.length
  }
}

/** The plain way to write objects into a bucket. */
async function bare(requests) {
  const client = new S3Client({
    ...connection,
    // The SDK writes into what it is given.
    credentials: { ...connection.credentials },
    forcePathStyle: true,
    requestChecksumCalculation: 'WHEN_REQUIRED',
    requestHandler: { httpAgent: new Agent({ keepAlive: true, maxSockets: concurrency }) },
  })
  let next = 0
  const one = async () => {
    while (next < requests) {
      const Key = `bare/${requests}/${next++}`
      await client.send(new PutObjectCommand({ Bucket: bucket, Key, Body: '{"index":1}', IfNoneMatch: '*' }))
    }
  }
  await Promise.all(Array.from({ length: concurrency }, one))
  client.destroy()
}

async function timed(what) {
  const start = performance.now()
  await what()
  const ms = Math.round(performance.now() - start)
  const byOperation = Object.fromEntries(Object.entries(await counts()).filter(([, count]) => count > 0))
  const requests = Object.values(byOperation).reduce((sum, count) => sum + count, 0)
  return { ms, requests, byOperation }
}

async function counts() {
  const answer = once(server, 'message')
  server.send('counts')
  const [found] = await answer
  return found
}

function ratio(ms, bareMs) {
  return Number((ms / bareMs).toFixed(2))
}
