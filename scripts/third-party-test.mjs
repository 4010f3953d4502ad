// What a third party gets: the packages as they would be published, installed with npm outside of this
// workspace, and the programs under `examples/queue` and `examples/worker` on them. Each is set up by the
// commands of its README, and tested by the published runner.
import { spawn } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { delimiter, dirname, join } from 'node:path'
import { cleanEnvironment, fail, pinnedNode, root, run, say } from './setup.mjs'

const place = mkdtempSync(join(tmpdir(), 'sluice-third-party-'))
process.on('exit', () => rmSync(place, { recursive: true, force: true }))
// The machine's Node may be older than what the packages ask for; what they are run with is not.
const path = `${dirname(pinnedNode)}${delimiter}${process.env.PATH}`

const counts = { passed: 0, failed: 0, skipped: 0 }
for (const name of ['queue', 'worker']) await tryExample(name)
console.log(`tests: ${counts.passed} passed, ${counts.failed} failed, ${counts.skipped} skipped`)
process.exitCode = counts.failed === 0 ? 0 : 1

async function tryExample(name) {
  const home = join(place, `my-${name}`)
  const commands = await followReadme(name, home)
  const found = await contractCounts(name, home)
  for (const key of Object.keys(counts)) counts[key] += found[key]
  if (!commands.includes('npm start')) return
  const { code, text } = await output(home, ['npm', 'start'])
  if (code !== 0) process.stderr.write(text)
  counts[code === 0 ? 'passed' : 'failed'] += 1
}

/** What its README says, up to where the tests begin: those are run so that they can be counted. */
async function followReadme(name, home) {
  const readme = readFileSync(join(root, 'examples', name, 'README.md'), 'utf8')
  const lines = readme.match(/```sh\n([\s\S]*?)\n```/u)?.[1].split('\n') ?? []
  const tests = lines.indexOf('npm test')
  if (tests < 1) fail(`the README of examples/${name} has no commands that end with npm test`)
  const script = lines.slice(0, tests).join(' \n').replaceAll(`../my-${name}`, home)
  if (!script.includes(home)) fail(`the commands of examples/${name} lead to no folder of their own`)
  say(`following the README of examples/${name}`)
  const npm = {
    npm_config_audit: 'false',
    npm_config_fund: 'false',
    npm_config_loglevel: 'error',
    SLUICE_BUILT: '1',
  }
  const code = await run('sh', ['-e', '-c', script], { quiet: true, env: { ...npm, PATH: path } })
  if (code !== 0) fail(`the commands of examples/${name} ended with exit code ${code}`)
  return lines
}

/** The last line of the runner has the counts. */
async function contractCounts(name, home) {
  say(`running the contract on examples/${name}`)
  const { code, text } = await output(home, ['npm', 'test', '--silent', '--', '--json'])
  const last = text.trimEnd().split('\n').at(-1)
  if (!last.startsWith('{"passed":')) {
    process.stderr.write(text)
    return { passed: 0, failed: 1, skipped: 0 }
  }
  const { passed, failed, slow, skipped } = JSON.parse(last)
  const broken = failed + slow
  if (broken > 0)
    process.stderr.write(
      text
        .split('\n')
        .filter((line) => !/"outcome":"(?:passed|skipped)"/u.test(line))
        .join('\n'),
    )
  // No case at all is a failure too: nothing was tested.
  return { passed, failed: broken === 0 && (code !== 0 || passed === 0) ? 1 : broken, skipped }
}

/** Runs a command in the folder of the example; both of its streams as one text. */
function output(home, [command, ...args]) {
  return new Promise((resolve, reject) => {
    const child = spawn(command, args, {
      cwd: home,
      env: cleanEnvironment({ PATH: path }),
      stdio: ['ignore', 'pipe', 'pipe'],
    })
    let text = ''
    for (const stream of [child.stdout, child.stderr]) stream.on('data', (chunk) => (text += chunk))
    child.on('error', reject)
    child.on('close', (code) => resolve({ code: code ?? 1, text }))
  })
}
