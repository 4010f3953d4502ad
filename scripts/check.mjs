// `npm run check`: all that CI runs, in the order in which a mistake is cheapest to find. `npm run check -- lint test` runs some.
import { spawn } from 'node:child_process'
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
  arrows: [pinnedNode, 'scripts/check-arrows.mjs'],
  types: turbo('typecheck'),
  unused: [...bin('knip/bin/knip.js')],
  packages: [pinnedNode, 'scripts/check-packages.mjs'],
  api: [pinnedNode, 'scripts/api-reports.mjs', '--check'],
  test: ['npm', 'test'],
  radosgw: [pinnedNode, 'scripts/radosgw-test.mjs'],
  examples: [pinnedNode, 'examples/hello.mjs'],
  docs: [pinnedNode, 'scripts/docs.mjs', '--check'],
  's3-cost': [pinnedNode, 'packages/queue-s3/scripts/cost-report.mjs', '--check'],
  stranger: [pinnedNode, 'scripts/stranger-test.mjs'],
  start: [pinnedNode, 'scripts/start-test.mjs'],
  benchmarks: [pinnedNode, 'bench/docs.ts', '--check'],
  bench: [pinnedNode, 'bench/run.ts', '--smoke'],
  scale: [pinnedNode, 'bench/scale.ts', '--smoke'],
}
const counts = { passed: 0, failed: 0, skipped: 0 }
const broken = []

const wanted = process.argv.slice(2).filter((each) => !each.startsWith('-'))
for (const name of wanted)
  if (!(name in steps)) throw new TypeError(`no step ${name}; there are ${Object.keys(steps).join(', ')}`)

await install()
await build()
for (const [name, command] of Object.entries(steps)) {
  if (wanted.length > 0 && !wanted.includes(name)) continue
  const started = performance.now()
  const { code, found } = await tee(command)
  // A step that isn't a test suite counts as one test; a suite counts as its own last line says.
  if (found === undefined) counts[code === 0 ? 'passed' : 'failed'] += 1
  else for (const key of Object.keys(counts)) counts[key] += found[key]
  if (code !== 0) {
    broken.push(name)
    if (found !== undefined && found.failed === 0) counts.failed += 1
  }
  say(`${code === 0 ? 'ok  ' : 'FAIL'} ${name} (${((performance.now() - started) / 1000).toFixed(1)} s)`)
}

if (broken.length > 0) say(`failed: ${broken.join(', ')}`)
console.log(`tests: ${counts.passed} passed, ${counts.failed} failed, ${counts.skipped} skipped`)
process.exitCode = broken.length === 0 ? 0 : 1

function tee([command, ...args]) {
  return new Promise((resolve, reject) => {
    const child = spawn(command, args, {
      cwd: root,
      env: cleanEnvironment(),
      stdio: ['ignore', 'pipe', 'inherit'],
    })
    let tail = ''
    child.stdout.on('data', (chunk) => {
      process.stdout.write(chunk)
      tail = (tail + chunk).slice(-4_000)
    })
    child.on('error', reject)
    child.on('close', (code) => {
      const match = tail.match(/^tests: (\d+) passed, (\d+) failed, (\d+) skipped$/mu)
      const found = match
        ? { passed: Number(match[1]), failed: Number(match[2]), skipped: Number(match[3]) }
        : undefined
      resolve({ code: code ?? 1, found })
    })
  })
}
