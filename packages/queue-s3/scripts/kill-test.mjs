// Four processes work a queue off and one of them is killed each second for a minute, with old listings mixed
// in. Then the books are compared with the bucket. From the root of the repository, after a build:
//   node scripts/radosgw.mjs -- node packages/queue-s3/scripts/kill-test.mjs [--items 2000] [--seconds 60]
// It prints one line of JSON and exits 1 if anything was lost, claimed twice, or is in two stages.
import { fork } from 'node:child_process'
import { randomUUID } from 'node:crypto'
import { mkdtempSync, readFileSync, readdirSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { ListObjectsV2Command, S3Client } from '@aws-sdk/client-s3'
import { openQueue } from '../dist/index.js'
import { startStaleProxy } from './stale-proxy.mjs'

const { values } = parseArgs({
  options: { items: { type: 'string', default: '2000' }, seconds: { type: 'string', default: '60' } },
})
const ITEMS = Number(values.items)
const SECONDS = Number(values.seconds)
const PROCESSES = 4
/**
 * Held unchanged for longer than this, an item is taken for one of a dead process; it may be wrong about
 * that.
 */
const SUSPECTED_MS = 4_000
const DRAIN_MS = 600_000

const {
  SLUICE_TEST_S3_ENDPOINT: endpoint,
  SLUICE_TEST_S3_ACCESS_KEY: accessKeyId = '',
  SLUICE_TEST_S3_SECRET_KEY: secretAccessKey = '',
  SLUICE_TEST_S3_BUCKET: bucket = 'sluice-test',
  SLUICE_TEST_S3_REGION: region = 'us-east-1',
} = process.env
if (endpoint === undefined) throw new Error('set SLUICE_TEST_S3_ENDPOINT, as scripts/radosgw.mjs does')

const credentials = { accessKeyId, secretAccessKey }
const options = { name: 'kill', bucket, prefix: `kill-${randomUUID()}`, endpoint, region, credentials }
const logs = mkdtempSync(join(tmpdir(), 'sluice-kill-'))
const proxy = await startStaleProxy({ endpoint, share: 0.25 })
const queue = await openQueue(options)
const counts = { kills: 0, recovered: 0 }
const ids = Array.from({ length: ITEMS }, (_, index) => `item ${index}`)

const started = performance.now()
await queue.putMany(ids.map((id) => ({ id, body: { of: id } })))
const putMs = Math.round(performance.now() - started)
const children = Array.from({ length: PROCESSES }, (_, index) => startDispatcher(index))
const ended = new AbortController()
const recovering = recover(ended.signal)
await killEachSecond()
await drained()
ended.abort()
await recovering
await Promise.all(children.map((child) => stop(child)))
const report = await compare()
await queue.close()
await proxy.close()
rmSync(logs, { recursive: true })
console.log(JSON.stringify(report))
process.exitCode = report.wrong.length === 0 ? 0 : 1

function startDispatcher(index) {
  const settings = {
    options: { ...options, endpoint: proxy.url, concurrency: 8 },
    logFile: join(logs, `${index}.log`),
    releasedShare: 0.05,
    failedShare: 0.1,
  }
  const program = fileURLToPath(new URL('kill-test-dispatcher.mjs', import.meta.url))
  return fork(program, [JSON.stringify(settings)], { stdio: 'inherit' })
}

async function killEachSecond() {
  for (let second = 0; second < SECONDS; second++) {
    await pause(1_000)
    const index = second % PROCESSES
    const gone = exited(children[index])
    children[index].kill('SIGKILL')
    await gone
    counts.kills += 1
    children[index] = startDispatcher(index)
  }
}

/** Releases what a dead process held, as an operator would. */
async function recover(signal) {
  const seen = new Map()
  while (!signal.aborted) {
    await pause(1_000)
    const { items } = await queue.listSummaries('PROCESSING', { limit: 10_000 })
    const now = performance.now()
    const held = new Map(items.map((item) => [`${item.uid} ${item.attempt}`, item]))
    for (const job of seen.keys()) if (!held.has(job)) seen.delete(job)
    for (const job of held.keys()) if (!seen.has(job)) seen.set(job, now)
    const suspected = [...held].filter(([job]) => now - seen.get(job) > SUSPECTED_MS)
    const { settled } = await queue.settle(
      suspected.map(([, { id, uid, attempt }]) => ({ id, uid, attempt, stage: 'WAITING' })),
    )
    counts.recovered += settled
  }
}

async function drained() {
  const until = performance.now() + DRAIN_MS
  for (;;) {
    const { WAITING, PROCESSING } = await queue.sizes()
    if (WAITING + PROCESSING === 0) return
    if (performance.now() > until) throw new Error(`${WAITING} are WAITING still, ${PROCESSING} PROCESSING`)
    await pause(1_000)
  }
}

function exited(child) {
  return new Promise((done) => {
    if (child.exitCode !== null || child.signalCode !== null) done()
    else child.once('exit', done)
  })
}

async function stop(child) {
  const gone = exited(child)
  child.kill('SIGTERM')
  await gone
}

/** What the processes wrote down against what is in the bucket. */
async function compare() {
  const wrong = []
  const notes = readdirSync(logs).flatMap((file) => readFileSync(join(logs, file), 'utf8').split('\n'))
  const given = new Map()
  const settled = new Map()
  let runs = 0
  // The last line of a process that was killed may be cut off; it had not gone on by then.
  for (const line of notes.filter((text) => text.endsWith('}'))) {
    const entry = JSON.parse(line)
    if (entry.wrong !== undefined) wrong.push(entry.wrong)
    const job = `${entry.given ?? entry.settled} ${entry.uid} ${entry.attempt}`
    if (entry.given !== undefined) {
      runs += 1
      given.set(job, (given.get(job) ?? 0) + 1)
    }
    if (entry.settled !== undefined) {
      if (settled.has(job) && settled.get(job) !== entry.stage) wrong.push(`${job} was settled in two ways`)
      settled.set(job, entry.stage)
    }
  }
  for (const [job, times] of given) if (times > 1) wrong.push(`${job} was claimed ${times} times`)

  const swept = await queue.sweep()
  const found = new Map()
  for (const stage of ['WAITING', 'PROCESSING', 'SUCCESS', 'FAIL']) {
    for (const { id, uid, attempt } of await listAll(stage)) {
      if (found.has(id)) wrong.push(`${id} is in ${found.get(id).stage} and in ${stage}`)
      found.set(id, { stage, job: `${id} ${uid} ${attempt}` })
    }
  }
  for (const id of ids) {
    const item = found.get(id)
    if (item === undefined) wrong.push(`${id} is lost`)
    else if (settled.has(item.job) && settled.get(item.job) !== item.stage) {
      wrong.push(`${item.job} was settled as ${settled.get(item.job)} and is in ${item.stage}`)
    }
  }
  for (const [job, stage] of settled) {
    if (stage === 'WAITING') continue
    const item = found.get(job.slice(0, job.lastIndexOf(' ', job.lastIndexOf(' ') - 1)))
    if (item?.job !== job || item.stage !== stage)
      wrong.push(`${job} was settled as ${stage}, and is ${item?.job} in ${item?.stage}`)
  }
  const keys = await rawKeys()
  const foreignObjects = keys.filter((key) => /\/(WAITING|PROCESSING|LEFT)\//.test(key))
  if (foreignObjects.length > 0)
    wrong.push(`${foreignObjects.length} objects are left in WAITING, PROCESSING or LEFT`)
  const inStage = (stage) => [...found.values()].filter((item) => item.stage === stage).length
  return {
    items: ITEMS,
    success: inStage('SUCCESS'),
    fail: inStage('FAIL'),
    runs,
    ...counts,
    staleListings: proxy.stale(),
    swept,
    putMs,
    totalMs: Math.round(performance.now() - started),
    wrong,
  }
}

async function listAll(stage) {
  const summaries = []
  for (let cursor; ;) {
    const page = await queue.listSummaries(stage, { limit: 1_000, ...(cursor ? { cursor } : {}) })
    summaries.push(...page.items)
    cursor = page.cursor
    if (cursor === undefined) return summaries
  }
}

/** By the SDK alone: not what the queue says of itself. */
async function rawKeys() {
  const client = new S3Client({ endpoint, region, credentials, forcePathStyle: true })
  const keys = []
  for (let token; ;) {
    const page = await client.send(
      new ListObjectsV2Command({ Bucket: bucket, Prefix: options.prefix, ContinuationToken: token }),
    )
    keys.push(...(page.Contents ?? []).map(({ Key }) => Key))
    token = page.NextContinuationToken
    if (token === undefined) break
  }
  client.destroy()
  return keys
}
