// `npm run check -- radosgw`: the S3 queue on a real store, Ceph's gateway. What S3 servers are known to do,
// the whole contract of a queue, the documented Python, and processes that are killed each second. Where the
// gateway can't be installed the step is skipped, and says so; in CI it fails.
import { execFileSync } from 'node:child_process'
import { readFileSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { installPackages, startRadosgw, whyNoRadosgw } from './radosgw.mjs'
import { storeEnvironment } from './s3-servers/loopback.mjs'
import { pinnedNode, root, run, say } from './setup.mjs'

const FILES = [
  'packages/fake-s3/test/facts/s3-server-facts.test.ts',
  'packages/queue-s3/test/contract.test.ts',
  'packages/queue-s3/test/probe/versioning-race.test.ts',
  'packages/queue-s3/test/format/python-producer.test.ts',
]
const KILL_TEST = ['packages/queue-s3/scripts/kill-test.mjs', '--items', '200', '--seconds', '8']
const report = join(root, 'node_modules', '.cache', 'sluice', 'radosgw-tests.json')

const log = (line) => say(`radosgw: ${line}`)

const why = whyNoRadosgw()
if (why === undefined) await testOnStore()
else {
  const isCi = !['', '0', 'false'].includes(process.env.CI ?? '')
  say(`radosgw can't be started here: ${why}`)
  tell({ failed: isCi ? 1 : 0, skipped: isCi ? 0 : 1 })
}

async function testOnStore() {
  const store = await timed('the gateway’s start', () => startRadosgw({ log }))
  try {
    if (!isBoto3There()) await installBoto3()
    const env = storeEnvironment(store)
    const counts = await timed('the tests', () => runFiles(env))
    const killed = await timed('the kill test', () => run(pinnedNode, KILL_TEST, { env }))
    tell({ ...counts, ...(killed === 0 ? { passed: counts.passed + 1 } : { failed: counts.failed + 1 }) })
  } finally {
    await timed('the gateway’s end', () => store.stop())
  }
}

/** The step is the longest of CI: where its time goes is to be seen. */
async function timed(what, action) {
  const start = performance.now()
  const value = await action()
  log(`${what} took ${((performance.now() - start) / 1_000).toFixed(1)} s`)
  return value
}

function isBoto3There() {
  try {
    execFileSync('/usr/bin/python3', ['-c', 'import boto3'], { stdio: 'ignore' })
    return true
  } catch {
    return false
  }
}

/** Where it can't be had, the test that needs it is skipped, and counted so. */
async function installBoto3() {
  await installPackages(['python3-boto3'], log).catch((error) => log(`no boto3: ${error.message}`))
}

async function runFiles(env) {
  rmSync(report, { force: true })
  const vitest = join(root, 'node_modules/vitest/vitest.mjs')
  const reporters = ['--reporter=default', '--reporter=json', `--outputFile.json=${report}`]
  const code = await run(pinnedNode, [vitest, 'run', ...reporters, ...FILES], { env })
  try {
    const found = JSON.parse(readFileSync(report, 'utf8'))
    // A file that can't even be loaded has no tests to fail: it counts as one.
    const failed = code === 0 ? 0 : Math.max(1, found.numFailedTests)
    return { passed: found.numPassedTests, failed, skipped: found.numPendingTests }
  } catch {
    return { passed: 0, failed: 1, skipped: 0 }
  }
}

function tell({ passed = 0, failed = 0, skipped = 0 }) {
  console.log(`tests: ${passed} passed, ${failed} failed, ${skipped} skipped`)
  process.exitCode = failed === 0 ? 0 : 1
}
