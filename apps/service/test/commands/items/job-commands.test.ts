import { createHash } from 'node:crypto'
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { JobReport, JsonValue, Queue } from '@sluice/core'
import { openQueue } from '@sluice/queue-sql'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { Sandbox } from '../../fixtures/sandbox.js'

let box: Sandbox
let queue: Queue

beforeEach(async () => {
  box = await Sandbox.open()
  queue = await openQueue({ name: 'tiles', url: `sqlite:${join(box.dir, 'queue.db')}` })
})

afterEach(async () => {
  await queue.close()
  await box.close()
})

type Reports = Record<string, Omit<JobReport, 'uid' | 'attempt'>>

interface Scene {
  /** What a look-up says of an item's job, and after it was cancelled. */
  readonly reports?: Reports
  readonly cancelled?: Reports
  /** What a poll says, if that differs. */
  readonly polled?: Reports
  readonly incomplete?: boolean
  readonly throws?: string
  readonly supports?: object
  readonly withoutLookup?: boolean
}

/** A worker of which each answer is written down; it counts what it is asked in a file. */
async function configure(scene: Scene): Promise<void> {
  const ids = await queue.listSummaries('PROCESSING', { limit: 1_000 })
  const failed = await queue.listSummaries('FAIL', { limit: 1_000 })
  const heads = Object.fromEntries(
    [...ids.items, ...failed.items].map(({ id, uid, attempt }) => [id, { uid, attempt }]),
  )
  await writeFile(join(box.dir, 'scene.json'), JSON.stringify({ ...scene, heads }))
  await writeFile(join(box.dir, 'worker.mjs'), WORKER)
  const config = {
    queue: { package: 'sql', name: 'tiles', url: `sqlite:${join(box.dir, 'queue.db')}` },
    worker: { package: './worker.mjs' },
  }
  await writeFile(join(box.dir, 'sluice.config.json'), JSON.stringify(config))
}

const WORKER = `
import { appendFileSync, readFileSync } from 'node:fs'
import { SluiceError } from '${import.meta.resolve('@sluice/core')}'
const at = (name) => new URL(name, import.meta.url)
export const openWorker = async ({ name }) => {
  const scene = JSON.parse(readFileSync(at('./scene.json'), 'utf8'))
  const cancelled = new Set()
  const begin = (call) => {
    appendFileSync(at('./calls'), call + '\\n')
    if (scene.throws) throw new SluiceError(scene.throws, 'no answer')
  }
  const reportOf = (id, reports) => {
    const said = (cancelled.has(id) ? scene.cancelled?.[id] : undefined) ?? reports?.[id]
    return said && { ...scene.heads[id], ...said }
  }
  const lookupJob = async ({ id }) => {
    begin('lookup ' + id)
    return reportOf(id, scene.reports)
  }
  return {
    name,
    supports: { durable: true, lookupJob: !scene.withoutLookup, cancelJob: true, watch: false, ...scene.supports },
    async sendJob() {},
    async pollAllStatus() {
      begin('poll')
      const reports = scene.polled ?? scene.reports ?? {}
      const map = new Map(Object.keys(reports).map((id) => [id, reportOf(id, reports)]))
      return scene.incomplete ? Object.assign(map, { complete: false, incompleteReason: 'the list is late' }) : map
    },
    ...(scene.withoutLookup ? {} : { lookupJob }),
    async cancelJob({ id }) {
      begin('cancel ' + id)
      cancelled.add(id)
    },
    async close() {},
  }
}
`

async function calls(): Promise<string[]> {
  const { readFile } = await import('node:fs/promises')
  const text = await readFile(join(box.dir, 'calls'), 'utf8').catch(() => '')
  return text.split('\n').filter((line) => line !== '')
}

function hash(uid = ''): Buffer {
  return createHash('sha256').update(`1 ${uid}`).digest().subarray(0, 8)
}

/** As the engine stores them. */
function packed(...uids: (string | undefined)[]): JsonValue {
  return { format: 1, jobs: Buffer.concat(uids.map((uid) => hash(uid))).toString('base64') }
}

async function claim(...ids: string[]): Promise<void> {
  await queue.putMany(ids.map((id) => ({ id, body: 1 })))
  await queue.get(ids.length)
}

const HELD = {
  stage: 'PROCESSING',
  pending: true,
  message: 'ImagePullBackOff: no such image',
  url: 'https://argo.example.org/workflows/argo/wf-a',
  details: { workflow: 'wf-a', namespace: 'argo', phase: 'Running' },
} as const
const RUNS = { stage: 'PROCESSING', pending: false, details: { workflow: 'wf-b', phase: 'Running' } } as const
const ENDED = { stage: 'FAIL', message: 'Stopped', failureClass: 'killed' } as const

describe('sluice show of an item in PROCESSING', () => {
  test('names its workflow, its phase, what holds it up and the link', async () => {
    await claim('a')
    await configure({ reports: { a: HELD } })
    const { code, out } = await box.run(['show', 'a'])
    expect(code).toBe(0)
    expect(out).toMatch(/^job +pending: ImagePullBackOff: no such image$/m)
    expect(out).toMatch(/^job link +https:\/\/argo.example.org\/workflows\/argo\/wf-a$/m)
    expect(out).toMatch(/^job details +workflow +wf-a$/m)
    expect(out).toMatch(/^ +phase +Running$/m)
    expect(await box.json(['show', 'a'])).toMatchObject({ stage: 'PROCESSING', job: HELD })
    expect(await calls()).toEqual(['lookup a', 'lookup a'])
  })

  test('a running job, one that does not exist yet, and one of a worker without look-ups', async () => {
    await claim('a', 'b')
    await configure({ reports: { b: RUNS } })
    expect((await box.run(['show', 'b'])).out).toMatch(/^job +running$/m)
    expect((await box.run(['show', 'a'])).out).toMatch(/^job +the worker has no job for this attempt yet/m)
    expect(await box.json(['show', 'a'])).toMatchObject({ job: null })
    await configure({ reports: { b: RUNS }, withoutLookup: true })
    expect((await box.run(['show', 'b'])).out).toMatch(/^job +running$/m)
  })

  test('a started job that is unknown to the worker is reported as such', async () => {
    await claim('a', 'b', 'c', 'd')
    await configure({ reports: { d: RUNS } })
    const [a, b] = await Promise.all(['a', 'b'].map((id) => queue.lookup(id)))
    await queue.document('engine/jobs').write(packed(a?.uid, b?.uid), { ifVersion: undefined })
    const missing = {
      graceMs: 60_000,
      groups: [{ sinceAt: (await queue.now()) - 20_000, seen: packed(a?.uid) }],
    }
    await queue.document('engine/missing').write(missing, { ifVersion: undefined })
    const text = /started, and unknown to the worker for 2\d s; lost at 60 s$/m
    const shown = await box.run(['show', 'a'])
    expect(shown.out).toMatch(/^job +started, and/m)
    expect(shown.out).toMatch(text)
    expect((await box.run(['show', 'b'])).out).toMatch(/^job +started, and now unknown to the worker;/m)
    expect((await box.run(['show', 'c'])).out).toMatch(/^job +the worker has no job for this attempt yet/m)
    const listed = (await box.run(['ls'])).out.split('\n')
    expect(listed.find((line) => / a /.test(line))).toMatch(text)
    expect(listed.find((line) => / c /.test(line))).toMatch(/no job yet$/)
    expect(await box.json(['show', 'a'])).toMatchObject({ job: null, jobStarted: { graceMs: 60_000 } })
  })

  test('an unreachable worker is reported, and the command succeeds', async () => {
    await claim('a')
    await configure({ throws: 'SLUICE_WORKER_UNAVAILABLE' })
    const { code, out } = await box.run(['show', 'a'])
    expect([code, out]).toEqual([0, expect.stringMatching(/^job +unknown: no answer$/m)])
    expect(await box.json(['show', 'a'])).toMatchObject({ stage: 'PROCESSING', jobError: 'no answer' })
    const missing = await box.run(['show', 'a', '--set', 'worker.package=sluice-worker-missing'])
    expect([missing.code, missing.out]).toEqual([
      0,
      expect.stringMatching(/^job +unknown: .*sluice-worker-missing/m),
    ])
  })

  test('of items in other stages the worker is not asked', async () => {
    await claim('s', 'f')
    await queue.put('w', 1)
    await queue.success('s')
    await queue.fail('f', { reason: 'its own' })
    await configure({ throws: 'SLUICE_WORKER_UNAVAILABLE' })
    for (const id of ['w', 's', 'f']) expect((await box.run(['show', id])).out).not.toMatch(/^job/m)
    expect(await calls()).toEqual([])
  })
})

describe('sluice ls', () => {
  test('of running items: one poll, and look-ups only of jobs that may be pending', async () => {
    await claim('a', 'b', 'c')
    const { pending: _, message: __, ...listed } = HELD
    await configure({ reports: { a: HELD, b: RUNS }, polled: { a: listed, b: RUNS } })
    const { code, out } = await box.run(['ls', '--stage', 'PROCESSING'])
    expect(code).toBe(0)
    expect(out).toMatch(
      /^PROCESSING +1 +a +<1s +<1s +wf-a · Running · pending: ImagePullBackOff: no such image · https:\/\/argo.example.org/m,
    )
    expect(out).toMatch(/^PROCESSING +1 +b +<1s +<1s +wf-b · Running · running$/m)
    expect(out).toMatch(/^PROCESSING +1 +c +<1s +<1s +no job yet$/m)
    expect((await calls()).toSorted()).toEqual(['lookup a', 'lookup c', 'poll'])
    const lines = (await box.run(['ls', '--json'])).out.split('\n').map((line) => JSON.parse(line))
    expect(lines).toMatchObject([
      { id: 'a', job: HELD },
      { id: 'b', job: RUNS },
      { id: 'c', job: null },
    ])
  })

  test('700 running items cost one poll and at most 50 look-ups', async () => {
    const ids = Array.from({ length: 700 }, (_, index) => `i${index}`)
    await claim(...ids)
    const { pending: _, ...unclear } = RUNS
    await configure({ reports: Object.fromEntries(ids.map((id) => [id, unclear])) })
    const { code, out } = await box.run(['ls', '--limit', '0'])
    expect([code, out.split('\n').length]).toEqual([0, 701])
    const asked = await calls()
    expect(asked.filter((call) => call === 'poll')).toHaveLength(1)
    expect(asked).toHaveLength(51)
  }, 30_000)

  test('an unreachable worker and an incomplete poll are reported once, and the command succeeds', async () => {
    await claim('a', 'b')
    await configure({ throws: 'SLUICE_WORKER_DENIED' })
    expect(await box.run(['ls'])).toMatchObject({
      code: 0,
      out: expect.stringMatching(/^PROCESSING +1 +a +<1s +<1s$/m),
      err: expect.stringMatching(/^warning: .*no answer$/),
    })
    await configure({ polled: {}, incomplete: true, withoutLookup: true })
    const { code, err } = await box.run(['ls'])
    expect([code, err]).toEqual([0, expect.stringMatching(/the list is late$/)])
  })

  test('without running items the worker is not asked', async () => {
    await queue.put('w', 1)
    await configure({ throws: 'SLUICE_WORKER_UNAVAILABLE' })
    expect(await box.run(['ls'])).toMatchObject({ code: 0, err: '' })
    expect(await calls()).toEqual([])
  })
})

describe('sluice cancel', () => {
  test('reports how each job ended; an item whose job succeeded stays in FAIL, and `show` reports it', async () => {
    await claim('a', 'b')
    const well = { stage: 'SUCCESS', result: { bytes: 7 }, details: { notes: ['told to end'] } } as const
    await configure({ reports: { a: RUNS, b: RUNS }, cancelled: { a: ENDED, b: well } })
    const { code, out } = await box.run(['cancel', 'a', 'b'])
    expect(code).toBe(0)
    expect(out).toMatch(/^a +ended +Stopped$/m)
    expect(out).toMatch(/^b +succeeded/m)
    expect(out).toMatch(/^Succeeded although cancelled, its item stays in FAIL: 1 job: b$/m)
    expect(await queue.lookup('b')).toMatchObject({ stage: 'FAIL', reason: 'cancelled manually' })
    expect((await queue.lookup('b'))?.result).toBeUndefined()
    await configure({ reports: { a: ENDED, b: well } })
    const shown = await box.run(['show', 'b'])
    expect(shown.out).toMatch(/^job +succeeded although it was cancelled; the item stays in FAIL$/m)
    expect(shown.out).toMatch(/^job result +\{"bytes":7\}$/m)
    expect((await box.run(['show', 'a'])).out).toMatch(/^job +cancelled; ended: Stopped$/m)
    await configure({ reports: {} })
    expect((await box.run(['show', 'b'])).out).toMatch(
      /^job +cancelled; the worker no longer knows the job$/m,
    )
  })

  test('`show` reports by when a cancelled job has ended', async () => {
    await claim('a')
    await configure({ reports: { a: RUNS } })
    await box.run(['cancel', 'a', '--timeout', '0'])
    const told =
      'told to end at 2026-01-02T00:00:00.000Z (cancelled manually), ends by 2026-01-02T00:00:10.000Z at the latest'
    await configure({ reports: { a: { stage: 'PROCESSING', message: told, details: { toldToEndAt: 1 } } } })
    expect((await box.run(['show', 'a'])).out).toContain(`job          ${told}\n`)
    await configure({ reports: { a: { ...RUNS, details: { shutdown: 'Terminate' } } } })
    expect((await box.run(['show', 'a'])).out).toMatch(
      /^job +cancelled \(Terminate\); it has not ended yet$/m,
    )
    await queue.requeue(['a'])
    // What its last attempt ended with is not what it is now.
    expect((await box.run(['show', 'a'])).out).toMatch(/^last details cancelled +true$/m)
  })

  test('a job that does not end in time: exit 4 with its id, and when it ends if it waits for a lock', async () => {
    await claim('a', 'b', 'c')
    const waits = { ...HELD, message: 'Waiting for argo/Mutex/one lock. Lock status: 0/1' }
    await configure({ reports: { a: RUNS, b: RUNS, c: RUNS }, cancelled: { a: ENDED, b: waits } })
    const { code, out, err } = await box.run(['cancel', 'a', 'b', 'c', '--timeout', '300ms'])
    expect(code).toBe(4)
    expect(out).toMatch(/^a +ended/m)
    expect(err).toMatch(
      /1 job has not begun: Waiting for argo\/Mutex\/one lock.*it ends when the lock is free \(b\)/,
    )
    expect(err).toMatch(/^warning: 2 jobs had not ended after 300ms .*: b, c$/m)
    expect((await box.run(['show', 'b'])).out).toMatch(/^job +/m)
    const { job: _, ...json } = JSON.parse(
      (await box.run(['cancel', 'b', 'c', '--timeout', '100ms', '--json'])).out,
    )
    expect(json).toMatchObject({ again: 2, unfinished: ['b', 'c'], jobs: [] })
  })

  test('recognizes a lock by the message of a worker that does not report pending jobs', async () => {
    await claim('a')
    const waits = {
      stage: 'PROCESSING',
      message: 'Waiting for argo/Mutex/one lock. Lock status: 0/1',
    } as const
    await configure({ reports: { a: waits } })
    expect((await box.run(['show', 'a'])).out).toMatch(/^job +pending: Waiting for argo/m)
    const { code, err } = await box.run(['cancel', 'a', '--timeout', '100ms'])
    expect([code, err]).toEqual([4, expect.stringMatching(/it ends when the lock is free/)])
  })

  test('--timeout 0 waits for nothing, and a worker without look-ups is polled', async () => {
    await claim('a', 'b')
    await configure({ reports: { a: RUNS, b: RUNS }, cancelled: { b: ENDED }, withoutLookup: true })
    const { code, err } = await box.run(['cancel', 'a', '--timeout', '0'])
    // It was told to end, and goes on as far as is known: that is said.
    expect([code, err]).toEqual([4, expect.stringMatching(/1 job had not ended after 0ms: a\n/)])
    expect((await box.run(['cancel', 'b'])).out).toMatch(/^b +ended +Stopped$/m)
  })

  test('900 jobs: polls, not a look-up each time; a line for those that ended alike', async () => {
    const ids = Array.from({ length: 900 }, (_, index) => `tile-${index}`)
    await claim(...ids)
    const ended = Object.fromEntries(
      ids.map((id, index) => [
        id,
        index < 3 ? { stage: 'SUCCESS' as const } : { ...ENDED, message: `Stopped ${id}` },
      ]),
    )
    const reports = Object.fromEntries(ids.map((id) => [id, RUNS]))
    // What a look-up sees it sees at once: here the ends are in the list alone.
    await configure({ reports, polled: ended })
    const { code, out } = await box.run(['cancel', '--all', '--yes'])
    expect(code).toBe(0)
    expect(out).toMatch(/^897 +ended +Stopped …$/m)
    expect(out).toMatch(/stay in FAIL: 3 jobs: tile-0, tile-1, tile-2$/m)
    expect(out.split('\n').length).toBeLessThan(8)
    const asked = await calls()
    expect(asked.filter((call) => call.startsWith('lookup'))).toHaveLength(900)
    // One for jobs that no item waits for, one for the ends.
    expect(asked.filter((call) => call === 'poll')).toHaveLength(2)
  }, 60_000)
})

describe('jobs.pendingTimeoutMs', () => {
  test('is refused for a worker that can’t cancel jobs, by `run` and by `check`', async () => {
    await claim('a')
    await configure({ supports: { cancelJob: false } })
    const setting = ['--set', 'jobs.pendingTimeoutMs=60000']
    for (const command of [['run', '--until-empty'], ['check']]) {
      const { code, err } = await box.run([...command, ...setting])
      expect([code, err]).toEqual([2, expect.stringMatching(/jobs\.pendingTimeoutMs.*can’t cancel jobs/)])
    }
    expect((await box.run(['check'])).code).toBe(0)
  })

  test('must be 1 or more', async () => {
    await configure({})
    expect(await box.run(['check', '--set', 'jobs.pendingTimeoutMs=0'])).toMatchObject({
      code: 2,
      err: expect.stringMatching(/jobs\.pendingTimeoutMs/),
    })
  })
})
