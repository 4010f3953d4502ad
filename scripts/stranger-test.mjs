// What a stranger meets: the packages as they would be published, installed with npm outside of this workspace, and
// `examples/stranger` on them: a queue of one's own through the whole contract, and the engine on that queue.
import { spawn } from 'node:child_process'
import { cpSync, mkdtempSync, readdirSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { cleanEnvironment, fail, pinnedNode, root, run, runPnpm, say } from './setup.mjs'

const place = mkdtempSync(join(tmpdir(), 'sluice-stranger-'))
process.on('exit', () => rmSync(place, { recursive: true, force: true }))

const home = join(place, 'stranger')
cpSync(join(root, 'examples', 'stranger'), home, { recursive: true })
await installPackages(await packed(['core', 'engine', 'testkit']))
const contract = await contractCounts()
const engine = await output(pinnedNode, ['engine.mjs'])
if (engine.code !== 0) process.stderr.write(engine.text)

const failed = contract.failed + (engine.code === 0 ? 0 : 1)
const passed = contract.passed + (engine.code === 0 ? 1 : 0)
console.log(`tests: ${passed} passed, ${failed} failed, ${contract.skipped} skipped`)
process.exitCode = failed === 0 ? 0 : 1

/** Tarballs as `pnpm publish` would send them: built code, and `workspace:` ranges replaced by versions. */
async function packed(names) {
  say(`packing ${names.join(', ')}`)
  for (const name of names) {
    const code = await runPnpm(['pack', '--pack-destination', place], {
      cwd: join(root, 'packages', name),
      quiet: true,
    })
    if (code !== 0) fail(`packing ${name} ended with exit code ${code}; is it built?`)
  }
  const tarballs = readdirSync(place).filter((file) => file.endsWith('.tgz'))
  if (tarballs.length !== names.length)
    fail(`${names.length} tarballs were expected, there are ${tarballs.length}`)
  return tarballs.map((file) => join(place, file))
}

async function installPackages(tarballs) {
  say('installing them outside of the workspace')
  // The person's own Node may be older than what the packages ask for; what they are run with is not.
  const options = ['--no-audit', '--no-fund', '--no-package-lock', '--loglevel=error']
  const code = await run('npm', ['install', ...options, ...tarballs], { cwd: home, quiet: true })
  if (code !== 0) fail(`npm install of the tarballs ended with exit code ${code}`)
}

async function contractCounts() {
  say('running the contract on a queue of their own')
  const { code, text } = await output(pinnedNode, ['--test', '--test-reporter=tap'])
  const count = (what) => Number(text.match(new RegExp(`^# ${what} (\\d+)$`, 'mu'))?.[1] ?? 0)
  const failed = count('fail') + count('cancelled')
  if (code !== 0) process.stderr.write(text)
  // No test at all is a failure too: the suite was not found.
  const broken = failed === 0 && (code !== 0 || count('pass') === 0)
  return { passed: count('pass'), failed: broken ? 1 : failed, skipped: count('skipped') + count('todo') }
}

/** Runs a command in the stranger's folder; both of its streams as one text. */
function output(command, args) {
  return new Promise((resolve, reject) => {
    const child = spawn(command, args, {
      cwd: home,
      env: cleanEnvironment(),
      stdio: ['ignore', 'pipe', 'pipe'],
    })
    let text = ''
    for (const stream of [child.stdout, child.stderr]) stream.on('data', (chunk) => (text += chunk))
    child.on('error', reject)
    child.on('close', (code) => resolve({ code: code ?? 1, text }))
  })
}
