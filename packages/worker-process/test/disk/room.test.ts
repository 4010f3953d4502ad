import { execFileSync } from 'node:child_process'
import type fs from 'node:fs/promises'
import { statfs, symlink } from 'node:fs/promises'
import type { Logger } from '@sluice/core'
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'
import { checkRoom } from '../../src/index.js'
import { Room } from '../../src/disk/room.js'
import { lacksSmallDisk } from './small-disk.js'
import { WorkerBench, newJob, outcome, send } from '../worker-bench.js'

vi.mock('node:fs/promises', async (original) => {
  const real = await original<typeof fs>()
  return { ...real, statfs: vi.fn<typeof statfs>(real.statfs), symlink: vi.fn<typeof symlink>(real.symlink) }
})

const real = await vi.importActual<typeof fs>('node:fs/promises')

let bench: WorkerBench
let warn: ReturnType<typeof vi.fn<Logger['warn']>>
const runtime = { ms: 0 }

beforeEach(() => {
  bench = new WorkerBench()
  warn = vi.fn<Logger['warn']>()
})

afterEach(async () => {
  vi.mocked(statfs).mockImplementation(real.statfs)
  vi.mocked(symlink).mockImplementation(real.symlink)
  await bench.close()
})

/** As the file system says it. */
function isFree(free: { ffree?: number; bavail?: number; files?: number }): void {
  vi.mocked(statfs).mockImplementation(async (path) =>
    Object.assign(await real.statfs(path), { files: 1_000, ...free }),
  )
}

function isRefused(code: string): void {
  const error = Object.assign(new Error(code), { code, syscall: 'symlink', errno: -1 })
  vi.mocked(symlink).mockRejectedValue(error)
}

async function newRoom(): Promise<Room> {
  await bench.open(bench.options(['true']))
  const quiet = vi.fn<Logger['info']>()
  const logger = { debug: quiet, info: quiet, warn, error: quiet }
  return new Room({ layout: bench.layout(), logger, runtime: { monotonicMs: () => runtime.ms } })
}

describe('room for records', () => {
  test('is there while much is free, and where little is free and a record can be made', async () => {
    const room = await newRoom()
    vi.mocked(symlink).mockClear()
    expect(await room.lacking()).toBeUndefined()
    expect(symlink).not.toHaveBeenCalled()
    isFree({ ffree: 0 })
    expect(await room.lacking()).toBeUndefined()
    expect(symlink).toHaveBeenCalledTimes(1)
  })

  test('is lacking where none is free and no record can be made, until one can', async () => {
    const room = await newRoom()
    isFree({ ffree: 0 })
    isRefused('ENOSPC')
    expect(await room.lacking()).toMatch(/^the disk of .* is full \(0 inodes and \d+ bytes are free\)$/u)
    vi.mocked(symlink).mockImplementation(real.symlink)
    expect(await room.lacking()).toBeUndefined()
  })

  test('may be lacking for a quota that the file system does not report: after a refusal it is tried', async () => {
    const room = await newRoom()
    isRefused('EDQUOT')
    expect(await room.lacking()).toBeUndefined()
    room.noteRefused()
    expect(await room.lacking()).toMatch(/is full/u)
    vi.mocked(symlink).mockImplementation(real.symlink)
    expect(await room.lacking()).toBeUndefined()
  })

  test('is not counted in inodes where a file system makes them as it needs them', async () => {
    const room = await newRoom()
    isFree({ files: 0, ffree: 0 })
    isRefused('ENOSPC')
    expect(await room.lacking()).toBeUndefined()
  })

  test('is missed with one warning a minute', async () => {
    const room = await newRoom()
    for (const ms of [0, 10_000, 59_999, 60_000, 61_000, 120_000]) {
      runtime.ms = ms
      room.warn('the disk is full', 3)
    }
    expect(warn).toHaveBeenCalledTimes(3)
    expect(warn).toHaveBeenCalledWith(
      { jobs: 3 },
      expect.stringMatching(/^the disk is full: .* nothing is lost$/u),
    )
  })
})

async function checked(free: Parameters<typeof isFree>[0]): Promise<unknown[][]> {
  const info = vi.fn<Logger['info']>()
  const worker = await bench.open(bench.options(['true']), {
    logger: { debug: info, info, warn, error: info },
  })
  isFree(free)
  await worker.check()
  return info.mock.calls
}

describe('check', () => {
  test('says what is free, and for how many jobs that is', async () => {
    expect(await checked({ ffree: 1_207, bavail: 1_000_000 })).toEqual([
      [
        {},
        expect.stringMatching(
          /^[\d,]+ [KMGT]iB and 1,207 inodes are free under .*: room for about 100 jobs$/u,
        ),
      ],
    ])
    expect(await checked({ ffree: 1_207, bavail: 21 })).toEqual([
      [{}, expect.stringMatching(/about 3 jobs$/u)],
    ])
    expect(await checked({ files: 0, ffree: 0, bavail: 70 })).toEqual([
      [{}, expect.stringMatching(/about 10 jobs$/u)],
    ])
  })

  test.each([{ ffree: 11 }, { bavail: 6 }])('refuses where no job has room: %o', async (free) => {
    await expect(checked(free)).rejects.toMatchObject({
      code: 'SLUICE_WORKER_UNAVAILABLE',
      retryable: true,
      message: expect.stringMatching(/no room to start a job: .* free under .*needs up to 12 inodes/u),
    })
  })
})

describe('room for a list', () => {
  test('is held against what is free, before the folder is there too', async () => {
    isFree({ ffree: 700, bavail: 1_000_000 })
    const options = bench.options(['true'])
    expect(await checkRoom(options, { items: 100 })).toBeUndefined()
    expect(await checkRoom(options, { items: 101 })).toMatch(
      /^101 items need 707 inodes and \d+ bytes under .* \(7 and \d+ each with keepOutputs: all, .*\), and 700 inodes .*set keepOutputs to none or failed\.$/u,
    )
    expect(await checkRoom({ ...options, keepOutputs: 'none' }, { items: 700 })).toBeUndefined()
    expect(await checkRoom({ ...options, keepOutputs: 'failed' }, { items: 701 })).toMatch(
      /Make room there\.$/u,
    )
  })

  test('ignores what can be no folder: opening the worker reports it', async () => {
    const options = { ...bench.options(['true']), dir: '/dev/null/jobs' }
    expect(await checkRoom(options, { items: 1 })).toBeUndefined()
  })

  test('is held against free bytes, alone where inodes are not counted', async () => {
    isFree({ files: 0, ffree: 0, bavail: 30 })
    const options = bench.options(['true'])
    expect(await checkRoom(options, { items: 10 })).toBeUndefined()
    expect(await checkRoom(options, { items: 11 })).toMatch(/^11 items need 77 inodes/u)
  })

  test('takes the options of a worker and no others', async () => {
    // @ts-expect-error -- neither a name nor a command
    await expect(checkRoom({}, { items: 1 })).rejects.toMatchObject({ code: 'SLUICE_CONFIG_INVALID' })
  })

  test.skipIf(lacksSmallDisk() !== undefined).each([
    ['all', 7, 'echo out; echo err >&2; mkfifo "$SLUICE_OUTPUT_DIR/own"'],
    ['all', 1, 'exit 0'],
    ['none', 1, 'echo out; echo err >&2; mkfifo "$SLUICE_OUTPUT_DIR/own"'],
  ] as const)(
    'with keepOutputs %s is %s inodes for a job that is acknowledged, beside its own files: %s',
    async (keepOutputs, each, script) => {
      bench.mountSmallDisk()
      const worker = await bench.open(bench.options(['sh', '-c', script], { keepOutputs }))
      const jobs = [1, 2, 3, 4].map((index) => newJob(`job-${index}`))
      const used = async (): Promise<number> => {
        const { files, ffree } = await real.statfs(bench.layout().root)
        // The shards by the first two characters of a key are made once, whatever comes into them.
        const shards = ['jobs', 'gone'].map(
          (name) => `find ${bench.layout().root}/${name} -maxdepth 1 2>/dev/null; true`,
        )
        const made = execFileSync('sh', ['-c', shards.join('; ')], { encoding: 'utf8' })
          .split('\n')
          .filter(Boolean)
        const own = execFileSync('find', [bench.layout().root, '-name', 'own'], { encoding: 'utf8' })
        return files - ffree - made.length - own.split('\n').filter(Boolean).length
      }
      const before = await used()
      for (const job of jobs) {
        await send(worker, job)
        await outcome(worker, job)
      }
      await worker.acknowledgeJobs(jobs)
      expect((await used()) - before).toBe(each * jobs.length)
    },
  )
})
