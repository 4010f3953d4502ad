import {
  copyFileSync,
  linkSync,
  mkdirSync,
  renameSync,
  rmSync,
  symlinkSync,
  truncateSync,
  unlinkSync,
  writeFileSync,
} from 'node:fs'
import { join } from 'node:path'
import { DatabaseSync, backup } from 'node:sqlite'
import { setTimeout as pause } from 'node:timers/promises'
import { isSluiceError, type Queue } from '@sluice/core'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { openQueue } from '../../src/index.js'
import { freshDirectory } from '../support/sqlite-harness.js'

/** Longer than the time between two checks. */
const PAUSE_MS = 20

let home: string
let directory: string
let file: string
const opened: Queue[] = []

beforeEach(() => {
  home = freshDirectory()
  directory = join(home, 'data')
  mkdirSync(directory, { recursive: true })
  file = join(directory, 'queue.db')
})
afterEach(async () => {
  await Promise.all(opened.splice(0).map((queue) => queue.close()))
  rmSync(home, { recursive: true, force: true })
})

async function open(url = `sqlite:${file}`): Promise<Queue> {
  const queue = await openQueue({ name: 'tiles', url, synchronous: 'NORMAL' })
  opened.push(queue)
  return queue
}

/** Has enough in it that the file itself has more than its first page. */
async function openFilled(): Promise<Queue> {
  const queue = await open()
  await queue.putMany(Array.from({ length: 200 }, (_, n) => ({ id: `old-${n}`, body: 'x'.repeat(500) })))
  const other = new DatabaseSync(file)
  other.exec('pragma wal_checkpoint(full)')
  other.close()
  await pause(PAUSE_MS)
  await queue.sizes()
  return queue
}

function copyOver(): void {
  copyFileSync(file, `${file}.copy`)
  renameSync(`${file}.copy`, file)
}

function everyCall(queue: Queue): (() => Promise<unknown>)[] {
  return [
    () => queue.put('late', 1),
    () => queue.putMany([{ id: 'late', body: 1 }]),
    () => queue.get(1),
    () => queue.peek(1),
    () => queue.success('old-0'),
    () => queue.settle([{ id: 'old-0', attempt: 1, stage: 'SUCCESS' }]),
    () => queue.requeue(['old-0']),
    () => queue.remove(['old-0']),
    () => queue.sizes(),
    () => queue.lookupStatus('old-0'),
    () => queue.lookup('old-0'),
    () => queue.listSummaries('WAITING', { limit: 1 }),
    () => queue.now(),
    () => queue.lease('dispatcher', 'me', 1_000),
    () => queue.document('d').write(1, { ifVersion: undefined }),
    () => queue.control.read(),
    () => queue.control.pause(),
    () => queue.control.setLimits({ maxProcessing: 1 }),
    () => queue.sweep?.() ?? Promise.reject(new Error('no sweep')),
  ]
}

const histories: [what: string, happen: () => void, words: RegExp][] = [
  ['deleted', () => unlinkSync(file), /it was deleted, renamed or unmounted/],
  [
    'deleted with its companions',
    () => ['', '-wal', '-shm'].map((end) => unlinkSync(`${file}${end}`)),
    /deleted/,
  ],
  ['renamed', () => renameSync(file, `${file}.old`), /it was deleted, renamed or unmounted/],
  ['replaced by a copy', copyOver, /it was replaced/],
  ['deleted and made again', () => (unlinkSync(file), writeFileSync(file, '')), /it was replaced/],
  ['replaced by a folder', () => (unlinkSync(file), mkdirSync(file)), /it was replaced/],
  ['cut to nothing', () => truncateSync(file), /it was cut short/],
  ['cut in half', () => truncateSync(file, 40_960), /it was cut short/],
  [
    'overwritten in place by an older, smaller one',
    () => {
      const other = new DatabaseSync(join(home, 'backup.db'))
      other.exec('create table other (x)')
      other.close()
      copyFileSync(join(home, 'backup.db'), file)
    },
    /it was cut short/,
  ],
  ['parted from its log', () => unlinkSync(`${file}-wal`), /queue\.db-wal was deleted/],
  [
    'given another log',
    () => (unlinkSync(`${file}-wal`), writeFileSync(`${file}-wal`, '')),
    /-wal was replaced/,
  ],
  ['parted from the index of its log', () => unlinkSync(`${file}-shm`), /queue\.db-shm was deleted/],
  [
    'given another index of its log',
    () => (copyFileSync(`${file}-shm`, `${file}-shm2`), renameSync(`${file}-shm2`, `${file}-shm`)),
    /-shm was replaced/,
  ],
  ['moved with its folder', () => renameSync(directory, `${directory}-old`), /deleted, renamed or unmounted/],
  [
    'hidden by another folder of that name',
    () => {
      renameSync(directory, `${directory}-old`)
      mkdirSync(directory)
      writeFileSync(file, '')
    },
    /it was replaced/,
  ],
]

describe.each(histories)('a file that is %s while it is open', (_, happen, words) => {
  test('accepts no write from the first check on, and no other call', async () => {
    const queue = await openFilled()
    happen()
    // A check is due: before it, a checkpoint may write the whole file again.
    await pause(20)
    let acknowledged = 0
    const writing = async (): Promise<void> => {
      for (let n = 0; n < 5_000; n++) {
        await queue.put(`new-${n}`, n)
        acknowledged += 1
      }
    }
    const refusal = {
      code: 'SLUICE_QUEUE_CORRUPT',
      retryable: false,
      message: expect.stringMatching(words),
    }
    await expect(writing()).rejects.toMatchObject(refusal)
    expect(acknowledged).toBeLessThan(1_000)
    for (const call of everyCall(queue)) {
      const error: unknown = await call().catch((reason: unknown) => reason)
      expect(error).toMatchObject(refusal)
      expect(error).toMatchObject({ message: expect.stringContaining(`the SQLite file ${file}`) })
      expect(error).toMatchObject({ message: expect.stringContaining('put the right one in its place') })
    }
    await queue.close()
    expect(isSluiceError(await queue.sizes().catch((error: unknown) => error), 'SLUICE_QUEUE_CLOSED')).toBe(
      true,
    )
  })

  test('acknowledges nothing after a pause, as the error of a bulk call reports', async () => {
    const queue = await openFilled()
    happen()
    await pause(PAUSE_MS)
    await expect(queue.putMany([{ id: 'new', body: 1 }])).rejects.toMatchObject({
      code: 'SLUICE_QUEUE_CORRUPT',
      stored: { added: 0, skipped: 0 },
    })
  })
})

test('a call that waits for a lock ends when the file is deleted', async () => {
  const queue = await open()
  const blocker = new DatabaseSync(file)
  blocker.exec('begin immediate')
  const waiting = queue.put('one', 1)
  await pause(PAUSE_MS)
  renameSync(file, `${file}.old`)
  await expect(waiting).rejects.toMatchObject({ code: 'SLUICE_QUEUE_CORRUPT' })
  blocker.exec('commit')
  blocker.close()
})

test('closing the queue of a replaced file does not delete the log of the new one', async () => {
  const queue = await openFilled()
  for (const end of ['', '-wal', '-shm']) renameSync(`${file}${end}`, `${file}.old${end}`)
  const successor = await open()
  await successor.put('of the new one', 1)
  await pause(PAUSE_MS)
  await expect(queue.put('of the old one', 1)).rejects.toMatchObject({ code: 'SLUICE_QUEUE_CORRUPT' })
  await queue.close()
  await pause(PAUSE_MS)
  await successor.put('another', 1)
  expect(await successor.sizes()).toMatchObject({ WAITING: 2 })
})

test('a truncated file is distinguished from one whose pages are in the log, however large the log is at the first check', async () => {
  const queue = await openFilled()
  // Behind the pages of the schema, which have to be there for others to write.
  truncateSync(file, 98_304)
  // As a process that writes fast, and checks late.
  const other = new DatabaseSync(file)
  other.exec('create table other (x)')
  for (let n = 0; n < 100; n++) other.prepare('insert into other values (?)').run('x'.repeat(1_000))
  await pause(PAUSE_MS)
  await expect(queue.sizes()).rejects.toMatchObject({ code: 'SLUICE_QUEUE_CORRUPT' })
  other.close()
})

describe('a queue keeps working while its file', () => {
  test('was made smaller by VACUUM, and has grown again in the log', async () => {
    const queue = await openFilled()
    await queue.remove(Array.from({ length: 200 }, (_, n) => `old-${n}`))
    const other = new DatabaseSync(file)
    other.exec('vacuum; pragma wal_checkpoint(truncate); create table other (x)')
    for (let n = 0; n < 200; n++) other.prepare('insert into other values (?)').run('x'.repeat(1_000))
    await pause(PAUSE_MS)
    await queue.put('one', 1)
    await pause(PAUSE_MS)
    expect(await queue.sizes()).toMatchObject({ WAITING: 1 })
    other.close()
  })

  test('is emptied and made smaller by VACUUM, and its log by a checkpoint', async () => {
    const queue = await openFilled()
    const ids = Array.from({ length: 200 }, (_, n) => `old-${n}`)
    await queue.remove(ids)
    const other = new DatabaseSync(file)
    other.exec('vacuum; pragma wal_checkpoint(truncate)')
    other.close()
    await pause(PAUSE_MS)
    await queue.put('one', 1)
    await pause(PAUSE_MS)
    expect(await queue.sizes()).toMatchObject({ WAITING: 1 })
  })

  test('is opened, written and closed by others, and copied as a backup', async () => {
    const queue = await openFilled()
    for (let n = 0; n < 5; n++) {
      const other = await openQueue({ name: 'tiles', url: `sqlite:${file}` })
      await other.put(`of ${n}`, 1)
      await other.close()
      await pause(PAUSE_MS)
      await queue.put(`own ${n}`, 1)
    }
    const source = new DatabaseSync(file)
    await backup(source, join(home, 'copy.db'))
    source.close()
    await pause(PAUSE_MS)
    expect(await queue.sizes()).toMatchObject({ WAITING: 210 })
  })

  test('is opened through a symbolic link, until the link leads elsewhere', async () => {
    const link = join(home, 'link.db')
    writeFileSync(file, '')
    symlinkSync(file, link)
    const queue = await open(`sqlite:${link}`)
    await queue.put('one', 1)
    await pause(PAUSE_MS)
    await queue.put('two', 1)
    writeFileSync(`${file}2`, '')
    unlinkSync(link)
    symlinkSync(`${file}2`, link)
    await pause(PAUSE_MS)
    await expect(queue.put('three', 1)).rejects.toMatchObject({
      code: 'SLUICE_QUEUE_CORRUPT',
      message: expect.stringContaining('link.db: it was replaced'),
    })
  })

  test('has a second name for a while, as from a backup tool', async () => {
    const queue = await openFilled()
    linkSync(file, `${file}.snapshot`)
    await pause(PAUSE_MS)
    await queue.put('one', 1)
    expect(await queue.sizes()).toMatchObject({ WAITING: 201 })
  })
})

describe('a backup restored into the open file by SQLite itself', () => {
  test('with the queue: it continues with the contents of the backup', async () => {
    const queue = await openFilled()
    const source = new DatabaseSync(file)
    await backup(source, join(home, 'copy.db'))
    source.close()
    await queue.put('since', 1)
    const copy = new DatabaseSync(join(home, 'copy.db'))
    await backup(copy, file)
    copy.close()
    await pause(PAUSE_MS)
    await queue.put('after', 1)
    await expect(queue.lookupStatus('since')).rejects.toMatchObject({ code: 'SLUICE_ITEM_NOT_FOUND' })
    expect(await queue.sizes()).toMatchObject({ WAITING: 201 })
  })

  test('without the queue: nothing is acknowledged into it', async () => {
    const empty = await openQueue({ name: 'another', url: `sqlite:${join(home, 'empty.db')}` })
    await empty.close()
    const queue = await openFilled()
    const database = new DatabaseSync(file)
    database.exec(`delete from sluice_counters; delete from sluice_queues`)
    database.close()
    for (const call of [() => queue.put('one', 1), () => queue.get(1), () => queue.remove(['old-0'])]) {
      await expect(call()).rejects.toMatchObject({
        code: 'SLUICE_QUEUE_CORRUPT',
        message: expect.stringMatching(/no longer in the tables.*stop every process/s),
      })
    }
  })
})
