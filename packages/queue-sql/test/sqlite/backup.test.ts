import { execFileSync, fork } from 'node:child_process'
import { once } from 'node:events'
import { mkdirSync, mkdtempSync, readFileSync, readdirSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { isSluiceError, type BackupProgress, type BackupUse, type Queue } from '@sluice/core'
import { afterEach, beforeEach, describe, expect, inject, test } from 'vitest'
import { backupStore, openQueue } from '../../src/index.js'

let directory: string
let path: string
let target: string
const opened: Queue[] = []

beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'sluice-backup-'))
  path = join(directory, 'queue.db')
  target = join(directory, 'copy.db')
})
afterEach(async () => {
  await Promise.all(opened.splice(0).map((queue) => queue.close()))
  rmSync(directory, { recursive: true, force: true })
})

async function open(file = path, name = 'tiles'): Promise<Queue> {
  const queue = await openQueue({ name, url: `sqlite:${file}`, synchronous: 'NORMAL' })
  opened.push(queue)
  return queue
}

/** The outcome, or the code and the message of the error. */
async function backedUp(use: Partial<BackupUse> = {}, url = `sqlite:${path}`): Promise<unknown> {
  try {
    return await backupStore({ name: 'tiles', url }, { target, ...use })
  } catch (error) {
    if (isSluiceError(error)) return `${error.code} ${error.message}`
    throw error
  }
}

async function everything(queue: Queue): Promise<unknown> {
  const pages = await Promise.all(
    (['WAITING', 'PROCESSING', 'SUCCESS', 'FAIL'] as const).map((stage) =>
      queue.list(stage, { limit: 1_000 }),
    ),
  )
  return [await queue.sizes(), pages.map(({ items }) => items)]
}

/** Items of every stage, with results, reasons and attempts. */
async function filled(): Promise<Queue> {
  const queue = await open()
  await queue.putMany(
    Array.from({ length: 400 }, (_, at) => ({ id: `item ${at}`, body: { at, text: 'ü🧪\0' } })),
  )
  const taken = await queue.get(300)
  const ids = taken.map(({ id }) => id)
  for (const id of ids.slice(0, 100)) await queue.success(id, { result: { id } })
  for (const id of ids.slice(100, 150)) await queue.fail(id, { reason: 'no' })
  for (const id of ids.slice(150, 160)) await queue.release(id)
  return queue
}

test('a copy opens as a queue with every item of the source, without companion files', async () => {
  const source = await filled()
  const other = await open(path, 'other')
  await other.put('one more', 1)
  const progress: BackupProgress[] = []
  const size = new DatabaseSync(path).prepare('pragma page_count').get()?.['page_count']
  const outcome = await backedUp({ onProgress: (now) => progress.push(now) })
  expect(outcome).toEqual({ bytes: Number(size) * 4_096, items: 401 })
  expect(readdirSync(directory).filter((name) => name.startsWith('copy.db'))).toEqual(['copy.db'])
  expect(statSync(target).mode & 0o777).toBe(0o600)
  expect(await everything(await open(target))).toEqual(await everything(source))
  expect(await (await open(target, 'other')).sizes()).toMatchObject({ WAITING: 1 })
})

test('a copy of a large file reports progress', async () => {
  const queue = await open()
  for (let part = 0; part < 16; part++)
    await queue.putMany(
      Array.from({ length: 1_000 }, (_, at) => ({ id: `${part} ${at}`, body: 'x'.repeat(1_000) })),
    )
  const progress: BackupProgress[] = []
  await backedUp({ onProgress: (now) => progress.push(now) })
  const shares = progress.map(({ doneBytes, totalBytes }) => doneBytes / totalBytes)
  expect(shares.length).toBeGreaterThan(2)
  expect(shares).toEqual(shares.toSorted((a, b) => a - b))
})

const WRITER = `
  import { DatabaseSync } from 'node:sqlite'
  const database = new DatabaseSync(process.argv[2], { timeout: 5000 })
  const write = () => {
    for (let at = 0; at < 5; at++) database.exec('begin immediate; insert into pairs values (1); insert into pairs values (-1); commit')
    setImmediate(write)
  }
  write()
  process.send('writes')
`

test('while another process writes without pause it ends, and is of one instant', async () => {
  const queue = await open()
  for (let part = 0; part < 8; part++)
    await queue.putMany(
      Array.from({ length: 1_000 }, (_, at) => ({ id: `${part} ${at}`, body: 'x'.repeat(2_000) })),
    )
  const database = new DatabaseSync(path)
  database.exec('create table pairs (n)')
  database.close()
  writeFileSync(join(directory, 'writer.mjs'), WRITER)
  const writer = fork(join(directory, 'writer.mjs'), [path], { execArgv: ['--no-warnings'] })
  try {
    await once(writer, 'message')
    const done: number[] = []
    const onProgress = ({ doneBytes }: BackupProgress) => done.push(doneBytes)
    expect(await backedUp({ onProgress })).toMatchObject({ items: 8_000 })
    // It never began again.
    expect(done).toEqual(done.toSorted((a, b) => a - b))
  } finally {
    writer.kill('SIGKILL')
    await once(writer, 'exit')
  }
  const copy = new DatabaseSync(target)
  expect(copy.prepare('select sum(n) as sum from pairs').get()).toEqual({ sum: 0 })
  copy.close()
})

/** What is said of a refusal. */
function said(code: string, message: RegExp): unknown {
  return expect.stringMatching(new RegExp(`^${code} .*${message.source}`, 'su'))
}

describe('a failed backup leaves nothing', () => {
  test('if a part of the target path is a file', async () => {
    await filled()
    writeFileSync(join(directory, 'file'), '')
    target = join(directory, 'file', 'copy.db')
    expect(await backedUp()).toEqual(
      said('SLUICE_CONFIG_INVALID', /There is no folder .*file: create it, or/),
    )
  })

  test('if the target exists: it stays as it is', async () => {
    await filled()
    writeFileSync(target, 'precious')
    expect(await backedUp()).toEqual(said('SLUICE_CONFIG_INVALID', /exists and is not overwritten/))
    expect(readFileSync(target, 'utf8')).toBe('precious')
  })

  test('if another process creates the target meanwhile', async () => {
    await filled()
    const onProgress = () => writeFileSync(target, 'precious')
    expect(await backedUp({ onProgress })).toEqual(
      said('SLUICE_CONFIG_INVALID', /created by another process meanwhile/),
    )
    expect(readFileSync(target, 'utf8')).toBe('precious')
    expect(readdirSync(directory).filter((name) => name.includes('partial'))).toEqual([])
  })

  test('without a folder, a file, or a queue in it', async () => {
    expect(await backedUp()).toEqual(said('SLUICE_CONFIG_INVALID', /There is no SQLite file/))
    await filled()
    expect(await backedUp({ target: join(directory, 'none', 'copy.db') })).toEqual(
      said('SLUICE_CONFIG_INVALID', /There is no folder/),
    )
    const foreign = join(directory, 'foreign.db')
    new DatabaseSync(foreign).exec('create table t (x)')
    expect(await backedUp({}, `sqlite:${foreign}`)).toEqual(said('SLUICE_CONFIG_INVALID', /has no queue/))
    expect(readdirSync(directory).filter((name) => name.startsWith('copy'))).toEqual([])
  })

  test('for PostgreSQL and for a database in memory: the error says what to do', async () => {
    expect(await backedUp({}, inject('postgresUrl'))).toEqual(said('SLUICE_CONFIG_INVALID', /pg_dump/))
    expect(await backedUp({}, 'sqlite::memory:')).toEqual(said('SLUICE_CONFIG_INVALID', /memory/))
  })

  test('if the source is damaged', async () => {
    await (await filled()).close()
    const bytes = readFileSync(path)
    for (let page = 4; page < bytes.length / 4_096; page++) bytes.fill(0xa5, page * 4_096, page * 4_096 + 64)
    writeFileSync(path, bytes)
    expect(await backedUp()).toEqual(said('SLUICE_QUEUE_CORRUPT', /damaged|malformed/))
    expect(readdirSync(directory).filter((name) => name.startsWith('copy'))).toEqual([])
  })

  test('for a file that a newer release has upgraded', async () => {
    await (await filled()).close()
    const database = new DatabaseSync(path)
    database.exec('insert into sluice_schema (version) values (999)')
    database.close()
    expect(await backedUp()).toEqual(said('SLUICE_QUEUE_CORRUPT', /of version 999.*Upgrade/))
  })

  test('if its signal aborts', async () => {
    await filled()
    const controller = new AbortController()
    const stop = () => controller.abort(new Error('stop'))
    await expect(backedUp({ signal: controller.signal, onProgress: stop })).rejects.toThrow('stop')
    expect(readdirSync(directory).filter((name) => name.startsWith('copy'))).toEqual([])
  })

  test('without enough space', async ({ skip }) => {
    const disk = join(directory, 'disk')
    mkdirSync(disk)
    try {
      execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=64k', 'tmpfs', disk], { stdio: 'pipe' })
    } catch {
      skip('only root can mount a disk')
    }
    try {
      await filled()
      expect(await backedUp({ target: join(disk, 'copy.db') })).toEqual(
        said('SLUICE_QUEUE_UNAVAILABLE', /Not enough space/),
      )
      expect(readdirSync(disk)).toEqual([])
    } finally {
      execFileSync('umount', ['--lazy', disk], { stdio: 'pipe' })
    }
  })
})
