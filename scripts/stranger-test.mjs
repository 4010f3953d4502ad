// What a stranger meets: the packages as they would be published, installed with npm outside of this workspace, and
// `examples/stranger` on them: a queue of one's own through the whole contract, and the engine on that queue.
import { spawn } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { delimiter, dirname, join } from 'node:path'
import { cleanEnvironment, fail, pinnedNode, root, run, say } from './setup.mjs'

const place = mkdtempSync(join(tmpdir(), 'sluice-stranger-'))
process.on('exit', () => rmSync(place, { recursive: true, force: true }))

const home = join(place, 'my-queue')
await followReadme()
const contract = await contractCounts()
const engine = await output(pinnedNode, ['engine.mjs'])
if (engine.code !== 0) process.stderr.write(engine.text)

const failed = contract.failed + (engine.code === 0 ? 0 : 1)
const passed = contract.passed + (engine.code === 0 ? 1 : 0)
console.log(`tests: ${passed} passed, ${failed} failed, ${contract.skipped} skipped`)
process.exitCode = failed === 0 ? 0 : 1

/** What its README says, line by line, up to where the tests begin: those are run so that they can be counted. */
async function followReadme() {
  const readme = readFileSync(join(root, 'examples', 'stranger', 'README.md'), 'utf8')
  const lines = readme.match(/```sh\n([\s\S]*?)\n```/u)?.[1].split('\n') ?? []
  const [tests, start] = ['npm test', 'npm start'].map((line) => lines.indexOf(line))
  if (tests < 1 || start < tests)
    fail('the README of examples/stranger has no commands that end with npm test and npm start')
  const script = lines.slice(0, tests).join(' \n').replaceAll('../my-queue', home)
  if (!script.includes(home)) fail('the commands of the README lead to no folder of their own')
  say('following the README of examples/stranger')
  // The person's own Node may be older than what the packages ask for; what they are run with is not.
  const npm = {
    npm_config_audit: 'false',
    npm_config_fund: 'false',
    npm_config_loglevel: 'error',
    SLUICE_BUILT: '1',
  }
  const path = `${dirname(pinnedNode)}${delimiter}${process.env.PATH}`
  const code = await run('sh', ['-e', '-c', script], { quiet: true, env: { ...npm, PATH: path } })
  if (code !== 0) fail(`the commands of the README ended with exit code ${code}`)
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
