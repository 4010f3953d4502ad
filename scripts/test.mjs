// `npm test`: set up, then every test of every package, and a last line that counts them.
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { build, install, pinnedNode, root, run } from './setup.mjs'

await install()
await build()
const scratch = mkdtempSync(join(tmpdir(), 'sluice-test-'))
const report = join(scratch, 'report.json')
const vitest = join(root, 'node_modules/vitest/vitest.mjs')
const args = [vitest, 'run', '--reporter=default', '--reporter=json', `--outputFile.json=${report}`]
const code = await run(pinnedNode, [...args, ...process.argv.slice(2)])
let failed = 1
try {
  const { numPassedTests, numFailedTests, numPendingTests, numTodoTests, numFailedTestSuites, success } =
    JSON.parse(readFileSync(report, 'utf8'))
  // A file that can't even be loaded has no tests to fail: it counts as one.
  failed = numFailedTests > 0 || success ? numFailedTests : Math.max(1, numFailedTestSuites)
  console.log(`tests: ${numPassedTests} passed, ${failed} failed, ${numPendingTests + numTodoTests} skipped`)
} catch {
  console.log('tests: 0 passed, 1 failed, 0 skipped')
}
rmSync(scratch, { recursive: true, force: true })
process.exitCode = code === 0 && failed === 0 ? 0 : 1
