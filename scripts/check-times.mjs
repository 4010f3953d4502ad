// Where the time of `npm run check` goes: a table of its longest steps, packages and test files. Seconds of
// CPU are those of a step and of all that it started; they hardly depend on what else the machine does.
import { existsSync, readFileSync } from 'node:fs'
import { relative } from 'node:path'
import { root, testCpu, testReport } from './setup.mjs'

const LONGEST = 10

/** The command, in a shell that writes the CPU time of its children to descriptor 3. */
export function timed(command) {
  if (process.platform === 'win32') return command
  return ['sh', '-c', '"$@" 3>&-; code=$?; times >&3; exit "$code"', 'sh', ...command]
}

/** The second line of `times`: user and system of the children, each as `1m2.5s`. */
export function cpuSecondsOf(text) {
  const spans = [...(text.split('\n')[1] ?? '').matchAll(/(\d+)m([\d.]+)s/gu)]
  if (spans.length === 0) return undefined
  return spans.reduce((sum, [, minutes, seconds]) => sum + 60 * Number(minutes) + Number(seconds), 0)
}

/** @param {{ name: string, seconds: number, cpuSeconds?: number }[]} steps */
export function printTimes(steps) {
  print('steps', steps)
  if (!steps.some(({ name }) => name === 'test')) return
  const files = filesOfTest()
  const packages = new Map()
  for (const file of files) {
    const name = file.name.split('/').slice(0, 2).join('/')
    const { seconds = 0, cpuSeconds = 0 } = packages.get(name) ?? {}
    packages.set(name, {
      name,
      seconds: seconds + file.seconds,
      cpuSeconds: cpuSeconds + (file.cpuSeconds ?? 0),
    })
  }
  print('packages of the tests, the times of their files together', [...packages.values()])
  print('test files', files)
}

function print(what, rows) {
  console.log(`The longest ${what}:`)
  const longest = rows.toSorted((one, other) => other.seconds - one.seconds).slice(0, LONGEST)
  for (const { name, seconds, cpuSeconds } of longest) {
    const cpu = cpuSeconds === undefined ? '' : `, ${cpuSeconds.toFixed(0).padStart(4)} s of CPU`
    console.log(`${seconds.toFixed(0).padStart(6)} s${cpu}  ${name}`)
  }
}

/** Without the time in which a file's modules are loaded, but with its CPU time. */
function filesOfTest() {
  const lines = textOf(testCpu)
    .split('\n')
    .filter((line) => line !== '')
  const cpu = new Map(lines.map((line) => JSON.parse(line)).map((one) => [one.file, one.cpuSeconds]))
  const { testResults } = JSON.parse(textOf(testReport) || '{"testResults":[]}')
  return testResults.map(({ name, startTime, endTime }) => ({
    name: relative(root, name),
    seconds: (endTime - startTime) / 1_000,
    cpuSeconds: cpu.get(name),
  }))
}

/** A run that wrote nothing has failed, and has said so. */
function textOf(file) {
  return existsSync(file) ? readFileSync(file, 'utf8') : ''
}
