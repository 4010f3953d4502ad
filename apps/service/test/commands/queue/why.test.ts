import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { Queue } from '@sluice/core'
import { HOLDUP_ADVICE, HOLDUP_CODES } from '@sluice/engine'
import { openQueue } from '@sluice/queue-sql'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { Sandbox, logged } from '../../fixtures/sandbox.js'

let box: Sandbox
let queue: Queue

beforeEach(async () => {
  box = await Sandbox.open()
  await configure({ limit: 2 })
  queue = await openQueue({ name: 'tiles', url: `sqlite:${join(box.dir, 'q.db')}` })
})

afterEach(async () => {
  await queue.close()
  await box.close()
})

async function configure(processing: object, name = 'sluice.config.json'): Promise<void> {
  const config = {
    queue: { package: 'sql', name: 'tiles', url: 'sqlite:q.db' },
    // Jobs that never end.
    worker: { package: 'dummy' },
    processing,
    service: { intervalMs: 50, leaseTtlMs: 1_500 },
  }
  await writeFile(join(box.dir, name), JSON.stringify(config))
}

async function why(): Promise<{ holdups: { code: string; forMs?: number; untilAt?: number }[] }> {
  return JSON.parse((await box.run(['why', '--json'])).out)
}
const codes = async () => (await why()).holdups.map(({ code }) => code)

/** A window that is closed now and opens in two to three hours. */
function closedWindow(): string {
  const hour = (new Date().getUTCHours() + 3) % 24
  return `${hour}:00-${hour}:30 UTC`
}

describe('why', () => {
  test('an empty queue, a queue without a service, and a pause', async () => {
    expect((await box.run(['why'])).out).toBe('tiles: nothing holds the queue back')
    await queue.put('a', {})
    await queue.control.pause('maintenance')
    const { code, out } = await box.run(['why'])
    expect(code).toBe(0)
    expect(out).toContain(
      'no-dispatcher: no service is running: none has run yet\n  what to do: start one with',
    )
    expect(out).toMatch(
      /paused: the queue is paused: maintenance\n {2}since \S+Z\n {2}what to do: `sluice resume` goes on/u,
    )
    expect(await codes()).toEqual(['no-dispatcher', 'paused'])
  })

  test('a reached limit and a rate, of a service of another configuration', async () => {
    await configure({ limit: 5, rate: { count: 1, perMs: 3_600_000 } }, 'other.json')
    await queue.putMany(['a', 'b', 'c'].map((id) => ({ id, body: {} })))
    const service = box.start(['-c', 'other.json', 'run'])
    await expect.poll(codes, { timeout: 20_000 }).toEqual(['rate'])
    const { out, err } = await box.run(['why'])
    expect(out).toMatch(
      /^rate: at most 1 item is claimed in any 1 h\n {2}since \S+Z, until \S+Z, for .* more\n/u,
    )
    expect(err).toContain('the service that dispatches has another dispatch policy than this configuration')
    const shown = JSON.parse((await box.run(['policy', 'show', '--json'])).out)
    expect(shown).toMatchObject({
      configured: { policy: 'processingLimit', maxProcessing: 2 },
      inForce: { policy: { policy: 'all' }, atMost: 5 },
      isDifferent: true,
    })
    service.kill('SIGTERM')
    await service
  })

  test('a window that is closed: when it opens, and for how long that is', async () => {
    await configure({ limit: 2, windows: [closedWindow()] })
    await queue.put('a', {})
    const service = box.start(['run'])
    await expect.poll(codes, { timeout: 20_000 }).toEqual(['outside-window'])
    const [holdup] = (await why()).holdups
    expect(new Date(holdup?.untilAt ?? 0).getUTCMinutes()).toBe(0)
    expect(holdup?.forMs).toBeGreaterThan(3_600_000)
    expect((await box.run(['status', '--sample', '0'])).out).toMatch(
      /outside of the time windows .*, until \S+Z/u,
    )
    await queue.control.setLimits({ maxProcessing: 50 })
    expect(await queue.size('PROCESSING')).toBe(0)
    service.kill('SIGTERM')
    await service
  })

  test('a standby with another policy warns of it', async () => {
    await queue.put('a', {})
    const first = box.start(['run'])
    await expect.poll(() => queue.size('PROCESSING'), { timeout: 20_000 }).toBe(1)
    await expect
      .poll(async () => (await box.run(['policy', 'show', '--json'])).out, { timeout: 20_000 })
      .toContain('inForce')
    await configure({ limit: 9 }, 'other.json')
    const second = box.start(['-c', 'other.json', 'run'])
    await logged(second.stderr, 'the service that dispatches has another dispatch policy than this one')
    for (const service of [first, second]) service.kill('SIGTERM')
    await Promise.all([first, second])
  })

  test('who has set a live limit, and when', async () => {
    await queue.put('a', {})
    await box.run(['limit', '5'])
    await box.run(['limit', '--reset'])
    await box.run(['limit', '3'])
    const { live, changes } = JSON.parse((await box.run(['policy', 'show', '--json'])).out)
    expect(live).toEqual({ maxProcessing: 3 })
    const by = expect.stringMatching(/^.+@.+$/u)
    expect(changes).toEqual(
      [5, null, 3].map((value) => ({ name: 'maxProcessing', value, by, at: expect.any(Number) })),
    )
    expect((await box.run(['policy', 'show'])).out).toMatch(
      /live +at most 3 jobs at once, set by `sluice limit` \(.+@.+, \S+Z\)/u,
    )
  })

  test('every code is in the help, and has a line of advice or none to give', async () => {
    const { out } = await box.run(['why', '--help'])
    for (const code of HOLDUP_CODES) expect(out).toContain(code)
    expect(Object.keys(HOLDUP_ADVICE).toSorted()).toEqual([...HOLDUP_CODES].toSorted())
  })
})
