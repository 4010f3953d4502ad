import { rmSync } from 'node:fs'
import { join } from 'node:path'
import { silentLogger } from '@sluice/core'
import { describe, expect, test, vi } from 'vitest'
import { fileSystemOf, reportFileSystem, type FileSystemFacts } from '../../src/sqlite/file-system.js'
import { openQueue } from '../../src/index.js'
import { freshDirectory } from '../support/sqlite-harness.js'

function linux(type: number): FileSystemFacts {
  return { platform: 'linux', typeOf: async () => type }
}

function absent(path: string): Error {
  return Object.assign(new Error(`ENOENT: ${path}`), { code: 'ENOENT' })
}

async function denied(): Promise<number> {
  throw Object.assign(new Error('EACCES'), { code: 'EACCES' })
}

describe('the file system of a SQLite file', () => {
  test.each([
    [0x6969, 'NFS'],
    [0xff534d42, 'CIFS'],
    [0xfe534d42, 'SMB'],
    [0x517b, 'SMB'],
    [0x01021997, '9p'],
    [0x65735546, 'sshfs'],
    [0x65735546, 'GlusterFS'],
    [0x0bd00bd0, 'Lustre'],
    [0x00c36400, 'CephFS'],
    [0xff534d42 - 2 ** 32, 'CIFS'],
  ])('type %i is a network file system: %s', async (type, name) => {
    const found = await fileSystemOf('/data/queue.db', linux(type))
    expect(found).toEqual({ is: 'network', name: expect.stringContaining(name) })
  })

  test.each([
    ['ext4', 0xef53],
    ['xfs', 0x58465342],
    ['btrfs', 0x9123683e],
    ['tmpfs', 0x01021994],
    ['overlay', 0x794c7630],
    ['zfs', 0x2fc12fc1],
  ])('%s is local', async (_, type) => {
    expect(await fileSystemOf('/data/queue.db', linux(type))).toEqual({ is: 'local' })
  })

  test('is that of the nearest existing ancestor', async () => {
    const asked: string[] = []
    const found = await fileSystemOf('/mnt/share/a/b/queue.db', {
      platform: 'linux',
      typeOf: async (path) => {
        asked.push(path)
        if (path !== '/mnt/share') throw absent(path)
        return 0x6969
      },
    })
    expect(found).toMatchObject({ is: 'network' })
    expect(asked).toEqual(['/mnt/share/a/b/queue.db', '/mnt/share/a/b', '/mnt/share/a', '/mnt/share'])
  })

  test('is unknown on other platforms, and if it cannot be read', async () => {
    const unknown = { is: 'unknown' }
    expect(await fileSystemOf('/x', { platform: 'darwin', typeOf: async () => 0x6969 })).toEqual(unknown)
    expect(await fileSystemOf('C:\\x', { platform: 'win32', typeOf: async () => 0 })).toEqual(unknown)
    expect(await fileSystemOf('/x/y', { platform: 'linux', typeOf: denied })).toEqual(unknown)
  })

  test.runIf(process.platform === 'linux')('is asked of the system itself', async () => {
    expect(await fileSystemOf('/proc/self/nothing/here')).toEqual({ is: 'local' })
  })

  test('causes a warning with advice, and a note if it is unknown', async () => {
    const [info, warn] = [
      vi.fn<(fields: object, text?: string) => void>(),
      vi.fn<(fields: object, text?: string) => void>(),
    ]
    const logger = { ...silentLogger, info, warn }
    await reportFileSystem('/data/queue.db', logger, linux(0x6969))
    expect(warn.mock.calls).toEqual([
      [
        {},
        expect.stringMatching(
          /\/data\/queue\.db is on a network file system \(NFS\).*local disk.*PostgreSQL or S3/s,
        ),
      ],
    ])
    expect(info).not.toHaveBeenCalled()
    await reportFileSystem('/data/queue.db', logger, { ...linux(0), platform: 'darwin' })
    await reportFileSystem('/data/queue.db', logger, linux(0xef53))
    expect([warn.mock.calls.length, info.mock.calls]).toEqual([
      1,
      [[{}, expect.stringMatching(/must be on a local disk; on this platform/)]],
    ])
  })
})

test('a file is shared by the processes of one machine', async () => {
  const directory = freshDirectory()
  const queue = await openQueue({ name: 'tiles', url: `sqlite:${join(directory, 'queue.db')}` })
  expect(queue.supports).toMatchObject({ durable: true, sharedBy: 'machine' })
  await queue.close()
  rmSync(directory, { recursive: true, force: true })
})
