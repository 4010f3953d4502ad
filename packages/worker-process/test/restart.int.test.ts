import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync } from 'node:fs'
import { mkdir, readFile, readdir, readlink, rename, rm } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { systemRuntime } from '@sluice/core/backend'
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'
import { readClaim } from '../src/jobs/claim.js'
import { acceptJob } from '../src/supervisor/job-acceptance.js'
import type { ProcessWorker } from '../src/index.js'
import type { JobPlace } from '../src/disk/layout.js'
import { systemProcessTable } from '../src/processes/process-table.js'
import { readRecord, writeOnce } from '../src/disk/record.js'
import { Supervisor } from '../src/processes/supervisor.js'
import type { SupervisedJob, SupervisorConfig } from '../src/supervisor/messages.js'
import {
  WorkerBench,
  eventually,
  followToEnd,
  groupOf,
  isAlive,
  killGroup,
  newJob,
  outcome,
  send,
  type TestJob,
} from './worker-bench.js'

let bench: WorkerBench

beforeEach(() => {
  bench = new WorkerBench()
})

afterEach(() => bench.close())

/** Runs until a file named by the item appears. */
const GATED = 'until [ -e "$GATE-$SLUICE_ITEM_ID" ]; do sleep 0.02; done; exit "$1"'

const DEAF = 'trap "" TERM; while :; do sleep 0.05; done'

async function settled(worker: ProcessWorker): Promise<boolean> {
  return [...(await worker.pollAllStatus()).values()].every((report) => report.stage !== 'PROCESSING')
}

/** As the disk would be if a job had been accepted in this way and the sender had died. */
async function acceptOnly(
  job: TestJob,
  more: { bootId?: string; args?: string[]; unseen?: boolean } = {},
): Promise<JobPlace> {
  const { id, uid, attempt, queue } = job
  const bootId = more.bootId ?? (await systemProcessTable().bootId())
  const place = bench.layout().place(job)
  const file = { id, uid, attempt, queue, args: more.args ?? [], bootId, acceptedAt: 1 }
  acceptJob(bench.layout(), place, { file, stdin: '{}' })
  if (more.unseen !== true) await writeOnce(place.active, 'home')
  return place
}

describe('the service is killed', () => {
  test(
    'while jobs run: they are found again, none runs twice, no exit code is lost',
    { timeout: 30_000 },
    async () => {
      const gate = join(bench.dir, 'gate')
      const base = bench.scriptOptions(GATED, { env: { LOG: bench.log, GATE: gate } })
      const options = { ...base, command: [...base.command, 'sh', '{body}'] }
      const jobs = ['a', 'b', 'c', 'd'].map((id, code) => newJob(id, code))
      const host = await bench.host(options, jobs)
      await eventually('all run', async () => (await bench.runs()) === 4)
      host.process.kill('SIGKILL')
      await once(host.process, 'exit')
      await writeOnce(`${gate}-b`, '/')

      const worker = await bench.open(options)
      const [, b] = jobs
      expect(await outcome(worker, b!)).toMatchObject({ stage: 'FAIL', details: { exitCode: 1 } })
      const reports = await worker.pollAllStatus()
      expect([...reports.values()].filter((report) => report.stage === 'PROCESSING')).toHaveLength(3)
      for (const job of jobs) await send(worker, job)
      for (const id of ['a', 'c', 'd']) await writeOnce(`${gate}-${id}`, '/')
      for (const [code, job] of jobs.entries()) {
        expect((await outcome(worker, job)).details).toMatchObject({ exitCode: code })
      }
      expect(await bench.runs()).toBe(4)
    },
  )

  test('and no other runs: a timeout holds all the same', { timeout: 30_000 }, async () => {
    const options = bench.scriptOptions('trap "" TERM; while :; do sleep 0.05; done', {
      timeoutMs: 200,
      killAfterMs: 100,
    })
    const job = newJob('a')
    const host = await bench.host(options, [job])
    host.process.kill('SIGKILL')
    const place = bench.layout().place(job)
    await eventually('it has ended', async () => (await readdir(bench.layout().ended)).includes(place.key))
    const group = await groupOf(place)
    await eventually('all of it is gone', async () => !(await isAlive(group)))
    const worker = await bench.open(options)
    expect((await worker.pollAllStatus()).get('a')).toMatchObject({ stage: 'FAIL', failureClass: 'timeout' })
  })

  test(
    'at any instruction of sendJob: whichever process comes next, the job runs once and its exit code is reported [W-SEND-1]',
    { timeout: 120_000 },
    async () => {
      const options = bench.scriptOptions('exit 3', { fsync: true })
      let point = 0
      for (let crashed = true; crashed; point++) {
        const job = newJob(`at-${point}`)
        const host = await bench.host(options, [job], { crashAt: point })
        crashed = host.crashed
        const worker = await bench.open(options)
        expect((await followToEnd(worker, job)).details).toMatchObject({ exitCode: 3 })
        await send(worker, job)
        expect((await worker.pollAllStatus()).get(job.id)?.details).toMatchObject({ exitCode: 3 })
        expect((await worker.lookupJob(job))?.details).toMatchObject({ exitCode: 3 })
        expect(await bench.runs(job.id)).toBe(1)
        await worker.close()
        host.process.kill('SIGKILL')
      }
      // The supervisor does the rest, see below.
      expect(point).toBeGreaterThan(2)
    },
  )

  test.each(['all', 'none'] as const)(
    'at any instruction of acknowledgeJobs, keeping %s: acknowledged again, it stays so and runs no more',
    { timeout: 120_000 },
    async (keepOutputs) => {
      const options = bench.scriptOptions('exit 0', { keepOutputs })
      const worker = await bench.open(options)
      let point = 0
      for (let crashed = true; crashed; point++) {
        const job = newJob(`at-${point}`)
        await send(worker, job)
        await outcome(worker, job)
        const host = await bench.host(options, [], {
          crashAt: point,
          calls: [['acknowledgeJobs', [ref(job)]]],
        })
        crashed = host.crashed
        const report = (await worker.pollAllStatus()).get(job.id)
        expect([undefined, 'SUCCESS']).toContain(report?.stage)
        await worker.acknowledgeJobs([job])
        expect(await worker.pollAllStatus()).toEqual(new Map())
        expect(await worker.lookupJob(job)).toMatchObject({ stage: 'SUCCESS', uid: job.uid })
        await send(worker, job)
        expect(await bench.runs(job.id)).toBe(1)
        expect(await readdir(bench.layout().ended)).toEqual([])
        host.process.kill('SIGKILL')
      }
      expect(point).toBeGreaterThan(4)
    },
  )

  test(
    'at any instruction of cancelJob: cancelled again, the job is over',
    { timeout: 120_000 },
    async () => {
      const options = bench.scriptOptions('sleep 100')
      const worker = await bench.open(options)
      let point = 0
      for (let crashed = true; crashed; point++) {
        const job = newJob(`at-${point}`)
        await send(worker, job)
        await eventually('it runs', async () => (await bench.runs(job.id)) === 1)
        const host = await bench.host(options, [], {
          crashAt: point,
          calls: [['cancelJob', ref(job), 'enough']],
        })
        crashed = host.crashed
        await worker.cancelJob(job, 'enough')
        const report = await outcome(worker, job)
        expect(report).toMatchObject({ stage: 'FAIL', failureClass: 'killed' })
        expect(report.message).toMatch(/^cancelled: enough/u)
        host.process.kill('SIGKILL')
      }
      expect(point).toBeGreaterThan(2)
    },
  )

  test(
    'once it has told a job to end that ignores SIGTERM: it ends, though no service runs and no poll reads it',
    { timeout: 30_000 },
    async () => {
      const options = bench.scriptOptions(DEAF, { killAfterMs: 300 })
      const job = newJob('a')
      const sender = await bench.host(options, [job])
      await eventually('it runs', async () => (await bench.runs()) === 1)
      sender.process.kill('SIGKILL')
      const canceller = await bench.host(options, [], { calls: [['cancelJob', ref(job), 'enough']] })
      canceller.process.kill('SIGKILL')
      const place = bench.layout().place(job)
      const group = await groupOf(place)
      await eventually('it has ended', async () => (await readdir(bench.layout().ended)).includes(place.key))
      await eventually('all of it is gone', async () => !(await isAlive(group)))
      const worker = await bench.open(options, { reading: true })
      expect(await worker.lookupJob(job)).toMatchObject({
        stage: 'FAIL',
        message: 'cancelled: enough (killed by SIGKILL)',
      })
    },
  )

  test('a job that was suspended and is told to end does', async () => {
    const worker = await bench.open(bench.scriptOptions('sleep 100', { killAfterMs: 60_000 }))
    const job = newJob('a')
    await send(worker, job)
    await eventually('it runs', async () => (await bench.runs()) === 1)
    process.kill(-(await groupOf(bench.layout().place(job))), 'SIGSTOP')
    await worker.cancelJob(job, 'enough')
    expect(await outcome(worker, job)).toMatchObject({ message: 'cancelled: enough (killed by SIGTERM)' })
  })

  test('after it recorded that a job is to end: the next one ends it', async () => {
    const worker = await bench.open(
      bench.scriptOptions('trap "" TERM; while :; do sleep 0.05; done', { killAfterMs: 50 }),
    )
    const job = newJob('a')
    await send(worker, job)
    await eventually('it runs', async () => (await bench.runs()) === 1)
    await writeOnce(bench.layout().place(job).stopping, 'cancel:by one that was killed')
    await eventually('it has ended', () => settled(worker))
    expect((await worker.lookupJob(job))?.message).toBe(
      'cancelled: by one that was killed (killed by SIGKILL)',
    )
  })
})

/** The supervisor of a service, without the service. */
async function openSupervisor(more: Partial<SupervisorConfig> = {}): Promise<Supervisor> {
  const config = { dir: join(bench.dir, 'work'), queue: 'tiles', cwd: '/', fsync: true, stdin: true, ...more }
  const supervisor = new Supervisor({
    config: { bootId: await systemProcessTable().bootId(), killAfterMs: 10_000, ...config },
    environment: () => ({ ...process.env, LOG: bench.log }),
    onEnd: () => {},
    onLost: () => {},
  })
  opened.push(supervisor)
  return supervisor
}

const opened: Supervisor[] = []
afterEach(() => {
  for (const supervisor of opened.splice(0)) supervisor.close()
})

async function supervised(job: TestJob): Promise<SupervisedJob> {
  const args = ['-c', 'echo "$SLUICE_ITEM_ID 1" >> "$LOG"; sleep 0.1']
  const { id, uid, attempt, queue } = job
  const bootId = await systemProcessTable().bootId()
  const file = { id, uid, attempt, queue, args, bootId, acceptedAt: 1 }
  return { key: bench.layout().place(job).key, program: '/bin/sh', file }
}

describe('a supervisor', () => {
  test('is asked for one job five times, and four others too: the command runs once', async () => {
    const worker = await bench.open(bench.scriptOptions(''))
    const job = newJob('a')
    await acceptOnly(job)
    const supervisors = await Promise.all(Array.from({ length: 5 }, () => openSupervisor()))
    const request = await supervised(job)
    const replies = await Promise.all(
      supervisors.flatMap((supervisor) =>
        Array.from({ length: 5 }, () => supervisor.request('start', request)),
      ),
    )
    expect(replies.filter(({ claim }) => claim !== undefined)).toHaveLength(1)
    expect((await outcome(worker, job)).stage).toBe('SUCCESS')
    expect(await bench.runs()).toBe(1)
  })

  test('whose service goes before it asks for a job ends, and leaves no trace', async () => {
    await bench.open(bench.scriptOptions(''))
    const supervisor = await openSupervisor()
    const job = await supervised(newJob('a'))
    await supervisor.request('probe', job)
    const { pid = 0 } = supervisor
    supervisor.close()
    await eventually('it ends', async () => !(await isAlive(pid)))
    expect(await readdir(bench.layout().preparing)).toEqual([])
    expect(await readdir(bench.layout().root)).not.toContain('journals')
  })

  test('whose service goes while jobs run ends with the last of them, and leaves no journal', async () => {
    await bench.open(bench.scriptOptions(''))
    const supervisor = await openSupervisor()
    const jobs = [newJob('a'), newJob('b')]
    for (const job of jobs) await supervisor.request('send', { ...(await supervised(job)), stdin: '{}' })
    expect(await readdir(bench.layout().journals)).toHaveLength(1)
    const { pid = 0 } = supervisor
    supervisor.close()
    await eventually('it ends', async () => !(await isAlive(pid)))
    expect((await readdir(bench.layout().ended)).length).toBe(2)
    expect(await readdir(bench.layout().journals)).toEqual([])
  })

  test('ignores the signals by which a system shuts down, and records how its job ends', async () => {
    const worker = await bench.open(bench.scriptOptions('sleep 100'))
    const job = newJob('a')
    await send(worker, job)
    const place = bench.layout().place(job)
    const { pid = 0 } = (await readClaim(place)) ?? {}
    for (const signal of ['SIGTERM', 'SIGINT', 'SIGHUP'] as const) process.kill(pid, signal)
    process.kill(-(await groupOf(place)), 'SIGTERM')
    expect(await outcome(worker, job)).toMatchObject({ stage: 'FAIL', exitCode: 143, failureClass: 'killed' })
  })

  test('is killed: the job fails, and what is left of it is ended', async () => {
    const options = bench.scriptOptions('sleep 100 & echo $! > "$SLUICE_OUTPUT_DIR/pid"; wait')
    const worker = await bench.open(options)
    // Of a child this process knows by itself; of another's it must look.
    const other = await bench.open(options)
    for (const [id, observer] of Object.entries({ own: worker, other })) {
      const job = newJob(id)
      await send(worker, job)
      const place = bench.layout().place(job)
      const pidFile = join(place.output, 'pid')
      await eventually('it runs', async () => (await readFile(pidFile, 'utf8').catch(() => '')) !== '')
      const pid = Number(await readFile(pidFile, 'utf8'))
      const claim = await readClaim(place)
      process.kill(claim!.pid, 'SIGKILL')
      await eventually('the supervisor is gone', async () => !(await isAlive(claim!.pid)))
      expect(await isAlive(pid)).toBe(true)
      await eventually('it is noticed', () => settled(observer))
      const report = await observer.lookupJob(job)
      expect(report).toMatchObject({ stage: 'FAIL', failureClass: 'killed' })
      expect(report?.message).toMatch(/supervisor of the job was killed/u)
      await eventually('the command is gone', async () => !(await isAlive(pid)))
      await send(worker, job)
      expect(await bench.runs(id)).toBe(1)
    }
  })

  test(
    'is killed at any instruction: the command runs at most once, and how it ended is reported',
    { timeout: 120_000 },
    async () => {
      const options = bench.scriptOptions('exit 3', { fsync: true })
      const fates = new Set<string>()
      let point = 0
      for (let crashed = true; crashed; point++) {
        const job = newJob(`at-${point}`)
        const host = await bench.host(options, [job], { supervisorCrashAt: point })
        const worker = await bench.open(options)
        const report = await followToEnd(worker, job)
        host.process.kill('SIGKILL')
        crashed = existsSync(bench.crashedFile)
        await rm(bench.crashedFile, { force: true })
        expect(report).toMatchObject({ stage: 'FAIL' })
        fates.add(report.failureClass ?? '')
        // Whether one whose supervisor was killed had begun is not known.
        const runs = await bench.runs(job.id)
        expect([point, report.failureClass, runs]).toEqual([
          point,
          report.exitCode === 3 ? 'failed' : 'killed',
          report.exitCode === 3 ? 1 : Math.min(1, runs),
        ])
        await send(worker, job)
        await worker.acknowledgeJobs([job])
        await send(worker, job)
        expect(await worker.pollAllStatus()).toEqual(new Map())
        expect(await bench.runs(job.id)).toBe(runs)
        await worker.close()
      }
      expect(point).toBeGreaterThan(8)
      expect([...fates].toSorted()).toEqual(['failed', 'killed'])
    },
  )

  test('had a pid that now is another process: the job fails, that process is left alone', async () => {
    const foreign = spawn('sleep', ['100'], { detached: true, stdio: 'ignore' })
    try {
      const worker = await bench.open(bench.scriptOptions(''))
      const job = newJob('a')
      await acceptOnly(job)
      await writeOnce(bench.layout().place(job).claim, `${foreign.pid} 12345`)
      expect((await worker.pollAllStatus()).get('a')).toMatchObject({ stage: 'FAIL', failureClass: 'killed' })
      await worker.cancelJob(job, 'x')
      expect(await isAlive(Number(foreign.pid))).toBe(true)
    } finally {
      killGroup(Number(foreign.pid))
    }
  })

  test('says when a job began even where there is no /proc', async () => {
    // The same words as those that the process table asks ps for.
    const { psTable } = await import('../src/processes/process-table.js')
    const { execFileSync } = await import('node:child_process')
    const script = 'start=$(LC_ALL=C TZ=UTC0 ps -o lstart= -p $$); echo $$ $start; read -r _'
    const shell = spawn('sh', ['-c', script], { stdio: ['pipe', 'pipe', 'ignore'] })
    const [line] = await once(shell.stdout, 'data')
    const [pid, ...start] = String(line).trim().split(/\s+/u)
    expect((await psTable.starts([Number(pid), 4_000_000])).get(Number(pid))).toBe(start.join(' '))
    expect(
      await psTable.hasMarkedMember(Number(execFileSync('ps', ['-o', 'pgid=', '-p', String(pid)])), ''),
    ).toBe(true)
    shell.kill('SIGKILL')
    await once(shell, 'exit')
    expect((await psTable.starts([Number(pid)])).size).toBe(0)
  })
})

describe('a worker that only reads', () => {
  test('says by when a job has ended that was told to, and ends nothing, however late it is', async () => {
    const options = bench.scriptOptions(DEAF, { killAfterMs: 40 })
    const worker = await bench.open(options)
    const reader = await bench.open(options, { reading: true })
    const job = newJob('a')
    await send(worker, job)
    await eventually('it runs', async () => (await bench.runs()) === 1)
    const place = bench.layout().place(job)
    const { pid } = (await readClaim(place))!
    // As a canceller leaves it that was killed before it could send a signal.
    await writeOnce(place.stopping, 'cancel:by one that was killed')
    const { at } = (await readRecord(place.stopping))!
    const [toldAt, endsBy] = [at, at + 40].map((ms) => new Date(ms).toISOString())
    expect(await reader.lookupJob(job)).toMatchObject({
      stage: 'PROCESSING',
      message: `told to end at ${toldAt} (by one that was killed), ends by ${endsBy} at the latest`,
      details: { toldToEndAt: at, endsBy: at + 40 },
    })
    vi.setSystemTime(at + 60_000)
    try {
      expect((await reader.pollAllStatus()).get('a')?.message).toMatch(
        `should have ended by ${endsBy}: cancel it again`,
      )
    } finally {
      vi.useRealTimers()
    }
    await reader.close()
    expect(await isAlive(pid)).toBe(true)
    await eventually('a service ends it', () => settled(worker))
  })

  test('starts no job that was accepted, and concludes none', async () => {
    const worker = await bench.open(bench.scriptOptions('exit 0'))
    const reader = await bench.open(bench.scriptOptions('exit 0'), { reading: true })
    const jobs = ['unstarted', 'vanished', 'restarted'].map((id) => newJob(id))
    const [unstarted, vanished, restarted] = jobs
    await acceptOnly(unstarted!, { args: ['-c', 'echo "$SLUICE_ITEM_ID 1" >> "$LOG"'] })
    await acceptOnly(vanished!)
    await writeOnce(bench.layout().place(vanished!).claim, '4000000 1')
    await acceptOnly(restarted!, { bootId: 'another' })
    const reports = await reader.pollAllStatus()
    for (const job of jobs) {
      expect(reports.get(job.id)).toMatchObject({
        stage: 'PROCESSING',
        message: expect.stringMatching(/service/u),
      })
      expect(await reader.lookupJob(job)).toEqual(reports.get(job.id))
    }
    expect([await bench.runs(), await readdir(bench.layout().ended)]).toEqual([0, []])
    await eventually('a service does', () => settled(worker))
    expect(await bench.runs()).toBe(1)
  })
})

describe('the machine restarts', () => {
  test.each(['claimed', 'unclaimed'])('a %s job of before fails and does not run', async (kind) => {
    const worker = await bench.open(bench.scriptOptions('exit 0'))
    const job = newJob('a')
    await acceptOnly(job, { bootId: 'another' })
    // Pids start over: this one may well be in use by a process of the same start.
    const own = await systemProcessTable().starts([process.pid])
    if (kind === 'claimed') {
      await writeOnce(bench.layout().place(job).claim, `${process.pid} ${own.get(process.pid)}`)
    }
    await send(worker, job)
    const report = (await worker.pollAllStatus()).get('a')
    expect(report).toMatchObject({ stage: 'FAIL', failureClass: 'killed' })
    expect(report?.message).toMatch(/machine restarted/u)
    expect(await bench.runs()).toBe(0)
  })
})

describe('leftovers', () => {
  test('a job that was accepted and never started is started by a poll', async () => {
    const worker = await bench.open(bench.options(['true']))
    const job = newJob('a')
    await acceptOnly(job)
    expect((await worker.pollAllStatus()).get('a')?.stage).toBe('PROCESSING')
    expect((await outcome(worker, job)).stage).toBe('SUCCESS')
  })

  test('one that can’t be started just now stays accepted, and says why', async () => {
    const worker = await bench.open(bench.options(['sluice-no-such-program']))
    await acceptOnly(newJob('a'))
    const report = (await worker.pollAllStatus()).get('a')
    expect(report?.stage).toBe('PROCESSING')
    expect(report?.message).toMatch(/no executable program/u)
  })

  test('one whose command line is too large fails', async () => {
    const worker = await bench.open(bench.options(['true', '{body}']))
    await acceptOnly(newJob('a'), { args: ['x'.repeat(200_000)] })
    expect((await worker.pollAllStatus()).get('a')).toMatchObject({ stage: 'FAIL', failureClass: 'error' })
  })

  test('one that is cancelled before it starts never does', async () => {
    const worker = await bench.open(bench.scriptOptions('exit 0'))
    const job = newJob('a')
    await acceptOnly(job)
    const { JobStopper } = await import('../src/jobs/job-stopper.js')
    const stopper = new JobStopper({ table: systemProcessTable(), runtime: systemRuntime, killAfterMs: 0 })
    await stopper.cancel(bench.layout().place(job), 'not wanted')
    const report = (await worker.pollAllStatus()).get('a')
    expect(report).toMatchObject({ stage: 'FAIL', failureClass: 'killed' })
    expect(report).not.toHaveProperty('startedAt')
    await send(worker, job)
    expect(await bench.runs()).toBe(0)
  })

  test('nor does one whose canceller was killed once it had said so', async () => {
    const worker = await bench.open(bench.scriptOptions('exit 0'))
    const place = await acceptOnly(newJob('a'))
    await writeOnce(place.stopping, 'cancel:not wanted')
    const report = (await worker.pollAllStatus()).get('a')
    expect(report).toMatchObject({ stage: 'FAIL', failureClass: 'killed' })
    expect(report?.message).toMatch(/^cancelled: not wanted/u)
    expect(await bench.runs()).toBe(0)
  })

  test('one that could not be started never is, even where it could be now', async () => {
    const worker = await bench.open(bench.scriptOptions('exit 0'))
    const job = newJob('a')
    const place = await acceptOnly(job)
    // Who found that out was killed before it said so.
    await writeOnce(place.claim, '0 unstartable')
    await send(worker, job)
    expect((await worker.pollAllStatus()).get('a')).toMatchObject({ stage: 'FAIL', failureClass: 'error' })
    expect(await bench.runs()).toBe(0)

    const large = newJob('large')
    const { claim } = await acceptOnly(large, { args: ['x'.repeat(200_000)] })
    expect((await worker.pollAllStatus()).get('large')).toMatchObject({
      stage: 'FAIL',
      failureClass: 'error',
    })
    expect(await readlink(claim)).toBe('0 unstartable')
  })

  test('one that was accepted and never seen is in sight before it is started or given up', async () => {
    const worker = await bench.open(bench.options(['sluice-no-such-program']))
    const [here, before] = [newJob('here'), newJob('before')]
    await acceptOnly(here, { unseen: true })
    await acceptOnly(before, { unseen: true, bootId: 'another' })
    expect(await worker.pollAllStatus()).toEqual(new Map())
    expect((await worker.lookupJob(here))?.stage).toBe('PROCESSING')
    expect((await worker.lookupJob(before))?.stage).toBe('FAIL')
    expect([...(await worker.pollAllStatus()).keys()].toSorted()).toEqual(['before', 'here'])
  })

  test('an exit code without an index entry is told all the same', async () => {
    const worker = await bench.open(bench.scriptOptions('exit 3'))
    const job = newJob('a')
    await send(worker, job)
    await outcome(worker, job)
    await rm(bench.layout().place(job).active)
    for (const observer of [worker, await bench.open(bench.scriptOptions('exit 3'))]) {
      expect((await observer.pollAllStatus()).get('a')?.details).toMatchObject({ exitCode: 3 })
      expect((await observer.lookupJob(job))?.details).toMatchObject({ exitCode: 3 })
    }
  })

  test.each([
    ['all', 'exit 0', 'SUCCESS'],
    ['all', 'exit 3', 'FAIL'],
    ['none', 'exit 0', 'SUCCESS'],
  ] as const)(
    'records that come late, once the job was acknowledged keeping %s after %s, change nothing and are swept',
    async (keepOutputs, script, stage) => {
      const options = bench.scriptOptions(script, { keepOutputs })
      const worker = await bench.open(options)
      const job = newJob('a')
      await send(worker, job)
      await outcome(worker, job)
      await worker.pollAllStatus()
      const place = bench.layout().place(job)
      await worker.acknowledgeJobs([job])
      for (const late of [{ ended: '137 stopped', stopping: 'timeout' }, { active: 'home' }]) {
        for (const [name, text] of Object.entries(late)) {
          await writeOnce(join(bench.layout().root, name, place.key), text)
        }
        expect(await worker.lookupJob(job)).toMatchObject({ stage })
        const report = (await worker.pollAllStatus()).get('a')
        expect([undefined, stage]).toContain(report?.stage)
        expect(await worker.pollAllStatus()).toEqual(new Map())
        const { active, stopping, ended } = bench.layout()
        expect(await Promise.all([active, stopping, ended].map((at) => readdir(at)))).toEqual([[], [], []])
      }
      expect(await bench.runs()).toBe(1)
    },
  )

  test('a home in place of one that was removed runs nothing, and goes', async () => {
    const options = bench.scriptOptions('exit 0', { keepOutputs: 'none' })
    const worker = await bench.open(options)
    const job = newJob('a')
    await send(worker, job)
    await outcome(worker, job)
    await worker.acknowledgeJobs([job])
    const place = bench.layout().place(job)
    // A sender that was late, killed right after its rename.
    await rename(place.gone, `${place.gone}.aside`)
    await acceptOnly(job, { unseen: true })
    await rename(`${place.gone}.aside`, place.gone)
    const supervisor = await openSupervisor()
    expect(await supervisor.request('start', await supervised(job))).toMatchObject({ accepted: true })
    await rm(place.claim)
    await send(worker, job)
    expect(await worker.lookupJob(job)).toMatchObject({ stage: 'SUCCESS' })
    expect(await worker.pollAllStatus()).toEqual(new Map())
    await worker.acknowledgeJobs([job])
    expect(await readdir(dirname(place.home))).toEqual([])
    expect(await bench.runs()).toBe(1)
  })

  test('what was prepared by a killed process is swept once it is old, a record that points nowhere too', async () => {
    const options = bench.options(['true'])
    await bench.open(options)
    const { preparing } = bench.layout()
    await writeOnce(join(preparing, 'check.1'), 'check')
    await mkdir(join(preparing, 'key.1'))
    await bench.open(options)
    expect(await readdir(preparing)).toHaveLength(2)
    vi.setSystemTime(Date.now() + 2 * 3_600_000)
    await bench.open(options).finally(() => vi.useRealTimers())
    expect(await readdir(preparing)).toEqual([])
  })
})

function ref({ id, uid, attempt }: TestJob) {
  return { id, uid, attempt }
}
