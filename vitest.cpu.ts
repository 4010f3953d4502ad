// The CPU time of each test file and of the processes that it started, added to the file that SLUICE_TEST_CPU
// names: how long a file takes depends on what else the machine does, this hardly. Linux only; elsewhere the
// time of the file's own process.
import { appendFileSync, existsSync, readFileSync } from 'node:fs'
import { afterAll, expect } from 'vitest'

const STAT = '/proc/self/stat'
/** `user`, `system`, and both of the children that have ended; in hundredths of a second. */
const FIRST_TIME = 11
const TIMES = 4

function cpuSeconds(): number {
  if (!existsSync(STAT)) {
    const { user, system } = process.cpuUsage()
    return (user + system) / 1_000_000
  }
  // What stands before is the process's name, in which any character may be.
  const fields = readFileSync(STAT, 'utf8').split(') ').at(-1)?.split(' ') ?? []
  const times = fields.slice(FIRST_TIME, FIRST_TIME + TIMES).map(Number)
  return times.reduce((sum, hundredths) => sum + hundredths / 100, 0)
}

const { SLUICE_TEST_CPU: log = '' } = process.env
// What the tests start is to have nothing of it.
delete process.env['SLUICE_TEST_CPU']
afterAll(() => {
  const line = { file: expect.getState().testPath, cpuSeconds: cpuSeconds() }
  if (log !== '') appendFileSync(log, `${JSON.stringify(line)}\n`)
})
