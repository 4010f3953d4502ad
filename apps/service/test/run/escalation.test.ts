import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { JsonValue, Queue } from '@sluice/core'
import { startArgoServer } from '@sluice/fake-argo'
import { openQueue } from '@sluice/queue-sql'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { Sandbox } from '../fixtures/sandbox.js'

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

type More = Readonly<Record<string, JsonValue>>

async function configure(worker: JsonValue, more: More = {}): Promise<void> {
  const place = { package: 'sql', name: 'tiles', url: `sqlite:${join(box.dir, 'queue.db')}` }
  const service = { intervalMs: 20, leaseTtlMs: 1500, stopDeadlineMs: 5000 }
  const config = { queue: place, worker, processing: { limit: 10 }, service, ...more }
  await writeFile(join(box.dir, 'sluice.config.json'), JSON.stringify(config, undefined, 2))
}

/** Exits as a program that the kernel ends for want of memory, unless it has as many Gi as its item needs. */
const PROGRAM = 'test "$1" = "$SLUICE_OVERRIDE_MEMORY" || exit 9; test "${{1%Gi}}" -ge "$2" || exit 137'

function processes(command: readonly string[]): JsonValue {
  return { package: 'process', command: [...command], dir: join(box.dir, 'jobs') }
}

const MEMORY = { parameter: 'memory', values: ['4Gi', '8Gi', '16Gi'] }
const retry = (escalate: JsonValue): More => ({
  retry: { backoff: { baseMs: 1, maxMs: 1 }, rules: [{ exitCodes: [137], maxAttempts: 3, escalate }] },
})

const RUN = ['run', '--until-empty', '--log-level', 'error']

test('items that need more succeed with more, and the report adds up what each value ran', async () => {
  await configure(processes(['sh', '-c', PROGRAM, 'sh', '{override.memory}', '{body.gib}']), retry(MEMORY))
  await queue.putMany(
    Array.from({ length: 10 }, (_, at) => ({ id: `i${at}`, body: { gib: at === 7 ? 12 : 3 } })),
  )
  expect(await box.spawn(['check'])).toMatchObject({ code: 0 })
  const run = await box.spawn([...RUN, '--json'])
  expect(JSON.parse(run.out)).toMatchObject({ why: 'empty', sizes: { SUCCESS: 10, FAIL: 0 } })
  const { history = [] } = (await queue.lookup('i7')) ?? {}
  expect(history.map(({ details }) => details)).toMatchObject(
    MEMORY.values.map((memory) => ({ overrides: { memory } })),
  )
  const { out } = await box.spawn(['report', '--summary', '--json'])
  expect(JSON.parse(out)).toMatchObject({
    overrides: [
      { parameter: 'memory', value: '4Gi', attempts: 10, gibHours: expect.any(Number) },
      { parameter: 'memory', value: '8Gi', attempts: 1 },
      { parameter: 'memory', value: '16Gi', attempts: 1 },
    ],
  })
  const text = await box.spawn(['report', '--summary'])
  expect(text.out).toMatch(/memory +16Gi +1 /u)
}, 60_000)

/** What `check` and `run` say of a configuration, each with its exit code. */
async function answersTo(more: More, worker: JsonValue = processes(['true'])) {
  await configure(worker, more)
  const answers: { readonly code: number | undefined; readonly text: string }[] = []
  for (const command of [['check'], RUN]) {
    const { code, err, out } = await box.spawn(command)
    answers.push({ code, text: `${err}${out}` })
  }
  return answers
}

/** Both refuse it so. */
function refused(message: RegExp): readonly unknown[] {
  const answer = { code: 2, text: expect.stringMatching(message) }
  return [answer, answer]
}

describe('what can’t work is refused by check and run, with its place', () => {
  test.each([
    [
      { parameter: 'memory', values: ['8Gi', '4Gi'] },
      /retry\.rules\.0\.escalate\.values\.1.*must be larger/u,
    ],
    [{ parameter: 'me mory', values: ['8Gi'] }, /escalate\.parameter.*must be a letter/u],
    [{ parameter: 'memory', values: [] }, /escalate\.values/u],
    [{ parameter: 'memory', values: ['a', 'a'] }, /repeats a/u],
    [{ parameter: 'memory' }, /escalate\.values/u],
  ])(
    '%o',
    async (escalate, message) => {
      const answers = await answersTo(retry(escalate))
      expect(answers).toEqual(refused(message))
      expect(answers).toEqual(refused(/sluice\.config\.json/u))
    },
    30_000,
  )

  test.each([
    [{ deadlines: { attemptMs: 0 } }, /deadlines\.attemptMs/u],
    [{ deadlines: { itemsMs: 5 } }, /itemsMs/u],
    [{ stragglers: { factor: 1 } }, /stragglers\.factor/u],
    [{ stragglers: { action: 'kill' } }, /stragglers\.action/u],
  ])(
    '%o',
    async (more: More, message) => {
      expect(await answersTo(more)).toEqual(refused(message))
    },
    30_000,
  )

  test('a placeholder that no rule fills', async () => {
    const worker = processes(['echo', '{override.memory}'])
    const message = /placeholder \{override\.memory\}, and no retry rule escalates memory/u
    expect(await answersTo({}, worker)).toEqual(refused(message))
  }, 30_000)

  test.each<[More, RegExp]>([
    [retry(MEMORY), /retry\.rules\.0\.escalate is set \(.*starts no jobs with overrides/u],
    [{ deadlines: { itemMs: 5 } }, /deadlines\.itemMs is set \(.*can’t cancel jobs/u],
    [{ stragglers: { action: 'retry' } }, /stragglers\.action is set \(.*can’t cancel/u],
  ])(
    'a worker that can’t: %o',
    async (more, message) => {
      await writeFile(
        join(box.dir, 'worker.mjs'),
        `const supports = { durable: false, lookupJob: false, cancelJob: false, watch: false }
         const done = async () => {}
         export const openWorker = async ({ name }) => ({
           name, supports, sendJob: done, pollAllStatus: async () => new Map(), close: done, [Symbol.asyncDispose]: done,
         })`,
      )
      expect(await answersTo(more, { package: './worker.mjs' })).toEqual(refused(message))
    },
    30_000,
  )

  test('a template without such a parameter', async () => {
    const server = await startArgoServer({})
    try {
      const { url: baseUrl, namespace, token } = server
      const worker = { package: 'argo', baseUrl, namespace, token, template: 'test-workflow-template' }
      const message = /escalates memory, and WorkflowTemplate test-workflow-template has no/u
      expect(await answersTo(retry(MEMORY), worker)).toEqual(refused(message))
      await configure(worker, retry({ parameter: 'seconds', values: ['1', '2'] }))
      expect((await box.spawn(['check'])).code).toBe(0)
    } finally {
      await server.close()
    }
  }, 60_000)
})

test('status counts stragglers, show says since when one runs, and a deadline ends it', async () => {
  const command = ['sh', '-c', 'sleep "$1"', 'sh', '{body.seconds}']
  const stragglers = { factor: 1.5, minSamples: 3 }
  await configure(processes(command), { stragglers, deadlines: { attemptMs: 15_000 } })
  await queue.putMany(['0', '0', '0'].map((seconds, at) => ({ id: `i${at}`, body: { seconds } })))
  await queue.put('slow', { seconds: '60' })
  const running = box.start(RUN)
  const seen = async () => {
    const { out } = await box.spawn(['status', '--sample', '0', '--json'])
    const status: { readonly stragglers?: number } = JSON.parse(out)
    return status.stragglers
  }
  while ((await seen()) !== 1) expect(await queue.lookupStatus('slow')).not.toBe('FAIL')
  const shown = await box.spawn(['show', 'slow'])
  expect(shown.out).toMatch(/straggler +it runs since .*far longer than others/u)
  expect((await running).exitCode).toBe(0)
  expect(await queue.lookup('slow')).toMatchObject({ stage: 'FAIL', failureClass: 'timeout' })
  expect(await seen()).toBe(0)
}, 60_000)
