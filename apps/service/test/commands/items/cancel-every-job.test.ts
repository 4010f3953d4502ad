import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { ItemRecord, JobReport, Queue } from '@sluice/core'
import { openQueue } from '@sluice/queue-sql'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { Sandbox } from '../../fixtures/sandbox.js'

let box: Sandbox
let queue: Queue

beforeEach(async () => {
  box = await Sandbox.open()
  const url = `sqlite:${join(box.dir, 'queue.db')}`
  queue = await openQueue({ name: 'tiles', url })
  await writeFile(join(box.dir, 'worker.mjs'), WORKER)
  const config = { queue: { package: 'sql', name: 'tiles', url }, worker: { package: './worker.mjs' } }
  await writeFile(join(box.dir, 'sluice.config.json'), JSON.stringify(config))
  await write([])
})

afterEach(async () => {
  await queue.close()
  await box.close()
})

interface TestJob extends Pick<JobReport, 'uid' | 'attempt' | 'stage' | 'message' | 'finishedAt'> {
  readonly id: string
  /** It ignores a cancel. */
  readonly deaf?: boolean
}

interface Scene {
  readonly jobs: readonly TestJob[]
  readonly incomplete?: string
  readonly noLookup?: boolean
}

/** A worker of which each job is written down, in a file that its process changes. */
const WORKER = `
import { readFileSync, writeFileSync } from 'node:fs'
import { SluiceError } from '${import.meta.resolve('@sluice/core')}'
const file = new URL('./jobs.json', import.meta.url)
const read = () => JSON.parse(readFileSync(file, 'utf8'))
const isOf = (job) => (one) => one.id === job.id && one.uid === job.uid && one.attempt === job.attempt
const reportOf = ({ id, deaf, ...report }) => report
export const openWorker = async ({ name }) => ({
  name,
  supports: { durable: true, lookupJob: !read().noLookup, cancelJob: true, watch: false, incompletePolls: true },
  async sendJob() {},
  async pollAllStatus() {
    const { jobs, incomplete } = read()
    const map = new Map()
    if (!incomplete) {
      for (const job of jobs.toSorted((a, b) => a.attempt - b.attempt)) {
        const before = map.get(job.id)
        const running = before === undefined ? [] : [before, ...(before.earlier ?? [])].filter((one) => one.stage === 'PROCESSING')
        map.set(job.id, { ...reportOf(job), earlier: running.map(({ earlier, ...one }) => one) })
      }
    }
    return incomplete ? Object.assign(map, { complete: false, incompleteReason: incomplete }) : map
  },
  ...(read().noLookup ? {} : { async lookupJob(job) {
    const found = read().jobs.find(isOf(job))
    return found && reportOf(found)
  } }),
  async cancelJob(job, reason) {
    const scene = read()
    const jobs = scene.jobs.map((one) =>
      isOf(job)(one) && one.stage === 'PROCESSING' && !one.deaf ? { ...one, stage: 'FAIL', message: reason, failureClass: 'killed' } : one)
    writeFileSync(file, JSON.stringify({ ...scene, jobs }))
  },
  async close() {},
})
`

async function write(jobs: readonly TestJob[], more: Omit<Scene, 'jobs'> = {}): Promise<void> {
  await writeFile(join(box.dir, 'jobs.json'), JSON.stringify({ jobs, ...more }))
}

async function running(): Promise<string[]> {
  const { jobs }: Scene = JSON.parse(await readFile(join(box.dir, 'jobs.json'), 'utf8'))
  return jobs.filter(({ stage }) => stage === 'PROCESSING').map(({ id, attempt }) => `${id}#${attempt}`)
}

async function claimed(id: string, attempts = 1): Promise<ItemRecord> {
  await queue.put(id, 1)
  for (let attempt = 1; attempt <= attempts; attempt++) {
    if (attempt > 1) await queue.release(id)
    await queue.get(1)
  }
  return found(id)
}

async function found(id: string): Promise<ItemRecord> {
  const item = await queue.lookup(id)
  if (item === undefined) throw new Error(`no item ${id}`)
  return item
}

function jobOf({ id, uid }: ItemRecord, attempt = 1, more: Partial<TestJob> = {}): TestJob {
  return { id, uid, attempt, stage: 'PROCESSING', ...more }
}

const WAITS = /It is in WAITING and starts again.*sluice rm.*: a$/
const ENDED_AT = Date.UTC(2026, 0, 2)

describe('every job of an id is ended', () => {
  test('those of all attempts of an item in PROCESSING, and no other', async () => {
    const item = await claimed('a', 3)
    const other = await claimed('b')
    await write([jobOf(item, 1), jobOf(item, 2), jobOf(item, 3), jobOf(other)])
    const { code, out } = await box.run(['cancel', 'a'])
    expect(code).toBe(0)
    expect(out).toMatch(/^Cancelled 1 item$/m)
    expect(out).toMatch(/^a +ended +cancelled manually$/m)
    expect(out).toMatch(/^a \(attempt 1\) +ended/m)
    expect(out).toMatch(/^a \(attempt 2\) +ended/m)
    expect(await running()).toEqual(['b#1'])
  })

  test.each(['WAITING', 'FAIL', 'SUCCESS', 'removed', 'removed and put again'])(
    'that of an earlier attempt whose item is %s',
    async (stage) => {
      const item = await claimed('a', 2)
      if (stage === 'WAITING') await queue.release('a')
      else if (stage === 'SUCCESS') await queue.success('a')
      else await queue.fail('a', { reason: 'its own' })
      if (stage.startsWith('removed')) await queue.remove(['a'])
      if (stage === 'removed and put again') await queue.put('a', 1)
      const before = await queue.lookup('a')
      await write([jobOf(item, 1)])
      const { code, out, err } = await box.run(['cancel', 'a'])
      expect([code, out.split('\n')[0]]).toEqual([
        0,
        'Cancelled 0 items; 1 job without an item in PROCESSING cancelled',
      ])
      expect(err).toMatch(['WAITING', 'removed and put again'].includes(stage) ? WAITS : /^$/)
      expect(await running()).toEqual([])
      expect(await queue.lookup('a')).toEqual(before)
    },
  )

  test('--attempt names one; the item stays where it is unless that is its own', async () => {
    const item = await claimed('a', 2)
    await write([jobOf(item, 1), jobOf(item, 2)])
    expect(await box.json(['cancel', 'a', '--attempt', '1'])).toMatchObject({ cancelled: 0, told: ['a'] })
    expect([await running(), (await found('a')).stage]).toEqual([['a#2'], 'PROCESSING'])
    const again = await box.run(['cancel', 'a', '--attempt', '1'])
    expect([again.code, again.err]).toEqual([3, 'Unchanged (no job of that attempt runs): a'])
    expect(await box.json(['cancel', 'a', '--attempt', '2'])).toMatchObject({ cancelled: 1 })
    expect([await running(), (await found('a')).stage]).toEqual([[], 'FAIL'])
    const all = await box.run(['cancel', '--all', '--attempt', '1', '--yes'])
    expect([all.code, all.err]).toEqual([2, expect.stringContaining('--attempt')])
  })

  test('--all also cancels those without an item in PROCESSING, and asks first', async () => {
    const item = await claimed('a')
    await queue.fail('a')
    await write([jobOf(item)])
    const asked = await box.run(['cancel', '--all'])
    expect([asked.code, asked.err]).toEqual([
      6,
      expect.stringMatching(/Cancel 1 job of tiles without an item in PROCESSING\?/),
    ])
    expect(await running()).toEqual(['a#1'])
    const { code, out } = await box.run(['cancel', '--all', '--yes'])
    expect([code, out]).toEqual([
      0,
      expect.stringMatching(/^Cancelled 0 items; 1 job without an item in PROCESSING cancelled/),
    ])
    expect(await running()).toEqual([])
    const none = await box.run(['cancel', '--all'])
    expect(none).toEqual({ code: 0, out: 'Cancelled 0 items', err: '' })
  })

  test('after an incomplete poll attempts are looked up by name', async () => {
    const item = await claimed('a', 3)
    await write([jobOf(item, 1), jobOf(item, 3)], { incomplete: 'the list is late' })
    const { code, err } = await box.run(['cancel', 'a'])
    expect(await running()).toEqual([])
    expect([code, err]).toEqual([4, expect.stringMatching(/may still run: the list is late/)])
  })

  test('of a worker without look-ups', async () => {
    const item = await claimed('a', 2)
    await queue.release('a')
    await write([jobOf(item, 1)], { noLookup: true })
    await box.run(['cancel', 'a', '--timeout', '100ms'])
    expect(await running()).toEqual([])
  })

  test('one that does not end is named, whatever stage its item is in', async () => {
    const item = await claimed('a')
    await queue.success('a')
    await write([jobOf(item, 1, { deaf: true })])
    const { code, out, err } = await box.run(['cancel', 'a', '--timeout', '100ms'])
    expect([code, out]).toEqual([4, 'Cancelled 0 items; 1 job without an item in PROCESSING cancelled'])
    expect(err).toMatch(/^warning: 1 job had not ended after \S+: a\nCancel the same ids again/)
  })

  test('an unreachable worker: no job is reported as cancelled', async () => {
    const item = await claimed('a')
    await queue.release('a')
    await write([jobOf(item)])
    await writeFile(
      join(box.dir, 'worker.mjs'),
      WORKER.replace(
        'async pollAllStatus() {',
        "async pollAllStatus() {\n    throw new SluiceError('SLUICE_WORKER_UNAVAILABLE', 'no answer')",
      ),
    )
    const { code, out, err } = await box.run(['cancel', 'a', 'nope'])
    expect([code, out]).toEqual([4, 'Cancelled 0 items'])
    expect(err).toMatch(/The jobs of 2 items may still run: no answer\n.*: a, nope$/)
  })
})

describe('ids without a job to cancel', () => {
  test('waiting, finished and unknown ids are distinguished', async () => {
    await queue.put('later', 1, { delayMs: 3_600_000 })
    const failed = await claimed('failed')
    await queue.fail('failed', { reason: 'exit code 3' })
    await claimed('done')
    await queue.success('done')
    const removed = await claimed('removed')
    await queue.fail('removed')
    await queue.remove(['removed'])
    const ended = { stage: 'FAIL', message: 'exit code 3', finishedAt: ENDED_AT } as const
    await write([jobOf(failed, 1, ended), jobOf(removed, 1, ended)])
    const ids = ['later', 'failed', 'done', 'removed', 'nope', 'never']
    const { code, out, err } = await box.run(['cancel', ...ids])
    expect([code, out]).toEqual([3, 'Cancelled 0 items'])
    const [waiting, finished, unknown] = err.split('\n')
    expect(waiting).toBe('Unchanged (in WAITING, without a running job; `sluice rm` removes it): later')
    expect(finished).toMatch(
      /^Unchanged \(they had finished\): failed \(FAIL at 2026-01-02T00:00:00.000Z: exit code 3\), done \(SUCCESS at \S+Z\), removed \(at 2026-01-02T00:00:00.000Z: exit code 3\)$/,
    )
    expect(unknown).toBe('Unknown, no item and no job: nope, never')
    const json = await box.run(['cancel', ...ids, '--json'])
    expect([json.code, JSON.parse(json.out)]).toEqual([
      3,
      expect.objectContaining({
        cancelled: 0,
        told: [],
        waiting: ['later'],
        finished: ['failed', 'done', 'removed'],
        unknown: ['nope', 'never'],
        unreached: [],
      }),
    ])
  })

  test('a job that had ended before is not reported as cancelled, but with when and how it ended', async () => {
    const item = await claimed('a')
    await write([jobOf(item)])
    await box.run(['cancel', 'a'])
    await write([jobOf(item, 1, { stage: 'FAIL', message: 'killed by SIGTERM', finishedAt: ENDED_AT })])
    const { code, out } = await box.run(['cancel', 'a'])
    expect(code).toBe(0)
    expect(out).toMatch(/^Cancelled 0 items; 1 item already cancelled$/m)
    expect(out).toMatch(/^a +had ended +at 2026-01-02T00:00:00.000Z: killed by SIGTERM$/m)
    expect(await box.json(['cancel', 'a'])).toMatchObject({
      again: 1,
      told: [],
      jobs: [{ id: 'a', attempt: 1, told: false, end: 'FAIL', finishedAt: ENDED_AT }],
    })
  })

  test.each(['cancel', 'release'])(
    'sluice %s with ids and --all says what contradicts what',
    async (command) => {
      const { code, err } = await box.run([command, '--all', 'a', '--yes'])
      expect([code, err]).toEqual([2, 'error: Use ids or --all, not both.'])
    },
  )
})
