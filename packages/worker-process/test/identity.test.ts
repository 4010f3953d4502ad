import { mkdir, readlink, rename, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { PackageContext } from '@sluice/core'
import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { checkRoom } from '../src/index.js'
import { WorkerBench, newJob, outcome, send } from './worker-bench.js'

const lacking = vi.hoisted(() => ({ room: false }))

vi.mock('node:fs/promises', async (original) => {
  const real = await original<{ symlink: (target: string, path: string) => Promise<void> }>()
  return {
    ...real,
    symlink: async (target: string, path: string) => {
      if (lacking.room && path.endsWith('/identity'))
        throw Object.assign(new Error('ENOSPC'), { code: 'ENOSPC', syscall: 'symlink', errno: -28 })
      await real.symlink(target, path)
    },
  }
})

let bench: WorkerBench

beforeEach(() => {
  bench = new WorkerBench()
})

afterEach(async () => {
  lacking.room = false
  await bench.close()
})

test('the identity is kept beside the jobs, and goes with them', async () => {
  const options = bench.options(['true'])
  const { identity, supports } = await bench.open(options)
  expect(supports.identity).toBe(true)
  expect(identity).toBe(`process:${await readlink(join(bench.layout().root, 'identity'))}`)
  await rename(join(bench.dir, 'work'), join(bench.dir, 'moved'))
  expect((await bench.open({ ...options, dir: join(bench.dir, 'moved') })).identity).toBe(identity)
  expect((await bench.open(options)).identity).not.toBe(identity)
  // Of another queue there are no jobs here.
  expect((await bench.open({ ...options, name: 'other' })).identity).not.toBe(identity)
})

test('of many that open a new folder at once all have one identity', async () => {
  const all = await Promise.all(Array.from({ length: 8 }, () => bench.open(bench.options(['true']))))
  expect(new Set(all.map(({ identity }) => identity)).size).toBe(1)
})

test('on a full disk that has none yet it opens all the same, without an identity', async () => {
  lacking.room = true
  const worker = await bench.open(bench.options(['true']))
  expect([worker.identity, worker.supports.identity]).toEqual([undefined, false])
  lacking.room = false
  expect((await bench.open(bench.options(['true']))).identity).toMatch(/^process:/u)
})

/** A context as the service gives it: of these options the paths are relative to another folder. */
function context(baseDir: string, others: Readonly<Record<string, string>> = {}): PackageContext {
  return { baseDir, baseDirOf: (option) => others[option.join('.')] ?? baseDir }
}

async function startFolder(given: PackageContext, options: object = {}): Promise<unknown> {
  const worker = await bench.open(
    { name: 'tiles', command: ['sh', '-c', 'printf \'"%s"\' "$PWD"'], fsync: false, ...options },
    given,
  )
  const job = newJob('a')
  await send(worker, job)
  return (await outcome(worker, job)).result
}

test('the command starts in the folder of what names it, and `dir` has a default there', async () => {
  const [file, flags] = [join(bench.dir, 'file'), join(bench.dir, 'flags')]
  for (const folder of [file, flags, join(file, 'sub')]) await mkdir(folder)
  expect(await startFolder(context(file))).toBe(file)
  expect(await startFolder(context(file, { command: flags }))).toBe(flags)
  expect(await startFolder(context(file), { cwd: 'sub' })).toBe(join(file, 'sub'))
  await mkdir(join(flags, 'sub'))
  expect(await startFolder(context(file, { cwd: flags }), { cwd: 'sub' })).toBe(join(flags, 'sub'))
  const options = { name: 'tiles', command: ['true'] }
  const there = await bench.open({ ...options, dir: join(file, '.sluice/jobs') })
  expect((await bench.open(options, context(file))).identity).toBe(there.identity)
  expect((await bench.open({ ...options, dir: 'd' }, context(file, { dir: flags }))).identity).toBe(
    (await bench.open({ ...options, dir: join(flags, 'd') })).identity,
  )
  // A thousand million items fit nowhere: the words name the folder.
  expect(await checkRoom(options, { items: 1e9 }, context(file))).toContain(join(file, '.sluice/jobs'))
  await rm(file, { recursive: true })
})

test('a program with a relative path is that of the folder that the command starts in', async () => {
  await writeFile(join(bench.dir, 'say.sh'), '#!/bin/sh\necho \'"said"\'\n', { mode: 0o700 })
  expect(await startFolder(context(bench.dir), { command: ['./say.sh'] })).toBe('said')
})
