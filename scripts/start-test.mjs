// The main job as a newcomer runs it: `npm start`, killed with SIGKILL halfway, and `npm start` again. No
// item may be lost, none may run twice, and the digests must be those that sha256sum gives.
import { execFileSync, spawn } from 'node:child_process'
import { createReadStream, mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { setTimeout as sleep } from 'node:timers/promises'
import { build, cleanEnvironment, install, pinnedNode, root, say } from './setup.mjs'

const ITEMS = 1_000
const scratch = mkdtempSync(join(tmpdir(), 'sluice-start-'))
const place = join(scratch, 'demo')
const results = []

await install()
await build()
try {
  await killedHalfway()
  const second = await start()
  expect('the second npm start ends with exit code 0', second === 0, `exit code ${second}`)
  const manifest = await lines(join(place, 'manifest.jsonl'))
  const paths = manifest.map((line) => JSON.parse(line).body.path)
  expect(`the manifest has ${ITEMS} files`, new Set(paths).size === ITEMS, String(paths.length))
  const rows = report()
  expect(
    'every item is in the report once',
    new Set(rows.map((row) => row.id)).size === ITEMS && rows.length === ITEMS,
  )
  expect(
    'every item is SUCCESS',
    rows.every((row) => row.stage === 'SUCCESS'),
  )
  expect(
    'no item ran twice',
    rows.every((row) => row.attempt === '1'),
  )
  const digests = sha256sum(paths)
  const wrong = rows.filter((row) => digests.get(row.id) !== row['result.sha256'])
  expect('the digests are those of sha256sum', wrong.length === 0, JSON.stringify(wrong[0]))
} finally {
  if (results.every(Boolean)) rmSync(scratch, { recursive: true, force: true })
  else say(`what is left of it: ${scratch}`)
}
const passed = results.filter(Boolean).length
console.log(`tests: ${passed} passed, ${results.length - passed} failed, 0 skipped`)
process.exitCode = passed === results.length ? 0 : 1

function expect(what, holds, seen = '') {
  results.push(holds)
  console.log(`sluice: start: ${holds ? 'holds' : 'FAIL '} ${what}${holds ? '' : `: ${seen}`}`)
}

function spawnStart() {
  const args = ['start', '--', '--items', String(ITEMS), '--dir', scratch]
  return spawn('npm', args, { cwd: root, env: cleanEnvironment(), stdio: 'inherit', detached: true })
}

function start() {
  const child = spawnStart()
  return new Promise((resolve) => child.on('close', resolve))
}

async function killedHalfway() {
  const child = spawnStart()
  const closed = new Promise((resolve) => child.on('close', resolve))
  let done = 0
  for (let tries = 0; done < ITEMS / 4 && tries < 1_200 && child.exitCode === null; tries++) {
    await sleep(100)
    done = finished()
  }
  // The whole group: npm, this project's script and the demo.
  process.kill(-Number(child.pid), 'SIGKILL')
  await closed
  done = finished()
  expect('it was killed halfway', done > 0 && done < ITEMS, `${done} were done`)
}

/** Items in SUCCESS, by the command line, as anybody would look. */
function finished() {
  const settings = ['queue.package=sql', 'queue.name=demo', `queue.url=sqlite:${join(place, 'queue.db')}`]
  const args = ['status', '--json', '--sample', '0', ...settings.flatMap((setting) => ['--set', setting])]
  try {
    readFileSync(join(place, 'demo.json'))
    const text = execFileSync(pinnedNode, [join(root, 'apps/service/dist/cli.js'), ...args], {
      cwd: root,
      stdio: 'pipe',
    })
    return JSON.parse(text).sizes.SUCCESS
  } catch {
    // Not begun yet.
    return 0
  }
}

async function lines(file) {
  const all = []
  for await (const line of createInterface({ input: createReadStream(file) })) all.push(line)
  return all
}

/**
 * The rows of the report by column; no value in them has a line break or a quote, or the count of columns
 * would tell.
 */
function report() {
  const [head, ...rows] = readFileSync(join(place, 'report.csv'), 'utf8').trimEnd().split(/\r?\n/u)
  const columns = head.split(',')
  return rows.map((row) => {
    const cells = [...row.matchAll(/(?:^|,)(?:"((?:[^"]|"")*)"|([^,]*))/gu)]
    return Object.fromEntries(cells.map(([, quoted, plain], index) => [columns[index], quoted ?? plain]))
  })
}

function sha256sum(paths) {
  const command = process.platform === 'darwin' ? ['shasum', '-a', '256'] : ['sha256sum']
  const output = execFileSync(command[0], [...command.slice(1), '--', ...paths], {
    cwd: root,
    encoding: 'utf8',
  })
  return new Map(
    output
      .trimEnd()
      .split('\n')
      .map((line) => [line.slice(66), line.slice(0, 64)]),
  )
}
