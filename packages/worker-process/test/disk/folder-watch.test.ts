import { mkdtempSync, rmSync, symlinkSync, unlinkSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { Doorbell } from '../../src/disk/folder-watch.js'

let dir: string

beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), 'sluice-bell-'))
})

afterEach(() => rmSync(dir, { recursive: true, force: true }))

test('rings for a record that appears, and not for one that goes', async () => {
  const stop = new AbortController()
  const rings = new Doorbell(dir).listen(stop.signal)
  const first = rings.next()
  symlinkSync('0', join(dir, 'a'))
  expect(await first).toEqual({ done: false, value: undefined })
  const second = rings.next()
  unlinkSync(join(dir, 'a'))
  const quiet = new Promise((resolve) => setTimeout(resolve, 50, 'quiet'))
  expect(await Promise.race([second, quiet])).toBe('quiet')
  stop.abort()
  expect(await second).toEqual({ done: true, value: undefined })
})

test('rings for all that listen, once for what rang meanwhile', async () => {
  const bell = new Doorbell(dir)
  const stop = new AbortController()
  const [one, other] = [bell.listen(stop.signal), bell.listen(stop.signal)]
  const waiting = [one.next(), other.next()]
  bell.ring()
  await Promise.all(waiting)
  bell.ring()
  bell.ring()
  expect((await one.next()).done).toBe(false)
  const next = one.next()
  stop.abort()
  expect((await next).done).toBe(true)
  await other.return()
})

test('looks now and then where the system can’t watch', { timeout: 10_000 }, async () => {
  const later = join(dir, 'not-there-yet')
  const stop = new AbortController()
  const rings = new Doorbell(later).listen(stop.signal)
  const first = rings.next()
  const { mkdirSync } = await import('node:fs')
  mkdirSync(later)
  symlinkSync('0', join(later, 'a'))
  expect((await first).done).toBe(false)
  stop.abort()
  expect((await rings.next()).done).toBe(true)
})

test('a signal that has aborted ends it at once', async () => {
  expect((await new Doorbell(dir).listen(AbortSignal.abort()).next()).done).toBe(true)
})
