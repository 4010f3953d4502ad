import { execFileSync } from 'node:child_process'
import {
  chmodSync,
  chownSync,
  existsSync,
  linkSync,
  mkdirSync,
  readFileSync,
  readdirSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { createServer } from 'node:net'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { setTimeout as pause } from 'node:timers/promises'
import type { Queue } from '@sluice/core'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { checkStorage, openQueue, queueExists } from '../../src/index.js'
import { freshDirectory } from '../support/sqlite-harness.js'

let directory: string
let before: string
const opened: Queue[] = []

beforeEach(() => {
  directory = freshDirectory()
  mkdirSync(directory)
  before = process.cwd()
  process.chdir(directory)
})
afterEach(async () => {
  process.chdir(before)
  await Promise.all(opened.splice(0).map((queue) => queue.close()))
  rmSync(directory, { recursive: true, force: true })
})

async function open(path: string): Promise<Queue> {
  const queue = await openQueue({ name: 'tiles', url: `sqlite:${path}` })
  opened.push(queue)
  return queue
}

describe('a url that SQLite would read as a URI', () => {
  test.each([
    ['file::memory:', /not a file: URI/],
    ['file::memory:?cache=shared', /not a file: URI/],
    ['file:queue.db?mode=memory', /not a file: URI/],
    ['file:?cache=shared', /not a file: URI/],
    ['file:', /not a file: URI/],
    ['FILE:queue.db', /not a file: URI/],
    ['file:queue.db?vfs=unix-none', /not a file: URI/],
    ['file:///tmp/queue.db', /not a file: URI/],
    ['file:queue%2edb', /not a file: URI/],
    [':memory:?cache=shared', /must be exactly sqlite::memory:/],
    [':MEMORY:', /must be exactly sqlite::memory:/],
    ['queue.db?mode=memory', /without parameters/],
    ['/tmp/queue.db?vfs=memdb', /without parameters/],
    ['//localhost/queue.db', /without a host/],
    ['//queue.db', /without a host/],
    ['queue.db\0', /must be postgres/],
    ['queue\ud800.db', /lone surrogate/],
    ['folder/', /not a folder/],
    ['', /must be postgres/],
  ])('%j is refused, and nothing is created', async (path, words) => {
    for (const call of [open, (asked: string) => queueExists({ name: 'tiles', url: `sqlite:${asked}` })]) {
      await expect(call(path)).rejects.toMatchObject({
        code: 'SLUICE_CONFIG_INVALID',
        message: expect.stringMatching(words),
      })
    }
    expect(readdirSync(directory)).toEqual([])
  })
})

describe('a url that names a file', () => {
  test.each([
    ['queue.db', 'queue.db'],
    ['./queue.db', 'queue.db'],
    ['folder/../queue.db', 'queue.db'],
    ['queue%20one.db', 'queue%20one.db'],
    ['queue one#two.db', 'queue one#two.db'],
    ['what?.db', 'what?.db'],
    ['a:file:b.db', 'a:file:b.db'],
    [' :memory:', ' :memory:'],
    ['\u{1f600}"\'.db', '\u{1f600}"\'.db'],
  ])('%j is taken literally, also after the working directory changes', async (path, name) => {
    const queue = await open(path)
    expect(queue.supports).toMatchObject({ durable: true, sharedBy: 'machine' })
    expect(statSync(join(directory, name)).size).toBeGreaterThan(0)
    process.chdir('/')
    await queue.put('one', 1)
    await queue.close()
    const again = await open(join(directory, name))
    expect(await again.sizes()).toMatchObject({ WAITING: 1 })
  })

  test('with three slashes is an absolute path', async () => {
    await open(`//${join(directory, 'queue.db')}`)
    expect(existsSync('queue.db')).toBe(true)
  })
})

/** What opening a file rejects with. */
async function refusalOf(path: string): Promise<unknown> {
  return open(path).then(
    () => undefined,
    (error: unknown) => error,
  )
}

function refusedWith(code: string, words: RegExp): object {
  return { code, retryable: false, message: expect.stringMatching(words) }
}

const DENIED = refusedWith('SLUICE_QUEUE_DENIED', /Check the permissions of the file and of its directory/)

describe('a path that is not a regular file', () => {
  test('a folder, a pipe, a device or a socket is refused at once', async () => {
    mkdirSync('folder')
    execFileSync('mkfifo', ['pipe'])
    const server = createServer().listen('socket')
    expect(await refusalOf('folder')).toMatchObject(refusedWith('SLUICE_CONFIG_INVALID', /it is a directory/))
    expect(await refusalOf('.')).toMatchObject(refusedWith('SLUICE_CONFIG_INVALID', /it is a directory/))
    for (const path of ['pipe', 'socket', '/dev/null', '/dev/full']) {
      expect(await refusalOf(path)).toMatchObject(
        refusedWith('SLUICE_CONFIG_INVALID', /it is a device, a pipe or a socket/),
      )
    }
    server.close()
  })

  test('a symbolic link to a file is that file; a dangling or circular one is refused', async () => {
    symlinkSync('not there', 'link.db')
    expect(await refusalOf('link.db')).toMatchObject(
      refusedWith('SLUICE_CONFIG_INVALID', /a symbolic link to a file that does not exist/),
    )
    symlinkSync('loop.db', 'loop.db')
    expect(await refusalOf('loop.db')).toMatchObject(
      refusedWith('SLUICE_CONFIG_INVALID', /ELOOP.*correct the url/),
    )
    const queue = await open('queue.db')
    symlinkSync('queue.db', 'other.db')
    const other = await open('other.db')
    await other.put('one', 1)
    expect(await queue.lookupStatus('one')).toBe('WAITING')
    expect(readdirSync(directory).filter((name) => name.endsWith('-wal'))).toEqual(['queue.db-wal'])
  })

  test('a folder behind a dangling link is refused, and the link and its target are named', async () => {
    symlinkSync('nowhere', 'gone')
    for (const path of ['gone/queue.db', 'gone/a/b/queue.db'])
      expect(await refusalOf(path)).toMatchObject(
        refusedWith('SLUICE_CONFIG_INVALID', /gone is a symbolic link to nowhere, which does not exist/),
      )
  })

  test.runIf(process.platform === 'linux')(
    'a folder in which nothing can be created is SLUICE_CONFIG_INVALID, to open and to check',
    async () => {
      const refused = refusedWith(
        'SLUICE_CONFIG_INVALID',
        /the file system allows nothing to be created in \/proc/,
      )
      expect(await refusalOf('/proc/sluice/queue.db')).toMatchObject(refused)
      const checked = checkStorage({ name: 'q', url: 'sqlite:/proc/sluice/queue.db' })
      expect(await checked.catch((error: unknown) => error)).toMatchObject(refused)
    },
  )

  test('a file with two names is refused under both, because each would have its own log', async () => {
    await (await open('queue.db')).close()
    linkSync('queue.db', 'twin.db')
    for (const path of ['queue.db', 'twin.db'])
      expect(await refusalOf(path)).toMatchObject(refusedWith('SLUICE_CONFIG_INVALID', /hard links/))
    rmSync('twin.db')
    await open('queue.db')
  })

  test('an invalid file name is refused', async () => {
    expect(await refusalOf('n'.repeat(300))).toMatchObject(
      refusedWith('SLUICE_CONFIG_INVALID', /ENAMETOOLONG.*correct the url/),
    )
    expect(await refusalOf('n/'.repeat(3_000) + 'q')).toMatchObject(
      refusedWith('SLUICE_CONFIG_INVALID', /ENAMETOOLONG/),
    )
  })
})

describe('a file that is not a queue', () => {
  test('a file of another program by its mark: refused, and not a byte of it changes', async () => {
    const other = new DatabaseSync('places.sqlite')
    other.exec('pragma application_id = 252006675; create table moz (x)')
    other.close()
    const bytes = readFileSync('places.sqlite')
    expect(await refusalOf('places.sqlite')).toMatchObject(
      refusedWith('SLUICE_QUEUE_CORRUPT', /of another program \(application_id 0xf055113\)/),
    )
    expect(readFileSync('places.sqlite').equals(bytes)).toBe(true)
    expect(await queueExists({ name: 'tiles', url: 'sqlite:places.sqlite' })).toBe(false)
  })

  test('a queue whose file got such a mark later is still a queue', async () => {
    await (await open('queue.db')).close()
    const other = new DatabaseSync('queue.db')
    other.exec('pragma application_id = 7')
    other.close()
    const queue = await open('queue.db')
    await queue.put('one', 1)
    expect(await queue.size('WAITING')).toBe(1)
  })

  test.each([
    ['encrypted', () => Buffer.from(Array.from({ length: 8_192 }, (_, n) => (n * 7_919 + 13) % 251))],
    ['of a newer format', () => withHeader(19, 3)],
    ['text', () => Buffer.from('important\n'.repeat(100))],
  ])('%s: refused, and not a byte of it changes', async (_, make) => {
    const bytes = make()
    writeFileSync('some.db', bytes)
    expect(await refusalOf('some.db')).toMatchObject(
      refusedWith('SLUICE_QUEUE_CORRUPT', /encrypted or of a newer format/),
    )
    expect(readFileSync('some.db').equals(bytes)).toBe(true)
  })

  test('a format that this SQLite can only read: DENIED', async () => {
    writeFileSync('some.db', withHeader(18, 3))
    expect(await refusalOf('some.db')).toMatchObject(refusedWith('SLUICE_QUEUE_DENIED', /some\.db/))
  })
})

function withHeader(at: number, value: number): Buffer {
  const database = new DatabaseSync('made.db')
  database.exec('create table t (x)')
  database.close()
  const bytes = readFileSync('made.db')
  bytes[at] = value
  return bytes
}

const UNPRIVILEGED = 65_534
const canBeNobody = process.platform === 'linux' && process.geteuid?.() === 0

/** Does something as a user who may nothing that others may not. */
async function asNobody<T>(action: () => Promise<T>): Promise<T> {
  process.seteuid?.(UNPRIVILEGED)
  try {
    return await action()
  } finally {
    process.seteuid?.(0)
  }
}

// Root may write everywhere.
describe.runIf(canBeNobody)('where this user may not write', () => {
  test('a new file, a new folder, a file in a folder, a file: each is DENIED, and nothing is created', async () => {
    chmodSync(directory, 0o755)
    expect(await asNobody(() => refusalOf(join(directory, 'queue.db')))).toMatchObject(DENIED)
    expect(await asNobody(() => refusalOf(join(directory, 'folder', 'queue.db')))).toMatchObject(DENIED)
    expect(readdirSync(directory)).toEqual([])
    await (await open('queue.db')).close()
    chmodSync('queue.db', 0o644)
    expect(await asNobody(() => refusalOf(join(directory, 'queue.db')))).toMatchObject(DENIED)
    chmodSync('queue.db', 0o666)
    expect(await asNobody(() => refusalOf(join(directory, 'queue.db')))).toMatchObject(DENIED)
  })

  test('an unreadable folder is DENIED', async () => {
    mkdirSync('closed', { mode: 0o700 })
    expect(await asNobody(() => refusalOf(join(directory, 'closed', 'queue.db')))).toMatchObject(DENIED)
  })

  test('a folder closed under an open queue: DENIED until it is open again, and nothing is lost', async () => {
    mkdirSync('data')
    chmodSync(directory, 0o755)
    for (const name of ['data']) chownSync(name, UNPRIVILEGED, UNPRIVILEGED)
    await asNobody(async () => {
      const queue = await open(join(directory, 'data', 'queue.db'))
      await queue.put('one', 1)
      chmodSync('data', 0o000)
      await pause(20)
      await expect(queue.put('two', 1)).rejects.toMatchObject({ code: 'SLUICE_QUEUE_DENIED' })
      chmodSync('data', 0o700)
      await queue.put('three', 1)
      expect(await queue.lookupStatus('one')).toBe('WAITING')
      await queue.close()
    })
  })
})
