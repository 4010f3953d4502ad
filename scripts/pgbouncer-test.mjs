// `npm run check -- pgbouncer`: the PostgreSQL queue behind PgBouncer, of Debian's package or the one that
// SLUICE_TEST_PGBOUNCER names. Where it is missing and can't be installed the step is skipped, and says so;
// in CI it fails.
import { existsSync, readFileSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { installPackages } from './radosgw.mjs'
import { pinnedNode, root, run, say } from './setup.mjs'

const FILE = 'packages/queue-sql/test/postgres/pgbouncer.int.test.ts'
const PACKAGE = 'pgbouncer'
const report = join(root, 'node_modules', '.cache', 'sluice', 'pgbouncer-tests.json')

const program = findProgram() ?? (await installed())
if (program === undefined) {
  const isCi = !['', '0', 'false'].includes(process.env.CI ?? '')
  say(`pgbouncer not found. On Debian, as root: apt-get install -y --no-install-recommends ${PACKAGE}`)
  tell({ failed: isCi ? 1 : 0, skipped: isCi ? 0 : 1 })
} else {
  tell(await runFile(program))
}

function findProgram() {
  const given = process.env.SLUICE_TEST_PGBOUNCER
  if (given !== undefined && given !== '') return given
  const folders = [...(process.env.PATH ?? '').split(':'), '/usr/sbin']
  return folders.map((folder) => join(folder, PACKAGE)).find((path) => existsSync(path))
}

async function installed() {
  await installPackages([PACKAGE], (line) => say(`pgbouncer: ${line}`)).catch((error) =>
    say(`pgbouncer: ${error.message}`),
  )
  return findProgram()
}

async function runFile(path) {
  rmSync(report, { force: true })
  const vitest = join(root, 'node_modules/vitest/vitest.mjs')
  const reporters = ['--reporter=default', '--reporter=json', `--outputFile.json=${report}`]
  const code = await run(pinnedNode, [vitest, 'run', ...reporters, FILE], {
    env: { SLUICE_TEST_PGBOUNCER: path },
  })
  try {
    const found = JSON.parse(readFileSync(report, 'utf8'))
    return {
      passed: found.numPassedTests,
      failed: code === 0 ? 0 : Math.max(1, found.numFailedTests),
      skipped: found.numPendingTests,
    }
  } catch {
    return { failed: 1 }
  }
}

function tell({ passed = 0, failed = 0, skipped = 0 }) {
  console.log(`tests: ${passed} passed, ${failed} failed, ${skipped} skipped`)
  process.exitCode = failed === 0 ? 0 : 1
}
