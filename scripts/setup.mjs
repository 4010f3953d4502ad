// What `npm start`, `npm test` and `npm run check` share: install with the pinned pnpm, build with turbo,
// find the pinned Node. It runs on whatever Node the person has (20 or newer), so it uses nothing newer and
// no dependency.
import { spawn } from 'node:child_process'
import { createHash } from 'node:crypto'
import { existsSync, readFileSync, readdirSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'

export const root = dirname(dirname(fileURLToPath(import.meta.url)))
const manifest = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'))
/** The pinned pnpm, as `npx` takes it. */
export const pnpm = manifest.packageManager
const stamp = join(root, 'node_modules', '.sluice-installed')

/** Where `npm test` leaves its report, for the documentation to be generated from. */
export const testReport = join(root, 'node_modules', '.cache', 'sluice', 'tests.json')
/** And the CPU time of each test file, a line of JSON each. */
export const testCpu = join(root, 'node_modules', '.cache', 'sluice', 'tests-cpu.jsonl')

/**
 * The Node that the root package pins, for whatever runs built code: the person's own may be too old for it.
 */
export const pinnedNode = join(
  root,
  'node_modules',
  'node',
  'bin',
  process.platform === 'win32' ? 'node.exe' : 'node',
)

/**
 * The environment without what npm and pnpm add for their scripts: pnpm would take npm's variables as its own
 * configuration, and `NODE_PATH`, set by the shims in `.bin`, makes every dependency of this repository
 * resolvable, declared or not.
 */
export function cleanEnvironment(more = {}) {
  const kept = Object.entries(process.env).filter(
    ([name]) => name !== 'NODE_PATH' && !/^npm_(?!config_(registry|cafile))/iu.test(name),
  )
  return { ...Object.fromEntries(kept), TURBO_TELEMETRY_DISABLED: '1', ...more }
}

// The terminal sends Ctrl-C to the child as well; this process only has to outlive it.
const ignore = () => {}

/**
 * Runs a command with the terminal handed through; resolves with its exit code, 128 + signal when it was
 * killed.
 */
export function run(command, args, { cwd = root, env = {}, quiet = false } = {}) {
  return new Promise((resolve, reject) => {
    let output = ''
    const child = spawn(command, args, {
      cwd,
      env: cleanEnvironment(env),
      stdio: quiet ? ['ignore', 'pipe', 'pipe'] : 'inherit',
      shell: process.platform === 'win32',
    })
    child.stdout?.on('data', (chunk) => (output += chunk))
    child.stderr?.on('data', (chunk) => (output += chunk))
    const forward = (signal) => child.kill(signal)
    process.on('SIGTERM', forward).on('SIGINT', ignore)
    child.on('error', reject)
    child.on('close', (code, signal) => {
      process.off('SIGTERM', forward).off('SIGINT', ignore)
      const failed = code !== 0 && signal === null
      if (quiet && failed) process.stderr.write(output)
      resolve(signal === null ? code : 128 + (signal === 'SIGINT' ? 2 : signal === 'SIGTERM' ? 15 : 9))
    })
  })
}

/** Runs the pinned pnpm; nothing needs to be installed globally for it. */
export function runPnpm(args, options) {
  return run('npx', ['--yes', pnpm, ...args], options)
}

function lockDigest() {
  const files = [
    'pnpm-lock.yaml',
    'pnpm-workspace.yaml',
    'package.json',
    'examples/package.json',
    'bench/package.json',
  ]
  const folders = ['packages', 'apps'].flatMap((group) =>
    readdirSync(join(root, group)).map((name) => join(group, name)),
  )
  for (const folder of folders)
    if (existsSync(join(root, folder, 'package.json'))) files.push(join(folder, 'package.json'))
  const hash = createHash('sha256')
  for (const file of files) hash.update(readFileSync(join(root, file)))
  return hash.digest('hex')
}

/** Installs, unless what is installed is what the lock file says. */
export async function install() {
  assertNode()
  const digest = lockDigest()
  if (existsSync(stamp) && readFileSync(stamp, 'utf8') === digest && existsSync(pinnedNode)) return
  say('installing dependencies (once)')
  const code = await runPnpm(['install', '--frozen-lockfile', '--reporter=append-only'], {
    quiet: true,
    env: { CI: 'true' },
  })
  if (code !== 0) fail(`pnpm install ended with exit code ${code}; is the npm registry reachable?`)
  writeFileSync(stamp, digest)
}

/** Builds what changed since the last build. */
export async function build(filter = []) {
  say('building')
  const code = await runPnpm(['exec', 'turbo', 'run', 'build', '--output-logs=errors-only', ...filter], {
    quiet: true,
  })
  if (code !== 0) fail(`the build ended with exit code ${code}`)
}

function assertNode() {
  const major = Number(process.versions.node.split('.')[0])
  if (major < 20)
    fail(`Node ${process.versions.node} is too old: install Node 20 or newer from https://nodejs.org`)
}

export function say(text) {
  process.stderr.write(`sluice: ${text}\n`)
}

export function fail(text) {
  say(text)
  process.exit(1)
}
