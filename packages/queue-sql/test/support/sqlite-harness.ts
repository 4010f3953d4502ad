import { randomUUID } from 'node:crypto'
import { existsSync, statfsSync } from 'node:fs'
import { rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { setTimeout as pause } from 'node:timers/promises'
import type { Queue } from '@sluice/core'
import { systemRuntime } from '@sluice/core/backend'
import type { QueueHarness } from '@sluice/testkit'
import { openSqlQueue } from './open-sql-queue.js'
import { optionsSchema, type SqlQueueOptions } from '../../src/sql-options.js'
import { SCHEMA_VERSION } from '../../src/schema/steps.js'
import type { OpenOptions } from '../../src/sql-store.js'
import { Crash, Outage, Trouble } from './crashing-dialect.js'

export const DEFAULT_NAME = 'contract'

/** Short: nothing in this process takes so long. */
const TROUBLED_TIMEOUT_MS = 200

/** Linux: a file system in memory, which containers are often given little of. */
const MEMORY = '/dev/shm'
const ENOUGH_BYTES = 1_000_000_000

/** A new directory; the queue creates the file in it. */
export function freshDirectory(home = tmpdir()): string {
  return join(home, `sluice-queue-sql-${randomUUID()}`)
}

/**
 * The same in memory, where there is room for it: for tests that kill processes at most, and no machines, so
 * that a sync of the disk tells them nothing. Most of their time would be such syncs.
 */
export function fastDirectory(): string {
  return freshDirectory(process.env['TMPDIR'] === undefined && hasRoom(MEMORY) ? MEMORY : tmpdir())
}

function hasRoom(path: string): boolean {
  if (!existsSync(path)) return false
  const { bavail, bsize } = statfsSync(path)
  return bavail * bsize >= ENOUGH_BYTES
}

/** Marks tables as upgraded by the next release. */
export function newerText(prefix: string): string {
  return `insert into ${prefix}schema (version) values (${SCHEMA_VERSION + 1})`
}

/** Takes that mark away. */
export function asBeforeText(prefix: string): string {
  return `delete from ${prefix}schema where version > ${SCHEMA_VERSION}`
}

function runText(file: string, text: string): void {
  const database = new DatabaseSync(file)
  database.exec(text)
  database.close()
}

export async function sqliteHarness(
  options: Partial<SqlQueueOptions> = {},
  how: OpenOptions = {},
): Promise<QueueHarness> {
  const directory = fastDirectory()
  const opened: Queue[] = []
  let behindMs = 0
  const runtime = { ...systemRuntime, now: () => Date.now() - behindMs }
  const settings = (name: string, more: Partial<SqlQueueOptions> = {}) =>
    optionsSchema.parse({ ...options, ...more, name, url: `sqlite:${join(directory, 'queue.db')}` })
  const keep = <T extends Queue>(queue: T): T => {
    opened.push(queue)
    return queue
  }
  return {
    open: async (name = DEFAULT_NAME) => keep(await openSqlQueue(settings(name), { ...how, runtime })),
    passTime: async (ms) => {
      // A timer may fire a fraction of a millisecond early.
      await pause(ms + 2)
    },
    setClockBack: async (ms) => {
      behindMs += ms
    },
    openCrashing: async (point) => {
      const crash = new Crash(point)
      const queue = keep(await openSqlQueue(settings(DEFAULT_NAME), { ...how, wrap: crash.wrap }))
      crash.arm()
      return { queue, crashed: () => crash.crashed }
    },
    openUnreachable: async () => {
      const outage = new Outage(() =>
        Object.assign(new Error('disk I/O error'), { code: 'ERR_SQLITE_ERROR', errcode: 10 }),
      )
      const queue = keep(await openSqlQueue(settings(DEFAULT_NAME), { ...how, wrap: outage.wrap }))
      outage.down = true
      return queue
    },
    openTroubled: async (options) => {
      const trouble = new Trouble(options)
      const more = { timeoutMs: TROUBLED_TIMEOUT_MS }
      const queue = keep(await openSqlQueue(settings(DEFAULT_NAME, more), { ...how, wrap: trouble.wrap }))
      trouble.arm()
      return { queue, reached: () => trouble.reached, callMs: queue.supports.longestCallMs ?? 0 }
    },
    upgrade: async () => {
      const file = join(directory, 'queue.db')
      runText(file, newerText('sluice_'))
      return async () => runText(file, asBeforeText('sluice_'))
    },
    close: async () => {
      await Promise.allSettled(opened.map((queue) => queue.close()))
      await rm(directory, { recursive: true, force: true })
    },
  }
}
