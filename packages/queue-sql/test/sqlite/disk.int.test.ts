import { execFileSync, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdirSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { setTimeout as pause } from 'node:timers/promises'
import { isSluiceError, type Logger, type Queue } from '@sluice/core'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { openQueue } from '../../src/index.js'
import { freshDirectory } from '../support/sqlite-harness.js'

const silent = () => {}

let directory: string
const opened: Queue[] = []

beforeEach(() => {
  directory = freshDirectory()
  mkdirSync(directory)
})
afterEach(async () => {
  await Promise.all(opened.splice(0).map((queue) => queue.close()))
  rmSync(directory, { recursive: true, force: true })
})

async function open(path: string, options: object = {}, logger?: Logger): Promise<Queue> {
  const use = logger === undefined ? {} : { logger }
  const queue = await openQueue(
    { name: 'tiles', url: `sqlite:${path}`, synchronous: 'NORMAL', ...options },
    use,
  )
  opened.push(queue)
  return queue
}

/** To mount a file system takes root, on Linux. */
function canMount(): boolean {
  const at = freshDirectory()
  mkdirSync(at)
  try {
    execFileSync('mount', ['-t', 'tmpfs', 'tmpfs', at], { stdio: 'pipe' })
    execFileSync('umount', [at])
    return true
  } catch {
    return false
  } finally {
    rmSync(at, { recursive: true, force: true })
  }
}

describe.runIf(canMount())('a disk', () => {
  let disk: string

  beforeEach(() => {
    disk = join(directory, 'disk')
    mkdirSync(disk)
    execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=2m', 'tmpfs', disk])
  })
  afterEach(async () => {
    await Promise.all(opened.splice(0).map((queue) => queue.close()))
    try {
      execFileSync('umount', ['--lazy', disk], { stdio: 'pipe' })
    } catch {
      // The test has unmounted it.
    }
  })

  const full = {
    code: 'SLUICE_QUEUE_UNAVAILABLE',
    retryable: true,
    message: expect.stringMatching(/queue\.db: the disk is full.*free space/s),
  }

  test('that is full accepts no writes and serves reads; with space again the same object works, and nothing is lost', async () => {
    const queue = await open(join(disk, 'queue.db'))
    const stored: string[] = []
    const fill = async (): Promise<void> => {
      for (let n = 0; ; n++) {
        await queue.put(`i${n}`, 'x'.repeat(20_000))
        stored.push(`i${n}`)
      }
    }
    await expect(fill()).rejects.toMatchObject(full)
    expect(stored.length).toBeGreaterThan(10)
    const body = 'x'.repeat(100_000)
    for (const call of [
      () => queue.put('late', body),
      () => queue.putMany([{ id: 'late', body }]),
      () => queue.document('d').write(body, { ifVersion: undefined }),
    ]) {
      await expect(call()).rejects.toMatchObject(full)
    }
    expect(await queue.sizes()).toMatchObject({ WAITING: stored.length })
    expect(await queue.lookup('i3')).toMatchObject({ stage: 'WAITING' })
    execFileSync('mount', ['-o', 'remount,size=64m', disk])
    await queue.put('late', body)
    const items = await queue.get(1_000)
    expect(items.map(({ id }) => id)).toEqual([...stored, 'late'])
    await queue.settle(items.map(({ id, attempt }) => ({ id, attempt, stage: 'SUCCESS' })))
    expect(await queue.sizes()).toMatchObject({ SUCCESS: stored.length + 1 })
  })

  test('that is full from the start creates no queue, and reports why', async () => {
    mkdirSync(join(disk, 'data'))
    writeFileSync(join(disk, 'data', 'queue.db'), '')
    try {
      writeFileSync(join(disk, 'ballast'), 'x'.repeat(4_000_000))
    } catch {
      // As much of it as there was room for.
    }
    await expect(open(join(disk, 'data', 'queue.db'))).rejects.toMatchObject(full)
  })

  test('that is mounted read-only is DENIED', async () => {
    const file = join(disk, 'queue.db')
    await (await open(file)).close()
    execFileSync('mount', ['-o', 'remount,ro', disk])
    for (const path of [file, join(disk, 'new.db'), join(disk, 'folder', 'new.db')]) {
      await expect(open(path)).rejects.toMatchObject({ code: 'SLUICE_QUEUE_DENIED', retryable: false })
    }
  })

  test('that is unmounted under an open queue, or mounted over, is noticed', async () => {
    for (const happen of [
      () => execFileSync('umount', ['--lazy', disk]),
      () => execFileSync('mount', ['-t', 'tmpfs', 'tmpfs', disk]),
    ]) {
      const queue = await open(join(disk, 'queue.db'))
      await queue.put(`one ${String(happen)}`, 1)
      happen()
      await pause(20)
      await expect(queue.put('two', 1)).rejects.toMatchObject({
        code: 'SLUICE_QUEUE_CORRUPT',
        message: expect.stringContaining('it was deleted, renamed or unmounted'),
      })
    }
  })
})

describe('a program that holds the write lock', () => {
  /** Takes the write lock and leaves it, without an end. */
  const STORM = `
    const { DatabaseSync } = require('node:sqlite')
    const database = new DatabaseSync(process.argv[1])
    const hold = new Int32Array(new SharedArrayBuffer(4))
    console.log('storm')
    for (;;) {
      try { database.exec('begin exclusive') } catch { continue }
      Atomics.wait(hold, 0, 0, 5)
      database.exec('commit')
    }`

  test('repeatedly delays each call by at most its timeout, and reads not at all', async () => {
    const file = join(directory, 'queue.db')
    const queue = await open(file, { timeoutMs: 1_000 })
    const storm = spawn(process.execPath, ['-e', STORM, file], { stdio: ['ignore', 'pipe', 'inherit'] })
    await once(storm.stdout, 'data')
    const errors: unknown[] = []
    for (let n = 0; n < 10; n++) await queue.put(`i${n}`, n).catch((error: unknown) => errors.push(error))
    const busy = {
      code: 'SLUICE_QUEUE_UNAVAILABLE',
      message: expect.stringMatching(
        /locked.*Other transactions held it for too long: try again, or raise timeoutMs/,
      ),
    }
    expect(errors).toEqual(errors.map(() => expect.objectContaining(busy)))
    expect(await queue.sizes()).toMatchObject({ WAITING: 10 - errors.length })
    storm.kill('SIGKILL')
    await once(storm, 'close')
    await queue.put('after', 1)
  })

  test('and keeps it: opening the file fails in time with that reason', async () => {
    const file = join(directory, 'queue.db')
    await (await open(file)).close()
    const other = new DatabaseSync(file)
    other.exec('pragma locking_mode = exclusive; begin immediate; create table other (x); commit')
    await expect(open(file, { timeoutMs: 300 })).rejects.toMatchObject({
      code: 'SLUICE_QUEUE_UNAVAILABLE',
      retryable: true,
      message: expect.stringContaining(file),
    })
    other.close()
    await open(file)
  })
})

describe('a program that reads without pause', () => {
  test('lets the log grow, with a warning; once it ends the log is written back and reused', async () => {
    const file = join(directory, 'queue.db')
    const warnings: string[] = []
    const logger: Logger = {
      debug: silent,
      info: silent,
      warn: (_, text) => warnings.push(text),
      error: silent,
    }
    const queue = await open(file, {}, logger)
    const body = 'x'.repeat(1_000_000)
    const round = async (name: string): Promise<number> => {
      for (let n = 0; n < 40; n++) {
        await queue.put(`${name}${n}`, body)
        await queue.remove([`${name}${n}`])
      }
      return statSync(`${file}-wal`).size
    }
    expect(await round('calm ')).toBeLessThan(20_000_000)
    const reader = new DatabaseSync(file)
    reader.exec('begin; select * from sluice_items')
    const grown = (await round('read ')) && (await round('more '))
    expect(grown).toBeGreaterThan(67_108_864)
    await pause(20)
    await queue.sizes()
    expect(warnings).toEqual([
      expect.stringMatching(/write-ahead log of the SQLite file .*queue\.db has \d+ MiB.*end long/),
    ])
    reader.exec('commit')
    reader.close()
    expect(await round('after ')).toBeLessThan(grown + 10_000_000)
    expect(await queue.sizes()).toMatchObject({ WAITING: 0 })
    expect(isSluiceError(await queue.put('one', 1).catch((error: unknown) => error))).toBe(false)
  })
})
