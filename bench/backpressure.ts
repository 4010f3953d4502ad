// What backpressure is worth at a worker that many unfinished jobs overload: throughput and refused sends at
// several fixed limits, and with backpressure under a cap that is four times too high; and how long the limit
// takes to return to the cap once the worker is well. On a virtual clock, so that every run gives the same.
//   node backpressure.ts            ten minutes of each
//   node backpressure.ts --smoke    a minute of some: does it run at all?
import { parseArgs } from 'node:util'
import { WorkQueue, processingLimit, type BackpressureOptions } from '@sluice/engine'
import { MemoryStore } from '@sluice/queue-memory'
import { ManualRuntime } from '@sluice/testkit'
import { OverloadedWorker, type OverloadProfile } from './src/overloaded-worker.ts'
import { median } from './src/result.ts'

const { values } = parseArgs({ options: { smoke: { type: 'boolean', default: false } } })
const spanMs = values.smoke ? 60_000 : 600_000
const CAP = 400
const fixedLimits = values.smoke ? [100, CAP] : [50, 80, 100, 110, 125, 150, 200, CAP]

const PROFILES: Readonly<Record<string, OverloadProfile>> = {
  'sends get slower above 100, and are refused above 125': { above: 100, jobMs: 10_000, slowdown: 1 },
  'sends are refused above 100': {
    above: 100,
    latencyMs: 0,
    refusesAbove: 100,
    jobMs: 10_000,
    slowdown: 1,
  },
  'sends get slower above 100, and jobs so much that less ends': {
    above: 100,
    jobMs: 10_000,
    slowdown: 2,
  },
}

interface Row {
  readonly name: string
  readonly perSecond: number
  readonly refused: number
  readonly sendMs: number
  readonly peak: number
  /** From the worker's recovery to as many jobs as the cap allows. */
  readonly recoveryMs?: number
}

interface Setting {
  readonly name: string
  readonly cap: number
  readonly backpressure: 'off' | BackpressureOptions
}

async function run(profile: OverloadProfile, { name, cap, backpressure }: Setting): Promise<Row> {
  const runtime = new ManualRuntime(undefined, 1)
  const queue = new MemoryStore({ runtime }).queue('bench')
  const items = Math.ceil((spanMs / 1_000) * 15) + 6_000
  await queue.putMany(Array.from({ length: items }, (_, index) => ({ id: `i${index}`, body: null })))
  const worker = new OverloadedWorker('bench', runtime, profile)
  const engine = new WorkQueue({ queue, worker, policy: processingLimit(cap), backpressure, runtime })
  const stop = new AbortController()
  const running = engine.run({ intervalMs: 1_000, signal: stop.signal })
  await runtime.advance(spanMs)
  const row = {
    name,
    perSecond: (worker.ended * 1_000) / spanMs,
    refused: worker.refusals / worker.sendsMs.length,
    sendMs: median(worker.sendsMs),
    peak: worker.peak,
  }
  const recovery = backpressure === 'off' ? {} : { recoveryMs: await recoveryOf(worker, runtime) }
  stop.abort()
  for (let ended = false; !ended;)
    ended = await Promise.race([running.then(() => true), runtime.advance(100).then(() => false)])
  return { ...row, ...recovery }
}

async function recoveryOf(worker: OverloadedWorker, runtime: ManualRuntime): Promise<number> {
  const beganMs = runtime.monotonicMs()
  worker.recover()
  worker.peak = 0
  while (worker.peak < 0.99 * CAP && runtime.monotonicMs() - beganMs < 120_000) await runtime.advance(1_000)
  return runtime.monotonicMs() - beganMs
}

function print(title: string, rows: readonly Row[]): void {
  const best = Math.max(
    ...rows.filter(({ recoveryMs }) => recoveryMs === undefined).map((row) => row.perSecond),
  )
  console.log(`\n${title}\n`)
  console.log(
    '| limit | jobs a second | of the best fixed | refused sends | median send | most unfinished | back at the cap after |',
  )
  console.log('|---|---|---|---|---|---|---|')
  for (const { name, perSecond, refused, sendMs, peak, recoveryMs } of rows) {
    const cells = [
      name,
      perSecond.toFixed(2),
      (perSecond / best).toFixed(2),
      `${(100 * refused).toFixed(2)} %`,
      `${Math.round(sendMs)} ms`,
      peak,
      recoveryMs === undefined ? '' : `${Math.round(recoveryMs / 1_000)} s`,
    ]
    console.log(`| ${cells.join(' | ')} |`)
  }
}

for (const [title, profile] of Object.entries(PROFILES)) {
  const settings: Setting[] = [
    ...fixedLimits.map((cap) => ({ name: String(cap), cap, backpressure: 'off' as const })),
    { name: `${CAP}, backpressure`, cap: CAP, backpressure: {} },
    { name: `${CAP}, backpressure \`gradient\``, cap: CAP, backpressure: { algorithm: 'gradient' } },
  ]
  const rows: Row[] = []
  for (const setting of settings) rows.push(await run(profile, setting))
  print(title, rows)
}
