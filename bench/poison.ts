// What items that a worker refuses cost the others: the rate of 20,000 healthy items with 1, 10 and 100
// poison items spread among them, beside the same without, in turns, at several caps; over two restarts of
// the engine in each run. Memory queue, jobs that end at once.
//   node poison.ts                       9 pairs of each cell, and 9 pairs of the same with itself
//   node poison.ts --pairs 3 --caps 10   fewer
//   node poison.ts --smoke               tiny: does it run at all?
import { mkdirSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { parseArgs } from 'node:util'
import { WorkQueue, processingLimit } from '@sluice/engine'
import type { Queue } from '@sluice/core'
import { MemoryStore } from '@sluice/queue-memory'
import { commit, machine } from './src/machine.ts'
import { PoisonWorker, REFUSAL } from './src/poison-worker.ts'
import { median } from './src/result.ts'

const { values } = parseArgs({
  options: {
    pairs: { type: 'string', default: '9' },
    items: { type: 'string', default: '20000' },
    caps: { type: 'string', default: '10,100,1000' },
    poison: { type: 'string', default: '1,10,100' },
    smoke: { type: 'boolean', default: false },
  },
})
const pairs = values.smoke ? 1 : Number(values.pairs)
const items = values.smoke ? 400 : Number(values.items)
const caps = values.smoke ? [10] : values.caps.split(',').map(Number)
const poisons = values.smoke ? [4] : values.poison.split(',').map(Number)
const LIVES = 3

interface Cell {
  readonly cap: number
  readonly poison: number
  /** The healthy rate with poison to that without: the median of the pairs. */
  readonly ratio: number
  /** From the lowest to the highest ratio of the same with itself. */
  readonly spread: number
  readonly healthyPerSecond: number
  readonly refusals: number
}

/** @returns healthy items a second, and how often an item was refused */
async function run(cap: number, poison: number): Promise<{ perSecond: number; refusals: number }> {
  const store = new MemoryStore()
  const open = () => store.queue('bench')
  const queue = open()
  await fill(queue, poison)
  const worker = new PoisonWorker('bench')
  const beganMs = performance.now()
  let healthyMs = 0
  for (let life = 1; life <= LIVES; life++) {
    const isLast = life === LIVES
    const target = isLast ? items : Math.floor((items * life) / LIVES)
    const end = await live({ open, worker, cap }, async () => {
      const { SUCCESS, FAIL, WAITING, PROCESSING } = await queue.sizes()
      if (SUCCESS >= items && healthyMs === 0) healthyMs = performance.now() - beganMs
      return isLast ? SUCCESS >= items && FAIL === poison && WAITING + PROCESSING === 0 : SUCCESS >= target
    })
    if (!end) throw new Error('it was never done')
  }
  await held(queue, poison)
  return { perSecond: (items * 1_000) / healthyMs, refusals: worker.refusals }
}

interface Place {
  readonly open: () => Queue
  readonly worker: PoisonWorker
  readonly cap: number
}

/** One engine, from its start until it is enough. */
async function live({ open, worker, cap }: Place, isEnough: () => Promise<boolean>): Promise<boolean> {
  const workQueue = new WorkQueue({
    queue: open(),
    worker,
    policy: processingLimit(cap),
    sends: { baseMs: 100, maxMs: 1_000, maxTries: 5 },
  })
  const stopping = new AbortController()
  let isDone = false
  let checking: Promise<void> = Promise.resolve()
  const judge = async (): Promise<void> => {
    isDone ||= await isEnough()
    if (isDone) stopping.abort()
  }
  await workQueue.run({
    intervalMs: 100,
    minDelayMs: 1,
    signal: stopping.signal,
    onTick: () => {
      checking = checking.then(judge)
    },
  })
  await checking
  return isDone
}

/** Poison is spread evenly, never two in a row. */
async function fill(queue: Queue, poison: number): Promise<void> {
  const every = Math.floor(items / Math.max(poison, 1))
  const all = Array.from({ length: items }, (_, index) => [
    ...(poison > 0 && index % every === Math.floor(every / 2) && index < poison * every
      ? [{ id: `poison-${index}`, body: null }]
      : []),
    { id: `i${index}`, body: { n: index } },
  ]).flat()
  await queue.putMany(all)
}

/** Every poison item has failed, and says why. */
async function held(queue: Queue, poison: number): Promise<void> {
  const { items: failed } = await queue.list('FAIL', { limit: 10_000 })
  const named = failed.filter(
    ({ failureClass, reason }) => failureClass === 'unsendable' && reason?.includes(REFUSAL),
  )
  if (named.length !== poison)
    throw new Error(`${poison - named.length} of ${poison} did not fail as unsendable, with the reason`)
}

async function cell(cap: number, poison: number): Promise<Cell> {
  const [ratios, same, rates, refusals]: [number[], number[], number[], number[]] = [[], [], [], []]
  for (let pair = 0; pair < pairs; pair++) {
    const order = pair % 2 === 0 ? [0, poison, 0] : [poison, 0, 0]
    const results: { poison: number; perSecond: number }[] = []
    for (const count of order) {
      const result = await run(cap, count)
      results.push({ poison: count, perSecond: result.perSecond })
      if (count > 0) refusals.push(result.refusals)
    }
    const clean = results.filter((result) => result.poison === 0).map(({ perSecond }) => perSecond)
    const [one = 1, other = 1] = clean
    const withPoison = results.find((result) => result.poison > 0)?.perSecond ?? 0
    ratios.push(withPoison / ((one + other) / 2))
    same.push(one / other)
    rates.push(withPoison)
  }
  return {
    cap,
    poison,
    ratio: median(ratios),
    spread: Math.max(...same) - Math.min(...same),
    healthyPerSecond: Math.round(median(rates)),
    refusals: median(refusals),
  }
}

console.log(
  `${Object.values(machine()).join(', ')}; commit ${commit()}; ${items} healthy items, ${pairs} pairs, ${LIVES - 1} restarts in each run`,
)
const cells: Cell[] = []
for (const cap of caps) {
  for (const poison of poisons) {
    const result = await cell(cap, poison)
    cells.push(result)
    const { ratio, spread, healthyPerSecond, refusals } = result
    console.log(
      `cap ${cap}, ${poison} poison: healthy rate ${ratio.toFixed(3)} of that without (A/A spread ${spread.toFixed(3)}), ` +
        `${healthyPerSecond}/s, ${refusals} refusals, all FAIL as unsendable`,
    )
  }
}
if (!values.smoke) {
  const out = join(import.meta.dirname, 'results/poison.json')
  mkdirSync(dirname(out), { recursive: true })
  writeFileSync(
    out,
    `${JSON.stringify({ machine: machine(), commit: commit(), items, pairs, cells }, null, 2)}\n`,
  )
}
