// The tests under each Node that is supported: the oldest of each line that has a safe SQLite, and a new one.
// Not part of CI: it takes as long as `npm test` for each.
//   node scripts/node-versions.mjs                               every test under each
//   node scripts/node-versions.mjs 26.12.1 -- packages/core      under one, the tests that vitest is given these arguments for
import { execFileSync } from 'node:child_process'
import { existsSync, mkdirSync, writeFileSync } from 'node:fs'
import { delimiter, dirname, join } from 'node:path'
import { build, cleanEnvironment, install, root, run, say } from './setup.mjs'

const VERSIONS = ['22.22.3', '24.15.0', '26.12.1']
const vitest = join(root, 'node_modules/vitest/vitest.mjs')

const args = process.argv.slice(2)
const end = args.includes('--') ? args.indexOf('--') : args.length
const versions = end > 0 ? args.slice(0, end) : VERSIONS

await install()
await build()
const counts = { passed: 0, failed: 0 }
for (const version of versions) {
  const node = installNode(version)
  const seen = execFileSync(node, ['-p', 'process.version'], { encoding: 'utf8' }).trim()
  if (seen !== `v${version}`) throw new Error(`${node} is ${seen}, not v${version}`)
  // Tests that start a `node` get this one too.
  const env = { PATH: `${dirname(node)}${delimiter}${process.env.PATH}` }
  const code = await run(node, [vitest, 'run', ...args.slice(end + 1)], { env })
  say(`Node ${version}: ${code === 0 ? 'every test passes' : 'FAILED'}`)
  counts[code === 0 ? 'passed' : 'failed'] += 1
}
console.log(`tests: ${counts.passed} passed, ${counts.failed} failed, 0 skipped`)
process.exitCode = counts.failed === 0 ? 0 : 1

/** What npm's package `node` installs for this platform. */
function installNode(version) {
  const platform = process.platform === 'win32' ? 'win' : process.platform
  const name = `node-${platform}-${process.arch}`
  const folder = join(root, 'node_modules', '.cache', 'sluice', 'nodes', version)
  const node = join(folder, 'node_modules', name, 'bin', process.platform === 'win32' ? 'node.exe' : 'node')
  if (existsSync(node)) return node
  say(`installing Node ${version}`)
  mkdirSync(folder, { recursive: true })
  // With a manifest of its own npm does not look for one further up.
  writeFileSync(join(folder, 'package.json'), '{"private":true}\n')
  execFileSync('npm', ['install', '--no-audit', '--no-fund', '--no-package-lock', `${name}@${version}`], {
    cwd: folder,
    env: cleanEnvironment(),
    stdio: ['ignore', 'ignore', 'inherit'],
    shell: process.platform === 'win32',
  })
  return node
}
