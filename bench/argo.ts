// The cost of the Argo worker: the service on SQLite against a fake Argo Server in a process of its own, of
// this checkout beside that of another one, such as the commit before a change; and a bare loop of submits.
//   node argo.ts --before ../../main                     9 rounds of each phase
//   node argo.ts --before ../../main --phases life       8,000 items, cap 200, jobs of 0.2 s: CPU, memory, requests
//   node argo.ts --before ../../main --phases paced      100 ends a second: requests
//   node argo.ts --before ../../main --phases sends      jobs that run on: sends beside the bare loop
//   node argo.ts --smoke                                 tiny, this checkout on both sides: does it run at all?
// Each round measures the other checkout once and this one twice, which shows what chance does, in another
// order each time. Ratios are of pairs of one round.
import { mkdirSync, writeFileSync } from 'node:fs'
import { dirname, join, resolve } from 'node:path'
import { parseArgs } from 'node:util'
import { runArgo, runBare, type ArgoLoad, type ArgoRun, type BareRun } from './src/argo-run.ts'
import { commit, machine } from './src/machine.ts'
import { median } from './src/result.ts'

const { values } = parseArgs({
  options: {
    before: { type: 'string' },
    phases: { type: 'string', default: 'life,paced,sends' },
    rounds: { type: 'string', default: '9' },
    items: { type: 'string' },
    smoke: { type: 'boolean', default: false },
    out: { type: 'string' },
  },
})

const HERE = join(import.meta.dirname, '..')
const BEFORE = values.before === undefined ? HERE : resolve(values.before)
const ROUNDS = values.smoke ? 1 : Number(values.rounds)

const LOADS: Readonly<Record<string, ArgoLoad>> = {
  life: { items: 8_000, cap: 200, jobSeconds: 0.2 },
  // As many end in a second as are at work, less what it takes to start them.
  paced: { items: 2_000, cap: 200, jobSeconds: 1.8 },
  // None ends while others are sent.
  sends: { items: 3_000, cap: 3_000, jobSeconds: 25 },
}

interface Round {
  readonly before: ArgoRun
  readonly here: ArgoRun
  readonly hereToo: ArgoRun
  readonly bare: BareRun
}

type Side = keyof Round

const phases = values.phases.split(',').map((name) => [name, loadOf(name)] as const)
const facts = {
  ...machine(),
  sqlite: process.versions['sqlite'],
  commit: commit(),
  before: BEFORE === HERE ? 'itself' : 'another checkout',
}
console.log(JSON.stringify(facts))
const results: Record<string, unknown> = {}
for (const [name, load] of phases) {
  const rounds: Round[] = []
  for (let index = 0; index < ROUNDS; index++) {
    const round = await runRound(load, index)
    rounds.push(round)
    console.log(JSON.stringify({ phase: name, round: index, ...round }))
  }
  results[name] = { load, ...summaryOf(rounds) }
  console.log(JSON.stringify({ phase: name, load, ...summaryOf(rounds) }, undefined, 1))
}
save()

function loadOf(name: string): ArgoLoad {
  const load = LOADS[name]
  if (load === undefined) throw new TypeError(`no phase ${name}; there are ${Object.keys(LOADS).join(', ')}`)
  if (values.smoke) return { items: 40, cap: 20, jobSeconds: 0.1 }
  return { ...load, ...(values.items === undefined ? {} : { items: Number(values.items) }) }
}

/** In another order in each round: what runs first meets a colder machine. */
async function runRound(load: ArgoLoad, index: number): Promise<Round> {
  const sides: readonly Side[] = ['before', 'here', 'bare', 'hereToo']
  const round: { -readonly [S in Side]?: Round[S] } = {}
  for (const [at] of sides.entries()) {
    const side = sides[(at + index) % sides.length]
    if (side === 'bare') round.bare = await runBare(load)
    else if (side !== undefined) round[side] = await runArgo(side === 'before' ? BEFORE : HERE, load)
  }
  const { before, here, hereToo, bare } = round
  if (before === undefined || here === undefined || hereToo === undefined || bare === undefined)
    throw new Error('a side was not measured')
  return { before, here, hereToo, bare }
}

function summaryOf(rounds: readonly Round[]) {
  const of = (figure: (round: Round) => number) => spreadOf(rounds.map(figure))
  const each = (figure: (run: ArgoRun) => number) => ({
    before: of(({ before }) => figure(before)),
    here: of(({ here }) => figure(here)),
    ratio: of(({ before, here }) => figure(here) / figure(before)),
    ratioOfSameBuild: of(({ here, hereToo }) => figure(here) / figure(hereToo)),
  })
  return {
    cpuMsPerItem: each(({ cpuMs }) => cpuMs),
    peakMb: each(({ peakMb }) => peakMb),
    requestsPerItem: each(({ requestsInAll }) => requestsInAll),
    answerBytesPerItem: each(({ answerBytes }) => answerBytes),
    itemsPerSecond: each(({ perSecond }) => perSecond),
    sendsPerSecond: each(({ sendsPerSecond }) => sendsPerSecond),
    sendsToBare: {
      before: of(({ before, bare }) => before.sendsPerSecond / bare.perSecond),
      here: of(({ here, bare }) => here.sendsPerSecond / bare.perSecond),
    },
    bare: { perSecond: of(({ bare }) => bare.perSecond), cpuMs: of(({ bare }) => bare.cpuMs) },
    requestsByKind: { before: rounds[0]?.before.requests, here: rounds[0]?.here.requests },
  }
}

/** The median, and the lowest and highest. */
function spreadOf(numbers: readonly number[]): readonly number[] {
  return [median(numbers), Math.min(...numbers), Math.max(...numbers)].map((each) =>
    Number(each.toPrecision(4)),
  )
}

function save(): void {
  if (values.smoke && values.out === undefined) return
  const path = values.out ?? join(import.meta.dirname, 'results/argo.json')
  mkdirSync(dirname(path), { recursive: true })
  writeFileSync(
    path,
    `${JSON.stringify({ at: new Date().toISOString(), ...facts, rounds: ROUNDS, ...results }, undefined, 1)}\n`,
  )
}
