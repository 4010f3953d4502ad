import { access, appendFile, mkdir, readFile, readdir, rename, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as wait } from 'node:timers/promises'
import { openQueue } from '@sluice/queue-sql'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { Sandbox } from '../fixtures/sandbox.js'

/** A folder with a configuration, and another one from which it is used too. */
let box: Sandbox
let home: string
let other: string
const running: ReturnType<Sandbox['start']>[] = []

const CONFIG = 'sluice.config.json'
/** Says that it starts, and where, and ends when it is let go, or its folder is gone. */
const JOB =
  '#!/bin/sh\necho "$1 $PWD" >> starts.log\nuntil [ -e go ] || [ ! -e job.sh ]; do sleep 0.05; done\n'

beforeEach(async () => {
  box = await Sandbox.open()
  home = join(box.dir, 'home')
  other = join(box.dir, 'other')
  for (const dir of [home, other]) await mkdir(dir)
  await writeFile(join(home, 'job.sh'), JOB, { mode: 0o700 })
  await writeFile(
    join(home, CONFIG),
    JSON.stringify({
      queue: { package: 'sql', name: 'tiles', url: 'sqlite:data/queue.db' },
      worker: { package: 'process', command: ['./job.sh', '{id}'] },
      lost: { graceMs: 0 },
      service: { intervalMs: 50, leaseTtlMs: 1000 },
    }),
  )
})

afterEach(async () => {
  for (const service of running.splice(0)) service.kill('SIGKILL')
  // The jobs outlive their service, and end with their folder.
  await box.close()
})

async function starts(): Promise<string[]> {
  const text = await readFile(join(home, 'starts.log'), 'utf8').catch(() => '')
  return text.split('\n').filter(Boolean).toSorted()
}

/** Both items run, and their service is killed. */
async function killWithTwoRunning(): Promise<void> {
  for (const id of ['a', 'b']) await box.run(['put', id, '{}'], { cwd: home })
  const service = box.start(['run', '--log-format', 'json'], { cwd: home })
  running.push(service)
  while ((await starts()).length < 2) await wait(20)
  // The tick after the sends has noted both jobs.
  const queue = await openQueue({ name: 'tiles', url: `sqlite:${join(home, 'data/queue.db')}` })
  while ((await queue.document('engine/jobs').read()) === undefined) await wait(20)
  await queue.close()
  service.kill('SIGKILL')
  await service
}

async function sizes(cwd: string, args: readonly string[] = []): Promise<unknown> {
  const { out } = await box.run(['status', '--json', ...args], { cwd })
  const status: unknown = JSON.parse(out)
  return Object(status).sizes ?? status
}

test('a service that is started from another folder finds the same queue and the same jobs, and starts none twice', async () => {
  await killWithTwoRunning()
  const service = box.start(['run', '--until-empty', '-c', `../home/${CONFIG}`, '--log-format', 'json'], {
    cwd: other,
  })
  running.push(service)
  await appendFile(join(home, 'go'), '')
  const { exitCode, stderr } = await service
  expect({ exitCode, stderr }).toMatchObject({ exitCode: 0 })
  expect(await starts()).toEqual([`a ${home}`, `b ${home}`])
  expect(await readdir(other)).toEqual([])
  expect((await readdir(home)).toSorted()).toEqual(
    ['.sluice', 'data', 'go', 'job.sh', CONFIG, 'starts.log'].toSorted(),
  )
  expect(JSON.stringify(await sizes(other, ['-c', `../home/${CONFIG}`]))).toContain('"SUCCESS":2')
})

test('a path of a flag, --set or a variable is relative to the working directory', async () => {
  const config = ['-c', join(home, CONFIG)]
  for (const [args, env] of [
    [['--set', 'queue.url=sqlite:set.db'], {}],
    [[], { SLUICE_QUEUE_URL: 'sqlite:variable.db' }],
  ] as const) {
    const { code, err } = await box.run(['put', 'a', '{}', ...config, ...args], { cwd: other, env })
    expect({ code, err }).toMatchObject({ code: 0 })
  }
  expect((await readdir(other)).filter((name) => name.endsWith('.db')).toSorted()).toEqual([
    'set.db',
    'variable.db',
  ])
  const { err } = await box.run(['ls', ...config], { cwd: other })
  expect(err).toContain(`sqlite:${join(home, 'data/queue.db')}`)
})

test('another worker is refused while items are in PROCESSING, with their number; --new-worker applies the lost policy to unknown jobs', async () => {
  await killWithTwoRunning()
  const elsewhere = ['run', '--until-empty', '--set', 'worker.dir=elsewhere', '--log-format', 'json']
  const refused = await box.spawn(elsewhere, { cwd: home })
  expect(refused.code).toBe(2)
  expect(refused.err).toContain('2 items are in PROCESSING')
  expect(refused.err).toContain('none of the 2 jobs')
  expect(refused.err).toContain('sluice run --new-worker')
  expect(JSON.stringify(await sizes(home))).toContain('"PROCESSING":2')
  // The lease was given back: this one does not wait for it.
  const accepted = await box.spawn([...elsewhere, '--new-worker'], { cwd: home })
  expect(accepted).toMatchObject({ code: 0 })
  expect(accepted.err).toContain('a new worker was accepted')
  expect(JSON.stringify(await sizes(home))).toContain('"FAIL":2')
  const { out } = await box.run(['show', 'a', '--json'], { cwd: home })
  expect(JSON.parse(out)).toMatchObject({ stage: 'FAIL', failureClass: 'lost', attempt: 1 })
  expect(await starts()).toHaveLength(2)
  // No item is in PROCESSING: the way back is only noted.
  const back = await box.spawn(['run', '--until-empty', '--log-format', 'json'], { cwd: home })
  expect(back).toMatchObject({ code: 0 })
  expect(back.err).toContain('the worker is another one than before; no items were in PROCESSING')
})

test('a worker with another identity that knows one of the jobs is the same one; a folder that was moved is the same place', async () => {
  await killWithTwoRunning()
  const jobs = join(home, '.sluice/jobs')
  const [queue = ''] = await readdir(jobs)
  await rm(join(jobs, queue, 'identity'))
  await appendFile(join(home, 'go'), '')
  const { code, err } = await box.spawn(['run', '--until-empty', '--log-format', 'json'], { cwd: home })
  expect({ code, err }).toMatchObject({ code: 0 })
  expect(err).toContain('the worker has a new identity, and knows the jobs: it is the same')
  expect(await starts()).toHaveLength(2)
  await rename(jobs, join(home, 'moved'))
  const moved = await box.spawn(
    ['run', '--until-empty', '--set', 'worker.dir=moved', '--log-format', 'json'],
    { cwd: home },
  )
  expect(moved).toMatchObject({ code: 0 })
  expect(moved.err).not.toContain('another one than before')
  await expect(access(jobs)).rejects.toThrow('ENOENT')
})

/** A worker that says where it is, and what its paths are relative to. */
const workerModule = (name: string): string =>
  `export const openWorker = async ({ name }, context) => { console.error('${name}', context.baseDir, context.baseDirOf(['dir']), context.baseDirOf(['other']));` +
  'const none = async () => undefined; return { name, supports: { durable: true, lookupJob: false, cancelJob: false, watch: false }, sendJob: none, pollAllStatus: async () => new Map(), close: none } }'

test('a package that is a file is resolved where its setting is, and gets the directory of its own paths', async () => {
  for (const dir of [home, other]) await writeFile(join(dir, 'worker.mjs'), workerModule(dir))
  const config = { queue: { package: 'memory', name: 'q' }, worker: { package: './worker.mjs', dir: 'x' } }
  await writeFile(join(home, CONFIG), JSON.stringify(config))
  const run = ['run', '--until-empty', '-c', `../home/${CONFIG}`]
  const { err } = await box.spawn(run, { cwd: other })
  expect(err).toContain(`${home} ${home} ${home} ${home}`)
  const set = await box.spawn([...run, '--set', 'worker.package=./worker.mjs', '--set', 'worker.dir=y'], {
    cwd: other,
  })
  expect(set.err).toContain(`${other} ${home} ${other} ${home}`)
  await rm(join(home, 'worker.mjs'))
  const absent = await box.spawn(run, { cwd: other })
  expect(absent.code).toBe(2)
  expect(absent.err).toContain(`no such file: ${join(home, 'worker.mjs')}`)
})
