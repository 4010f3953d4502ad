// `npm run check`: all that CI runs, in the order in which a mistake is cheapest to find. `npm run check --
// lint test` runs some. A terminal sees what each step prints. Elsewhere a step that passes is one line, so
// that a log shows what failed and nothing else; `--verbose` prints it all. At the end, a table says where
// the time went.
import { spawn } from 'node:child_process'
import { cpuSecondsOf, printTimes, timed } from './check-times.mjs'
import { build, cleanEnvironment, install, pinnedNode, pnpm, root, say } from './setup.mjs'

const bin = (name) => [pinnedNode, `node_modules/${name}`]
const turbo = (...args) => [
  'npx',
  '--yes',
  pnpm,
  'exec',
  'turbo',
  'run',
  ...args,
  '--output-logs=errors-only',
]
const steps = {
  format: [...bin('oxfmt/bin/oxfmt'), '--check', '.'],
  lint: [...bin('oxlint/bin/oxlint'), '--type-aware', '--deny-warnings'],
  'lint-rules': [pinnedNode, 'scripts/lint/lint-rules-test.mjs'],
  arrows: [pinnedNode, 'scripts/check-arrows.mjs'],
  rooms: [pinnedNode, 'scripts/check-rooms.mjs'],
  types: turbo('typecheck'),
  unused: [...bin('knip/bin/knip.js')],
  'old-versions': [pinnedNode, 'scripts/old-versions.mjs', '--check'],
  api: [pinnedNode, 'scripts/api-reports.mjs', '--check'],
  'type-cost': [pinnedNode, 'scripts/type-cost.mjs', '--check'],
  test: ['npm', 'test'],
  packages: [pinnedNode, 'scripts/check-packages.mjs'],
  radosgw: [pinnedNode, 'scripts/radosgw-test.mjs'],
  pgbouncer: [pinnedNode, 'scripts/pgbouncer-test.mjs'],
  's3-servers': [pinnedNode, 'scripts/s3-servers.mjs', 'ci'],
  examples: [pinnedNode, 'examples/hello.mjs'],
  blocks: [pinnedNode, 'scripts/check-blocks.mjs'],
  docs: [pinnedNode, 'scripts/docs.mjs', '--check'],
  's3-table': [pinnedNode, 'scripts/s3-servers.mjs', 'docs', '--check'],
  's3-cost': [pinnedNode, 'packages/queue-s3/scripts/cost-report.mjs', '--check'],
  'third-party': [pinnedNode, 'scripts/third-party-test.mjs'],
  'user-types': [pinnedNode, 'scripts/user-types-test.mjs'],
  start: [pinnedNode, 'scripts/start-test.mjs'],
  benchmarks: [pinnedNode, 'bench/docs.ts', '--check'],
  bench: [pinnedNode, 'bench/run.ts', '--smoke'],
  scale: [pinnedNode, 'bench/scale.ts', '--smoke'],
  poison: [pinnedNode, 'bench/poison.ts', '--smoke'],
  feel: [pinnedNode, 'bench/feel.ts', '--smoke'],
  'kill-load': [pinnedNode, 'bench/kill-load.ts', '--smoke'],
  'local-jobs': [pinnedNode, 'bench/local-jobs.ts', '--smoke'],
}
const counts = { passed: 0, failed: 0, skipped: 0 }
const broken = []
/** Of each step that ran, its name and how long it took. */
const times = []
/** Of each step that failed, what it said last: repeated at the end. */
const lastWords = []
const LAST_LINES = 120

const streams = process.stdout.isTTY || process.argv.includes('--verbose')
const wanted = process.argv.slice(2).filter((each) => !each.startsWith('-'))
const unknown = wanted.filter((name) => !(name in steps))
if (unknown.length > 0) {
  say(`no step ${unknown.join(', ')}; there are ${Object.keys(steps).join(', ')}`)
  process.exit(2)
}

await install()
await build()
const names = Object.keys(steps).filter((name) => wanted.length === 0 || wanted.includes(name))
const ofTest = ['test', 'docs']
/** As long as all other steps before the tests together. */
const ofCompiler = ['types', 'type-cost']
const beforeTest = Object.keys(steps).slice(0, Object.keys(steps).indexOf('test'))
await inLanes(
  names.filter((name) => beforeTest.includes(name)),
  (name) => ofCompiler.includes(name),
)
// Two lanes for two cores. The tests have one of them, as they take most of the time.
await inLanes(
  names.filter((name) => !beforeTest.includes(name)),
  (name) => ofTest.includes(name),
)

for (const words of lastWords) process.stdout.write(words)
if (broken.length > 0) say(`failed: ${broken.join(', ')}`)
printTimes(times)
console.log(`tests: ${counts.passed} passed, ${counts.failed} failed, ${counts.skipped} skipped`)
process.exitCode = broken.length === 0 ? 0 : 1

/** What a person watches comes in turn, as the lines of two lanes would mix. */
async function inLanes(some, isFirst) {
  if (streams) await inTurn(some)
  else await Promise.all([inTurn(some.filter(isFirst)), inTurn(some.filter((name) => !isFirst(name)))])
}

async function inTurn(some) {
  for (const name of some) await step(name, steps[name])
}

async function step(name, command) {
  const started = performance.now()
  say(`${name} …`)
  const { code, output, cpuText } = await run(command)
  const found = closingLine(output)
  // A step that isn't a test suite counts as one test; a suite counts as its own last line says.
  if (found === undefined) counts[code === 0 ? 'passed' : 'failed'] += 1
  else for (const key of Object.keys(counts)) counts[key] += found[key]
  if (code !== 0) {
    broken.push(name)
    if (found !== undefined && found.failed === 0) counts.failed += 1
    if (!streams)
      lastWords.push(`\nsluice: ${name} ended with\n${output.split('\n').slice(-LAST_LINES).join('\n')}`)
  }
  // A step that was skipped as a whole says why.
  const isSkipped = found !== undefined && found.passed === 0 && found.skipped > 0
  if (!streams && (code !== 0 || isSkipped)) process.stdout.write(output)
  const seconds = (performance.now() - started) / 1000
  times.push({ name, seconds, cpuSeconds: cpuSecondsOf(cpuText) })
  const told = found === undefined ? '' : `, ${found.passed} passed, ${found.skipped} skipped`
  say(`${name} ${code === 0 ? 'holds' : 'FAILED'} (${seconds.toFixed(1)} s${told})`)
}

function run(command) {
  return new Promise((resolve, reject) => {
    const [file, ...args] = timed(command)
    const child = spawn(file, args, {
      cwd: root,
      env: cleanEnvironment(),
      stdio: ['ignore', 'pipe', 'pipe', 'pipe'],
    })
    const chunks = []
    let cpuText = ''
    child.stdio[3].on('data', (chunk) => (cpuText += chunk))
    for (const from of ['stdout', 'stderr'])
      child[from].on('data', (chunk) => {
        if (streams) process[from].write(chunk)
        chunks.push(chunk)
      })
    child.on('error', reject)
    child.on('close', (code) =>
      resolve({ code: code ?? 1, output: Buffer.concat(chunks).toString(), cpuText }),
    )
  })
}

/** What a suite says of itself in its last `tests: …` line. */
function closingLine(output) {
  const match = [...output.matchAll(/^tests: (\d+) passed, (\d+) failed, (\d+) skipped$/gmu)].at(-1)
  return match && { passed: Number(match[1]), failed: Number(match[2]), skipped: Number(match[3]) }
}
