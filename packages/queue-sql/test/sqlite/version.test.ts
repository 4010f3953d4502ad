import { existsSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { silentLogger } from '@sluice/core'
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'
import { openQueue, queueExists } from '../../src/index.js'
import { hasWalResetRace } from '../../src/sqlite/version.js'
import { pretendSqlite } from '../support/old-sqlite.js'
import { freshDirectory } from '../support/sqlite-harness.js'

describe('versions of SQLite', () => {
  test.each(['3.7.0', '3.40.1', '3.44.5', '3.45.0', '3.47.2', '3.50.6', '3.51.0', '3.51.2'])(
    '%s has the WAL-reset race',
    (version) => expect(hasWalResetRace(version)).toBe(true),
  )
  test.each(['3.6.23', '3.44.6', '3.44.9', '3.50.7', '3.51.3', '3.52.0', '3.53.4', '4.0.0'])(
    '%s does not have it',
    (version) => expect(hasWalResetRace(version)).toBe(false),
  )
})

describe('a process whose SQLite has the race', () => {
  let directory: string
  let options: { name: string; url: string }

  beforeEach(() => {
    directory = freshDirectory()
    options = { name: 'tiles', url: `sqlite:${join(directory, 'queue.db')}` }
    pretendSqlite('3.47.2')
  })
  afterEach(() => {
    vi.restoreAllMocks()
    rmSync(directory, { recursive: true, force: true })
  })

  test('is refused a file, with the version, the risk, the fixed Node.js versions and the option; nothing is created', async () => {
    const refused = {
      code: 'SLUICE_CONFIG_INVALID',
      message: expect.stringMatching(
        /queue\.db: SQLite 3\.47\.2 .*lose acknowledged commits.*22\.22\.3, 24\.15\.0, 25\.9\.0.*allowOldSqlite: true/s,
      ),
    }
    await expect(openQueue(options)).rejects.toMatchObject(refused)
    await expect(queueExists(options)).rejects.toMatchObject(refused)
    expect(existsSync(directory)).toBe(false)
  })

  test('opens it with `allowOldSqlite`, with a warning each time', async () => {
    const warn = vi.fn<(fields: object, text: string) => void>()
    const queue = await openQueue({ ...options, allowOldSqlite: true }, { logger: { ...silentLogger, warn } })
    await queue.put('a', 1)
    expect(
      await queueExists({ ...options, allowOldSqlite: true }, { logger: { ...silentLogger, warn } }),
    ).toBe(true)
    await queue.close()
    expect(warn.mock.calls).toEqual([
      [{}, expect.stringMatching(/SQLite 3\.47\.2.*`allowOldSqlite` is set/)],
      [{}, expect.stringMatching(/SQLite 3\.47\.2.*`allowOldSqlite` is set/)],
    ])
  })

  test('opens a database in memory, which has one connection', async () => {
    const queue = await openQueue({ name: 'tiles', url: 'sqlite::memory:' })
    await queue.put('a', 1)
    expect(await queue.size('WAITING')).toBe(1)
    await queue.close()
  })
})

test('the SQLite of this Node has the fix', async () => {
  const directory = freshDirectory()
  const warn = vi.fn<(fields: object, text: string) => void>()
  const queue = await openQueue(
    { name: 'tiles', url: `sqlite:${join(directory, 'queue.db')}` },
    { logger: { ...silentLogger, warn } },
  )
  await queue.close()
  rmSync(directory, { recursive: true, force: true })
  expect(warn).not.toHaveBeenCalled()
})
