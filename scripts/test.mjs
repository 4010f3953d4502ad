// `npm test`: set up, then every test of every package, and a last line that counts them.
import { mkdirSync, readFileSync, rmSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { build, install, pinnedNode, root, run, testCpu, testReport } from './setup.mjs'

await install()
await build()
for (const file of [testReport, testCpu]) rmSync(file, { force: true })
mkdirSync(dirname(testCpu), { recursive: true })
const vitest = join(root, 'node_modules/vitest/vitest.mjs')
const args = [vitest, 'run', '--reporter=default', '--reporter=json', `--outputFile.json=${testReport}`]
const code = await run(pinnedNode, [...args, ...process.argv.slice(2)], {
  env: { SLUICE_TEST_CPU: testCpu },
})
let failed = 1
try {
  const { numPassedTests, numFailedTests, numPendingTests, numTodoTests, numFailedTestSuites, success } =
    JSON.parse(readFileSync(testReport, 'utf8'))
  // A file that can't even be loaded has no tests to fail: it counts as one.
  failed = numFailedTests > 0 || success ? numFailedTests : Math.max(1, numFailedTestSuites)
  console.log(`tests: ${numPassedTests} passed, ${failed} failed, ${numPendingTests + numTodoTests} skipped`)
} catch {
  console.log('tests: 0 passed, 1 failed, 0 skipped')
}
process.exitCode = code === 0 && failed === 0 ? 0 : 1
