import { mkdtempSync, rmSync, symlinkSync, unlinkSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { systemRuntime } from '@sluice/core/backend'
import { FolderWatch } from '../../src/disk/folder-watch.js'

let dir: string

beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), 'sluice-wake-'))
})

afterEach(() => rmSync(dir, { recursive: true, force: true }))

test('wakes for a record that appears, and not for one that goes', async () => {
  const stop = new AbortController()
  const wakes = new FolderWatch(dir, systemRuntime).listen(stop.signal)
  const first = wakes.next()
  symlinkSync('0', join(dir, 'a'))
  expect(await first).toEqual({ done: false, value: undefined })
  const second = wakes.next()
  unlinkSync(join(dir, 'a'))
  const quiet = new Promise((resolve) => setTimeout(resolve, 50, 'quiet'))
  expect(await Promise.race([second, quiet])).toBe('quiet')
  stop.abort()
  expect(await second).toEqual({ done: true, value: undefined })
})

test('wakes for all that listen, once for what came meanwhile', async () => {
  const wake = new FolderWatch(dir, systemRuntime)
  const stop = new AbortController()
  const [one, other] = [wake.listen(stop.signal), wake.listen(stop.signal)]
  const waiting = [one.next(), other.next()]
  wake.notify()
  await Promise.all(waiting)
  wake.notify()
  wake.notify()
  expect((await one.next()).done).toBe(false)
  const next = one.next()
  stop.abort()
  expect((await next).done).toBe(true)
  await other.return()
})

test('reads the folder at times where the system can’t watch', { timeout: 10_000 }, async () => {
  const later = join(dir, 'not-there-yet')
  const stop = new AbortController()
  const wakes = new FolderWatch(later, systemRuntime).listen(stop.signal)
  const first = wakes.next()
  const { mkdirSync } = await import('node:fs')
  mkdirSync(later)
  symlinkSync('0', join(later, 'a'))
  expect((await first).done).toBe(false)
  stop.abort()
  expect((await wakes.next()).done).toBe(true)
})

test('a signal that has aborted ends it at once', async () => {
  expect((await new FolderWatch(dir, systemRuntime).listen(AbortSignal.abort()).next()).done).toBe(true)
})
