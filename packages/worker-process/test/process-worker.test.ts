import { chmodSync, existsSync, writeFileSync } from 'node:fs'
import { mkdir, readFile, readdir, rm, stat } from 'node:fs/promises'
import { basename, dirname, join } from 'node:path'
import { isSluiceError } from '@sluice/core'
import { failureGroupOf } from '@sluice/core/backend'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { openWorker } from '../src/index.js'
import { assertPlatform } from '../src/process-backend.js'
import { writeOnce } from '../src/disk/record.js'
import { WorkerBench, detail, eventually, groupOf, isAlive, newJob, outcome, send } from './worker-bench.js'

let bench: WorkerBench

beforeEach(() => {
  bench = new WorkerBench()
})

afterEach(() => bench.close())

describe('a job', () => {
  test('that exits with 0 is a success, with the last line of stdout as its result', async () => {
    const worker = await bench.open(
      bench.options(['sh', '-c', 'echo noise; echo \'{{"bytes": 12}\'; echo oops >&2']),
    )
    const job = newJob('a')
    await send(worker, job)
    const report = await outcome(worker, job)
    expect(report).toMatchObject({ stage: 'SUCCESS', uid: job.uid, attempt: 1, result: { bytes: 12 } })
    expect(report.message).toBeUndefined()
    expect(detail(report, 'exitCode')).toBe(0)
    expect(await readFile(String(detail(report, 'stdoutFile')), 'utf8')).toBe('noise\n{"bytes": 12}\n')
    expect(await readFile(String(detail(report, 'stderrFile')), 'utf8')).toBe('oops\n')
    expect(detail(report, 'durationMs')).toBeGreaterThanOrEqual(0)
    expect(Number(report.finishedAt)).toBeGreaterThanOrEqual(Number(report.startedAt))
  })

  test.each([
    ['echo first >&2; echo last >&2; exit 3', 'failed', /^exit code 3: first\nlast$/u, { exitCode: 3 }],
    ['exit 255', 'failed', /^exit code 255$/u, { exitCode: 255 }],
    ['kill -KILL $$', 'killed', /^killed by SIGKILL$/u, { exitCode: 137, signal: 'SIGKILL' }],
    ['kill -TERM $$', 'killed', /^killed by SIGTERM$/u, { exitCode: 143, signal: 'SIGTERM' }],
    ['/no/such/program', 'error', /^exit code 127: .*not found/u, { exitCode: 127 }],
  ])('that ends with %s fails', async (script, failureClass, message, details) => {
    const worker = await bench.open(bench.options(['sh', '-c', script]))
    const job = newJob('a')
    await send(worker, job)
    const report = await outcome(worker, job)
    expect(report).toMatchObject({ stage: 'FAIL', failureClass, details })
    expect(report.message).toMatch(message)
    expect(report.result).toBeUndefined()
  })

  test('gets each argument whole, whatever it holds, and no shell looks at it', async () => {
    const nasty = [
      'a b',
      '"\'',
      '$(touch /tmp/sluice-pwned); `id`',
      'two\nlines',
      '🧪 ünï',
      '',
      '-rf',
      '*',
      '\\',
      '{id}',
    ]
    const program = 'process.stdout.write(JSON.stringify(process.argv.slice(1)))'
    const command = [
      process.execPath,
      '-e',
      program,
      '--',
      ...nasty.map((_, index) => `{body.args.${index}}`),
      '{id}',
    ]
    const worker = await bench.open(bench.options(command))
    const job = newJob('../it’s "$HOME"', { args: nasty })
    await send(worker, job)
    expect((await outcome(worker, job)).result).toEqual([...nasty, job.id])
  })

  test('has the body on stdin, 1 MB of it', async () => {
    const worker = await bench.open(bench.options(['sh', '-c', 'wc -c; cat > /dev/null']))
    const body = { text: 'x'.repeat(1_000_000) }
    const job = newJob('a', body)
    await send(worker, job)
    expect((await outcome(worker, job)).result).toBe(JSON.stringify(body).length)
  })

  test('may ignore its stdin', async () => {
    const worker = await bench.open(bench.options(['true']))
    const job = newJob('a', 'x'.repeat(1_000_000))
    await send(worker, job)
    expect((await outcome(worker, job)).stage).toBe('SUCCESS')
  })

  test('has nothing on stdin when told so, and its result is left alone when told so', async () => {
    const worker = await bench.open(bench.options(['cat'], { stdin: 'none', result: 'none' }))
    const job = newJob('a', { secret: 1 })
    await send(worker, job)
    const report = await outcome(worker, job)
    expect(report.result).toBeUndefined()
    expect(await readFile(String(detail(report, 'stdoutFile')), 'utf8')).toBe('')
    expect(await readdir(bench.layout().place(job).home)).not.toContain('stdin')
  })

  test('finds its variables and folder, and none of the service’s own settings', async () => {
    process.env.SLUICE_QUEUE_URL = 'postgres://u:secret@h/db'
    const script =
      'echo "[\\"$SLUICE_ITEM_ID\\",\\"$SLUICE_ATTEMPT\\",\\"$SLUICE_QUEUE\\",\\"$MORE\\",\\"$SLUICE_QUEUE_URL\\",\\"$PWD\\"]"; cp /dev/null "$SLUICE_OUTPUT_DIR/made"'
    const worker = await bench.open(
      bench.options(['sh', '-c', script], { env: { MORE: 'yes' }, cwd: '/usr' }),
    )
    const job = newJob('a b', {}, { attempt: 7 })
    await send(worker, job)
    delete process.env.SLUICE_QUEUE_URL
    expect((await outcome(worker, job)).result).toEqual(['a b', '7', 'tiles', 'yes', '', '/usr'])
    expect(await readdir(bench.layout().place(job).output)).toEqual(['made'])
  })

  test('finds none of the variables that secrets were read from, but for what `env` says, and they are in no file', async () => {
    const variables = { FIRST_SECRET: 'hunter2-first', SECOND_SECRET: 'hunter2-second', NO_SECRET: 'open' }
    Object.assign(process.env, variables)
    const script = 'echo "[\\"$FIRST_SECRET\\",\\"$SECOND_SECRET\\",\\"$NO_SECRET\\"]"'
    const options = bench.options(['sh', '-c', script], {
      env: { SECOND_SECRET: 'hunter2-second' },
      keepOutputs: 'none',
    })
    const known = new Set<string>()
    const worker = await openWorker(options, { isSecretVariable: (name) => known.has(name) })
    // What is read later holds too: it is asked when the job starts.
    for (const name of ['FIRST_SECRET', 'SECOND_SECRET']) known.add(name)
    const job = newJob('a')
    await send(worker, job)
    for (const name of Object.keys(variables)) Reflect.deleteProperty(process.env, name)
    expect((await outcome(worker, job)).result).toEqual(['', 'hunter2-second', 'open'])
    const { home, stdout } = bench.layout().place(job)
    await rm(stdout)
    for (const entry of await readdir(home, { recursive: true, withFileTypes: true })) {
      // A record is the text of a link that leads nowhere.
      if (entry.isSymbolicLink()) continue
      const path = join(entry.parentPath, entry.name)
      const { mode } = await stat(path)
      // The group and others may do nothing.
      expect([path, mode & 0o077]).toEqual([path, 0])
      const text = entry.isFile() ? await readFile(path, 'utf8') : ''
      expect(text).not.toContain('hunter2')
    }
    await worker.close()
  })

  test('leaves 1 MB of stderr in a file and its end in the message', async () => {
    const worker = await bench.open(
      bench.options([
        'sh',
        '-c',
        'head -c 1000000 /dev/zero | tr "\\0" x >&2; printf "\\n\\033[31mthe cause\\033[0m\\n" >&2; exit 1',
      ]),
    )
    const job = newJob('a')
    await send(worker, job)
    const report = await outcome(worker, job)
    expect(report.message).toBe('exit code 1: the cause')
    expect((await stat(bench.layout().place(job).stderr)).size).toBeGreaterThan(1_000_000)
  })

  test('fails with the line that tells, not with the progress bar behind it', async () => {
    const script =
      'echo "ValueError: no such chromosome" >&2; i=0; while [ $i -lt 300 ]; do ' +
      "printf '\\r %3d%%|####      | %d/300 [00:01<00:02, 99.5it/s]' $((i/3)) $i >&2; i=$((i+1)); done; exit 1"
    const worker = await bench.open(bench.options(['sh', '-c', script]))
    const job = newJob('a')
    await send(worker, job)
    const { message = '' } = await outcome(worker, job)
    expect(message).toMatch(
      /^exit code 1: ValueError: no such chromosome\n {2}99%\|####      \| 299\/300 [^\r\n]+$/u,
    )
    expect(failureGroupOf({ id: 'a', reason: message }).template).toBe(
      'exit code 1: ValueError: no such chromosome',
    )
  })

  test.each([
    ['printf "%s" "{{\\"loss\\": NaN}"', /not JSON/u],
    ['printf "%s" 864691135012345679', /not JSON that can be kept as it is/u],
    ['printf "\\"%0100000d\\"" 7', /longer than 65536 bytes \(maxResultBytes\)/u],
  ])('with a result that can’t be kept succeeds, and its details say why: %s', async (script, note) => {
    const worker = await bench.open(bench.options(['sh', '-c', script]))
    const job = newJob('a')
    await send(worker, job)
    const report = await outcome(worker, job)
    expect(report).toMatchObject({
      stage: 'SUCCESS',
      details: { exitCode: 0 },
      leftOut: [expect.stringMatching(note)],
    })
    expect(report).not.toHaveProperty('result')
  })

  test('has a NUL of its body whole on stdin', async () => {
    const program = 'process.stdin.on("data", (text) => process.stdout.write(text))'
    const worker = await bench.open(
      bench.options([process.execPath, '-e', program.replaceAll(/[{}]/gu, '$&$&')]),
    )
    const job = newJob('a', { text: 'a\0b', '\0': [0] })
    await send(worker, job)
    expect((await outcome(worker, job)).result).toEqual(job.body)
  })

  test('leaves no process behind when it ends', async () => {
    const worker = await bench.open(bench.options(['sh', '-c', 'sleep 100 & echo $!']))
    const job = newJob('a')
    await send(worker, job)
    const { result } = await outcome(worker, job)
    await eventually('the grandchild is gone', async () => !(await isAlive(Number(result))))
    expect(await isAlive(Number(result))).toBe(false)
  })

  test('has files that are for its user alone', async () => {
    const worker = await bench.open(bench.options(['sh', '-c', 'umask']))
    const job = newJob('a')
    await send(worker, job)
    await outcome(worker, job)
    const place = bench.layout().place(job)
    for (const file of [place.stdin, place.stdout, place.stderr, place.jobFile]) {
      expect((await stat(file)).mode & 0o777).toBe(0o600)
    }
    for (const folder of [bench.layout().active, place.home])
      expect((await stat(folder)).mode & 0o777).toBe(0o700)
    // What the command makes elsewhere is made as the service's user is used to.
    expect((await readFile(place.stdout, 'utf8')).trim()).toBe(process.umask().toString(8).padStart(4, '0'))
  })
})

describe('sendJob', () => {
  test('makes one job of one attempt, sent often, at once, and by two workers [W-SEND-1]', async () => {
    const options = bench.scriptOptions('sleep 0.05')
    const [one, other] = [await bench.open(options), await bench.open(options)]
    const job = newJob('a')
    await Promise.all([one, other, one, other, one].map((worker) => send(worker, job)))
    await send(other, job)
    expect((await outcome(one, job)).stage).toBe('SUCCESS')
    await send(other, job)
    expect(await bench.runs()).toBe(1)
    expect((await one.pollAllStatus()).size).toBe(1)
  })

  test.each(['all', 'none'] as const)(
    'runs a job that was acknowledged never again, keeping %s',
    async (keepOutputs) => {
      const worker = await bench.open(bench.scriptOptions('exit 0', { keepOutputs }))
      const job = newJob('a')
      await send(worker, job)
      await outcome(worker, job)
      await worker.acknowledgeJobs([job])
      await send(worker, job)
      expect(await worker.pollAllStatus()).toEqual(new Map())
      expect(await worker.lookupJob(job)).toMatchObject({ stage: 'SUCCESS', uid: job.uid })
      expect(await bench.runs()).toBe(1)
    },
  )

  test('runs another attempt and another uid as other jobs, and reports the later one', async () => {
    const worker = await bench.open(bench.scriptOptions('exit 0'))
    const first = newJob('a')
    const second = { ...first, attempt: 2 }
    for (const job of [second, first]) await send(worker, job)
    for (const job of [first, second]) await outcome(worker, job)
    expect((await worker.pollAllStatus()).get('a')?.attempt).toBe(2)
    const again = newJob('a')
    await send(worker, again)
    await outcome(worker, again)
    expect((await worker.pollAllStatus()).get('a')?.uid).toBe(again.uid)
    expect(await bench.runs('a')).toBe(3)
  })

  test.each([
    ['{body.missing}', {}, /Item "a" .*\{body\.missing\}/u],
    ['{body.text}', { text: 'a\0b' }, /NUL/u],
    ['{body}', 'x'.repeat(200_000), /larger than the system allows/u],
  ])('rejects an item that can’t be an argument: %s', async (argument, body, message) => {
    const worker = await bench.open(bench.options(['true', argument]))
    const job = newJob('a', body)
    const error = await send(worker, job).catch((error: unknown) => error)
    expect(isSluiceError(error, 'SLUICE_JOB_REJECTED')).toBe(true)
    expect(String(error)).toMatch(message)
    expect(String(error)).not.toContain('xxx')
    const checked = await worker.checkItem(job.id, job.body).catch((error: unknown) => error)
    expect(isSluiceError(checked, 'SLUICE_JOB_REJECTED') && checked.message).toMatch(message)
    // It waits, and there is nothing to requeue.
    expect(String(checked)).not.toMatch(/requeue/iu)
    expect(await worker.lookupJob(job)).toBeUndefined()
    expect(await readdir(bench.layout().preparing)).toEqual([])
  })

  test('fails no item for a program that isn’t there, and starts it once it is', async () => {
    const program = join(bench.dir, 'late')
    const worker = await bench.open(bench.options([program]))
    const job = newJob('a')
    await expect(send(worker, job)).rejects.toMatchObject({ code: 'SLUICE_WORKER_UNAVAILABLE', itemId: 'a' })
    expect(await worker.lookupJob(job)).toBeUndefined()
    writeFileSync(program, '#!/bin/sh\nexit 0\n')
    chmodSync(program, 0o755)
    await send(worker, job)
    expect((await outcome(worker, job)).stage).toBe('SUCCESS')
  })

  test('fails no item for a cwd that isn’t there', async () => {
    const worker = await bench.open(bench.options(['true'], { cwd: join(bench.dir, 'nowhere') }))
    await expect(send(worker, newJob('a'))).rejects.toMatchObject({ code: 'SLUICE_WORKER_UNAVAILABLE' })
    expect(await worker.pollAllStatus()).toEqual(new Map())
  })

  test('refuses wrong arguments as the caller’s bug', async () => {
    const worker = await bench.open(bench.options(['true']))
    await expect(send(worker, newJob(''))).rejects.toThrow(TypeError)
    await expect(send(worker, newJob('a', {}, { attempt: 1.5 }))).rejects.toThrow(TypeError)
    await expect(send(worker, newJob('a', {}, { uid: '' }))).rejects.toThrow(TypeError)
    await expect(send(worker, newJob('a', {}, { queue: 'other' }))).rejects.toThrow(/of queue "tiles"/u)
    // @ts-expect-error not JSON
    await expect(send(worker, { ...newJob('a'), body: { when: new Date() } })).rejects.toThrow(TypeError)
    expect(await readdir(bench.layout().active)).toEqual([])
  })
})

describe('pollAllStatus', () => {
  test('knows nothing in an empty folder', async () => {
    const worker = await bench.open(bench.options(['true']))
    expect(await worker.pollAllStatus()).toEqual(new Map())
  })

  test('does not see the jobs of another queue [W-POLL-3]', async () => {
    const worker = await bench.open(bench.options(['true']))
    const other = await bench.open(bench.options(['true'], { name: 'TILES' }))
    const job = newJob('a')
    await send(worker, job)
    await outcome(worker, job)
    expect(await other.pollAllStatus()).toEqual(new Map())
    expect(await other.lookupJob(job)).toBeUndefined()
  })

  test('reports what runs and what has ended, until it is acknowledged [W-POLL-1]', async () => {
    const worker = await bench.open(
      bench.options(['sh', '-c', '[ "$1" = quick ] || sleep 100', 'sh', '{id}']),
    )
    const [quick, slow] = [newJob('quick'), newJob('slow')]
    await send(worker, quick)
    await send(worker, slow)
    await outcome(worker, quick)
    const reports = await worker.pollAllStatus()
    expect(reports.get('quick')?.stage).toBe('SUCCESS')
    expect(reports.get('slow')?.stage).toBe('PROCESSING')
    await worker.acknowledgeJobs([quick, slow, newJob('unknown')])
    await worker.acknowledgeJobs([quick])
    expect([...(await worker.pollAllStatus()).keys()]).toEqual(['slow'])
    expect(await readdir(bench.layout().ended)).toEqual([])
  })

  test.each([
    ['all', ['good', 'bad']],
    ['failed', ['bad']],
    ['none', []],
  ] as const)('keeps outputs as told: %s', async (keepOutputs, kept) => {
    const worker = await bench.open(
      bench.options(['sh', '-c', 'echo text; [ "$1" = good ]', 'sh', '{id}'], { keepOutputs }),
    )
    const jobs = [newJob('good'), newJob('bad')]
    for (const job of jobs) {
      await send(worker, job)
      await outcome(worker, job)
    }
    await worker.acknowledgeJobs(jobs)
    for (const job of jobs) {
      const there = await readdir(bench.layout().place(job).home).catch(() => undefined)
      expect(there !== undefined).toBe(kept.some((id) => id === job.id))
      expect((await worker.lookupJob(job))?.stage).toBe(job.id === 'good' ? 'SUCCESS' : 'FAIL')
    }
    expect(await readdir(bench.layout().preparing)).toEqual([])
  })
})

test('an acknowledged job keeps what it has written, and a success that wrote nothing one record', async () => {
  const script =
    'case $1 in *err) echo e >&2;; *out) echo o;; *file) touch "$SLUICE_OUTPUT_DIR/f";; esac; [ "${1#bad}" = "$1" ]'
  const worker = await bench.open(
    bench.options(['sh', '-c', script.replaceAll(/[{}]/gu, '$&$&'), 'sh', '{id}']),
  )
  const always = ['claim', 'exit', 'job.json']
  const kept = {
    good: undefined,
    'good out': [...always, 'stdout'],
    'good err': [...always, 'stderr'],
    'good file': [...always, 'output'],
    bad: always,
  }
  for (const [id, names] of Object.entries(kept)) {
    const job = newJob(id)
    await send(worker, job)
    await outcome(worker, job)
    await worker.acknowledgeJobs([job])
    const { home, gone } = bench.layout().place(job)
    const left = await readdir(home).catch(() => undefined)
    expect([id, left?.toSorted()]).toEqual([id, names])
    expect(existsSync(dirname(gone)) && (await readdir(dirname(gone)))).toEqual(
      names === undefined && [basename(gone)],
    )
    expect((await worker.lookupJob(job))?.stage).toBe(id.startsWith('good') ? 'SUCCESS' : 'FAIL')
    let log = ''
    for await (const chunk of worker.readLog(job)) log += Buffer.from(chunk).toString()
    expect([id, log]).toEqual([id, { 'good out': 'o\n', 'good err': 'e\n' }[id] ?? ''])
  }
  expect(await readdir(bench.layout().preparing)).toEqual([])
})

describe('cancelJob', () => {
  test('ends a job with all that it started, and says why', async () => {
    const worker = await bench.open(
      bench.options(['sh', '-c', 'sleep 100 & echo $! > "$SLUICE_OUTPUT_DIR/pid"; wait']),
    )
    const job = newJob('a')
    await send(worker, job)
    const pidFile = join(bench.layout().place(job).output, 'pid')
    await eventually(
      'the grandchild runs',
      async () => (await readFile(pidFile, 'utf8').catch(() => '')) !== '',
    )
    await worker.cancelJob(job, 'no longer wanted')
    const report = await outcome(worker, job)
    expect(report).toMatchObject({ stage: 'FAIL', failureClass: 'killed' })
    expect(report.message).toBe('cancelled: no longer wanted (killed by SIGTERM)')
    const other = newJob('b')
    await send(worker, other)
    await worker.cancelJob(other, 'cancelled by an operator')
    expect((await outcome(worker, other)).message).toMatch(/^cancelled by an operator \(/u)
    await eventually('it is gone', async () => !(await isAlive(Number(await readFile(pidFile, 'utf8')))))
  })

  test('ends one that ignores SIGTERM, and fails one that says 0 on SIGTERM', async () => {
    const script =
      'if [ "$1" = deaf ]; then trap "" TERM; else trap "exit 0" TERM; fi; touch "$SLUICE_OUTPUT_DIR/up"; while :; do sleep 0.02; done'
    for (const id of ['deaf', 'polite']) {
      const killAfterMs = id === 'deaf' ? 100 : 60_000
      const worker = await bench.open(bench.options(['sh', '-c', script, 'sh', '{id}'], { killAfterMs }))
      const job = newJob(id)
      await send(worker, job)
      await eventually('it runs', async () => (await readdir(bench.layout().place(job).output)).length > 0)
      await worker.cancelJob(job, 'enough')
      await worker.cancelJob(job, 'enough, I said')
      const report = await outcome(worker, job)
      const end = id === 'deaf' ? 'killed by SIGKILL' : 'exit code 0'
      expect(report).toMatchObject({ stage: 'FAIL', failureClass: 'killed' })
      expect(report.message).toMatch(`cancelled: enough (${end})`)
    }
  })

  test('does nothing to a job that has ended or is unknown', async () => {
    const worker = await bench.open(bench.options(['true']))
    const job = newJob('a')
    await worker.cancelJob(job, 'never started')
    expect(await worker.lookupJob(job)).toBeUndefined()
    await send(worker, job)
    await outcome(worker, job)
    await worker.cancelJob(job, 'too late')
    expect((await worker.pollAllStatus()).get('a')?.stage).toBe('SUCCESS')
  })
})

describe('an attempt that has not ended when the next one is sent', () => {
  const DEAF = 'trap "" TERM; touch "$SLUICE_OUTPUT_DIR/up"; while :; do sleep 0.02; done'

  async function startDeaf(killAfterMs: number) {
    const worker = await bench.open(bench.options(['sh', '-c', DEAF], { killAfterMs }))
    const job = newJob('a')
    await send(worker, job)
    await eventually('it runs', async () => (await readdir(bench.layout().place(job).output)).length > 0)
    return { worker, job, pid: await groupOf(bench.layout().place(job)) }
  }

  test('is reported as earlier, though it was cancelled, until nothing of it lives', async () => {
    const { worker, job, pid } = await startDeaf(300)
    await worker.cancelJob(job, 'no longer wanted')
    const second = { ...job, attempt: 2 }
    await send(worker, second)
    const report = (await worker.pollAllStatus()).get('a')
    expect(report).toMatchObject({ stage: 'PROCESSING', attempt: 2 })
    expect(report?.earlier).toMatchObject([{ stage: 'PROCESSING', attempt: 1, uid: job.uid }])
    expect((await worker.lookupJob(job))?.stage).toBe('PROCESSING')
    await eventually(
      'it is reported no more',
      async () => (await worker.pollAllStatus()).get('a')?.earlier === undefined,
    )
    expect(await isAlive(pid)).toBe(false)
    expect(await worker.lookupJob(job)).toMatchObject({ stage: 'FAIL', failureClass: 'killed' })
    expect((await worker.lookupJob(second))?.stage).toBe('PROCESSING')
  })

  test('is reported as running while its process group lives, though its end was recorded, and is ended', async () => {
    const { worker, job, pid } = await startDeaf(60_000)
    // As if its supervisor had been killed right after it recorded the end.
    await writeOnce(bench.layout().place(job).ended, '0')
    const [report, other] = [await worker.lookupJob(job), await bench.open(bench.options(['true']))]
    expect(report).toMatchObject({ stage: 'PROCESSING', message: /being ended/u })
    await eventually('it is gone', async () => !(await isAlive(pid)))
    for (const one of [worker, other])
      expect(await outcome(one, job)).toMatchObject({ stage: 'SUCCESS', exitCode: 0 })
  })
})

describe('probeSend', () => {
  test('starts nothing and leaves nothing, and a sample that fits no command is rejected as a send of it is', async () => {
    const worker = await bench.open(bench.scriptOptions('exit 0'))
    const fitting = await bench.open(bench.options(['true', '{body.word}']))
    await worker.probeSend()
    await fitting.probeSend({ id: 'a', body: { word: 'go' } })
    await expect(fitting.probeSend({ id: 'a', body: {} })).rejects.toMatchObject({
      code: 'SLUICE_JOB_REJECTED',
      concerns: 'item',
    })
    expect(await bench.runs()).toBe(0)
    expect((await worker.pollAllStatus()).size).toBe(0)
    expect(await readdir(bench.layout().preparing)).toEqual([])
    expect(await readdir(bench.layout().root)).not.toContain('jobs')
  })

  test.each([
    ['a program that isn’t there', { command: ['sluice-no-such-program'] }, /no executable program/u],
    ['a cwd that isn’t there', { cwd: '/no/such/folder' }, /ENOENT/u],
  ])('says that %s is the worker’s trouble', async (_, more, message) => {
    const worker = await bench.open({ ...bench.options(['true']), ...more })
    await expect(worker.probeSend()).rejects.toMatchObject({
      code: 'SLUICE_WORKER_UNAVAILABLE',
      concerns: 'worker',
      message,
    })
  })

  test('says so where the folders of the jobs are gone', async () => {
    const worker = await bench.open(bench.options(['true']))
    await rm(bench.layout().root, { recursive: true })
    await expect(worker.probeSend()).rejects.toMatchObject({ concerns: 'worker' })
  })
})

describe('a timeout', () => {
  test('ends a job with its grandchildren, those that ignore SIGTERM too', async () => {
    const script = 'trap "" TERM; sleep 100 & echo $! > "$SLUICE_OUTPUT_DIR/pid"; wait'
    // Long enough for a busy machine to start the shell and set its trap.
    const worker = await bench.open(
      bench.options(['sh', '-c', script], { timeoutMs: 2_000, killAfterMs: 100 }),
    )
    const job = newJob('a')
    await send(worker, job)
    const report = await outcome(worker, job)
    expect(report).toMatchObject({ stage: 'FAIL', failureClass: 'timeout' })
    expect(report.message).toBe('timed out after 2000 ms (killed by SIGKILL)')
    const pid = Number(await readFile(join(bench.layout().place(job).output, 'pid'), 'utf8'))
    await eventually('the grandchild is gone', async () => !(await isAlive(pid)))
  })

  test('does not touch a job that ends in time', async () => {
    const worker = await bench.open(bench.options(['true'], { timeoutMs: 60_000 }))
    const job = newJob('a')
    await send(worker, job)
    expect((await outcome(worker, job)).stage).toBe('SUCCESS')
  })
})

describe('check, open and close', () => {
  test('check passes for a command that is there', async () => {
    const worker = await bench.open(bench.options(['true']))
    await expect(worker.check()).resolves.toBeUndefined()
    expect(await readdir(bench.layout().preparing)).toEqual([])
  })

  test.each([
    ['a program that isn’t in PATH', ['sluice-no-such-program'], {}, /"sluice-no-such-program" in PATH/u],
    ['a file that isn’t executable', ['/etc/passwd'], {}, /no executable program/u],
    ['a folder', ['/usr'], {}, /no executable program/u],
    ['a cwd that isn’t there', ['true'], { cwd: '/no/such/folder' }, /cwd "\/no\/such\/folder"/u],
  ])('check reports %s', async (_, command, more, message) => {
    const worker = await bench.open(bench.options(command, more))
    const error = await worker.check().catch((error: unknown) => error)
    expect(isSluiceError(error, 'SLUICE_CONFIG_INVALID')).toBe(true)
    expect(String(error)).toMatch(message)
  })

  test('a program with a slash is looked for from cwd', async () => {
    await mkdir(join(bench.dir, 'bin'))
    writeFileSync(join(bench.dir, 'bin', 'tool'), '#!/bin/sh\nexit 0\n', { mode: 0o755 })
    const worker = await bench.open(bench.options(['./bin/tool'], { cwd: bench.dir }))
    await expect(worker.check()).resolves.toBeUndefined()
  })

  test('open reports a dir that can’t be made', async () => {
    writeFileSync(join(bench.dir, 'file'), '')
    const options = bench.options(['true'], { dir: join(bench.dir, 'file', 'sub') })
    await expect(openWorker(options)).rejects.toMatchObject({ code: 'SLUICE_CONFIG_INVALID' })
  })

  test('open refuses Windows', () => {
    expect(() => assertPlatform('win32')).toThrow(/does not run on Windows/u)
    expect(() => assertPlatform('darwin')).not.toThrow()
  })

  test('after close every call is refused, and jobs go on', async () => {
    const options = bench.scriptOptions('sleep 0.1; exit 4')
    const worker = await bench.open(options)
    const job = newJob('a')
    await send(worker, job)
    await worker.close()
    await worker.close()
    const closed = { code: 'SLUICE_WORKER_CLOSED' }
    await expect(send(worker, job)).rejects.toMatchObject(closed)
    await expect(worker.pollAllStatus()).rejects.toMatchObject(closed)
    await expect(worker.lookupJob(job)).rejects.toMatchObject(closed)
    await expect(worker.cancelJob(job, 'x')).rejects.toMatchObject(closed)
    await expect(worker.acknowledgeJobs([job])).rejects.toMatchObject(closed)
    await expect(worker.check()).rejects.toMatchObject(closed)
    await expect(worker.probeSend()).rejects.toMatchObject(closed)
    await expect(worker.watch()[Symbol.asyncIterator]().next()).rejects.toMatchObject(closed)
    const next = await bench.open(options)
    expect(await outcome(next, job)).toMatchObject({ stage: 'FAIL', details: { exitCode: 4 } })
    expect(await bench.runs()).toBe(1)
  })
})

test(
  '300 short jobs, eight at once, all run once, and the next starts as soon as one ends',
  { timeout: 60_000 },
  async () => {
    const worker = await bench.open(bench.scriptOptions('exit 0'))
    const jobs = Array.from({ length: 300 }, (_, index) => newJob(`job-${index}`))
    const waiting = [...jobs]
    const startedAt = performance.now()
    const line = async (): Promise<void> => {
      for (let job = waiting.pop(); job !== undefined; job = waiting.pop()) {
        await send(worker, job)
        expect((await outcome(worker, job)).stage).toBe('SUCCESS')
      }
    }
    await Promise.all(Array.from({ length: 8 }, line))
    const seconds = (performance.now() - startedAt) / 1_000
    console.log(`300 jobs in ${seconds.toFixed(1)} s: ${(300 / seconds).toFixed(0)} a second`)
    expect(await bench.runs()).toBe(300)
    const pollAt = performance.now()
    expect((await worker.pollAllStatus()).size).toBe(300)
    console.log(`the first poll of 300 took ${(performance.now() - pollAt).toFixed(0)} ms`)
    await worker.acknowledgeJobs(jobs)
    expect((await worker.pollAllStatus()).size).toBe(0)
  },
)
