import { execFileSync } from 'node:child_process'
import { writeFileSync } from 'node:fs'
import { readFile, readdir } from 'node:fs/promises'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { readClaim } from '../../src/jobs/claim.js'
import { writeOnce } from '../../src/disk/record.js'
import { WorkerBench, eventually, groupOf, newJob, outcome, send } from '../worker-bench.js'

let bench: WorkerBench

beforeEach(() => {
  bench = new WorkerBench()
})

afterEach(() => bench.close())

const DEAF = 'trap "" TERM; echo runs; while :; do sleep 0.02; done'

describe('a command', () => {
  test('has its own session and nothing of the supervisor: no open files, no ignored signals', async () => {
    const script = 'ls /proc/self/fd | tr "\\n" " "; grep SigIgn /proc/self/status; ps -o sid= -p $$; echo $$'
    const worker = await bench.open(bench.options(['sh', '-c', script]))
    const job = newJob('a')
    await send(worker, job)
    await outcome(worker, job)
    const [first = '', sid = '', pid = ''] = (await readFile(bench.layout().place(job).stdout, 'utf8')).split(
      '\n',
    )
    // What the test itself was started with is handed on to every process.
    const plain = execFileSync('sh', ['-c', 'ls /proc/self/fd | tr "\\n" " "'], { encoding: 'utf8' })
    expect(first).toMatch(new RegExp(`^${plain}SigIgn:\\s+0+$`, 'u'))
    expect(sid.trim()).toBe(pid)
  })

  test.each([
    ['#!/no/such/interpreter\n', 127, /names the interpreter "\/no\/such\/interpreter"/u],
    ['#!/etc/passwd\n', 126, /names the interpreter "\/etc\/passwd"/u],
    ['exit 3 # no first line that names one: a shell runs it\n', 3, /^exit code 3$/u],
  ])('that can’t be executed ends as in a shell: %j', async (text, exitCode, message) => {
    const program = join(bench.dir, 'program')
    writeFileSync(program, text, { mode: 0o755 })
    const worker = await bench.open(bench.options([program]))
    const job = newJob('a')
    await send(worker, job)
    const report = await outcome(worker, job)
    expect(report).toMatchObject({ stage: 'FAIL', exitCode, message })
  })

  test('is told to end once, though it is cancelled often, and may end in its own way', async () => {
    const script =
      'trap "echo told" TERM; echo runs; while [ ! -e "$SLUICE_OUTPUT_DIR/end" ]; do sleep 0.02; done; exit 7'
    const worker = await bench.open(bench.options(['sh', '-c', script], { killAfterMs: 60_000 }))
    const job = newJob('a')
    await send(worker, job)
    const { stdout, output } = bench.layout().place(job)
    const written = () => readFile(stdout, 'utf8').catch(() => '')
    await eventually('it runs', async () => (await written()) === 'runs\n')
    for (let times = 0; times < 5; times++) await worker.cancelJob(job, 'enough')
    await eventually('it is told', async () => (await written()) === 'runs\ntold\n')
    writeFileSync(join(output, 'end'), '')
    expect(await outcome(worker, job)).toMatchObject({ message: /^cancelled: enough \(exit code 7\)/u })
    expect(await written()).toBe('runs\ntold\n')
  })

  test('is not ended by a signal to its supervisor without the record that it is to end', async () => {
    const worker = await bench.open(bench.options(['sh', '-c', DEAF], { killAfterMs: 50 }))
    const [job, other] = [newJob('a'), newJob('b')]
    for (const one of [job, other]) {
      await send(worker, one)
      await groupOf(bench.layout().place(one))
    }
    const place = bench.layout().place(job)
    const { pid = 0 } = (await readClaim(place)) ?? {}
    for (let times = 0; times < 20; times++) process.kill(pid, 'SIGUSR2')
    await writeOnce(place.stopping, 'cancel:enough')
    process.kill(pid, 'SIGUSR2')
    expect(await outcome(worker, job)).toMatchObject({ message: 'cancelled: enough (killed by SIGKILL)' })
    expect((await worker.lookupJob(other))?.stage).toBe('PROCESSING')
    expect(await readdir(bench.layout().ended)).toEqual([place.key])
  })
})
