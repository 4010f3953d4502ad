import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { JsonValue, Queue } from '@sluice/core'
import { openQueue } from '@sluice/queue-sql'
import { startArgoServer, type ArgoServer, type OutcomeRule } from '@sluice/fake-argo'
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

async function configure(worker: JsonValue, more: Readonly<Record<string, JsonValue>> = {}): Promise<void> {
  const place = { package: 'sql', name: 'tiles', url: `sqlite:${join(box.dir, 'queue.db')}` }
  const service = { intervalMs: 20, leaseTtlMs: 1500, stopDeadlineMs: 5000 }
  const config = { queue: place, worker, processing: { limit: 10 }, service, ...more }
  await writeFile(join(box.dir, 'sluice.config.json'), JSON.stringify(config))
}

/** Exits as the item says. */
function processes(): JsonValue {
  return {
    package: 'process',
    command: ['sh', '-c', 'exit "${{0#* }}"', '{body.item}'],
    dir: join(box.dir, 'jobs'),
  }
}

async function put(codes: Readonly<Record<string, number>>): Promise<void> {
  await queue.putMany(Object.entries(codes).map(([id, code]) => ({ id, body: { item: `${id} ${code}` } })))
}

const RUN = ['run', '--until-empty', '--log-level', 'error']

describe('--fail-if-failed', () => {
  beforeEach(() => configure(processes()))

  test('ends with 8 when an item is in FAIL at the end; without it with 0', async () => {
    await put({ a: 0, b: 3 })
    const { code, out, err } = await box.spawn([...RUN, '--fail-if-failed', '--json'])
    expect(code).toBe(8)
    expect(JSON.parse(out)).toMatchObject({ why: 'empty', sizes: { SUCCESS: 1, FAIL: 1 } })
    expect(err).toContain('items have failed')
    // Of an earlier run, and there all the same.
    expect((await box.spawn([...RUN, '--fail-if-failed'])).code).toBe(8)
    expect((await box.spawn(RUN)).code).toBe(0)
  })

  test('ends with 0 when none is, though one failed on the way', async () => {
    await configure(
      { package: 'process', command: ['sh', '-c', 'test "$SLUICE_ATTEMPT" = 2'], dir: join(box.dir, 'jobs') },
      { retry: { maxAttempts: 2, backoff: { baseMs: 1, maxMs: 1 } } },
    )
    await put({ a: 0 })
    expect((await box.spawn([...RUN, '--fail-if-failed'])).code).toBe(0)
  })

  test('a queue that Sluice paused comes first', async () => {
    await queue.putMany(Array.from({ length: 60 }, (_, index) => ({ id: `i${index}`, body: {} })))
    expect((await box.spawn([...RUN, '--fail-if-failed'])).code).toBe(9)
  })

  test('is valid only with --until-empty', async () => {
    for (const flags of [['run'], ['run', '--drain']]) {
      const { code, err } = await box.run([...flags, '--fail-if-failed'])
      expect(code).toBe(2)
      expect(err).toContain('--fail-if-failed needs --until-empty')
    }
  })
})

const RETRY = {
  backoff: { baseMs: 1, maxMs: 1 },
  rules: [
    { exitCodes: [3], maxAttempts: 1 },
    { exitCodes: [75, '130-145'], maxAttempts: 3 },
    { classes: ['failed'], exitCodes: ['1-9'], maxAttempts: 2 },
    { classes: ['evicted', 'error'], maxAttempts: 4, backoff: { maxMs: 2 } },
  ],
}

const CODES = { a: 0, b: 75, c: 130, d: 145, e: 3, f: 1, g: 9, h: 10, i: 200 }
const ATTEMPTS = { a: 1, b: 3, c: 3, d: 3, e: 1, f: 2, g: 2, h: 1, i: 1 }

async function attempts(): Promise<Record<string, number | undefined>> {
  const items = await Promise.all(
    ['SUCCESS', 'FAIL'].map(
      async (stage) => (await queue.list(stage === 'FAIL' ? 'FAIL' : 'SUCCESS', { limit: 100 })).items,
    ),
  )
  return Object.fromEntries(
    items
      .flat()
      .map(({ id, attempt }) => [id, attempt] as const)
      .toSorted(([one], [other]) => (one < other ? -1 : 1)),
  )
}

/** As the item says: its name, and the exit code of its program. */
const outcome: OutcomeRule = (_, { parameters }) => {
  const [item = '', code = ''] = (parameters['item'] ?? '').split(' ')
  if (item === 'gone') return { afterMs: 5, phase: 'Error', message: 'pod deleted' }
  if (item === 'error') return { afterMs: 5, phase: 'Error', message: 'output file missing', exitCode: 0 }
  return code === '0' ? { afterMs: 5 } : { afterMs: 5, phase: 'Failed', exitCode: Number(code) }
}

describe('retry rules by class and exit code', () => {
  test('with local commands', async () => {
    await configure(processes(), { retry: RETRY })
    await put(CODES)
    expect((await box.spawn(RUN)).code).toBe(0)
    expect(await attempts()).toEqual(ATTEMPTS)
    expect((await queue.lookup('b'))?.history.map(({ exitCode }) => exitCode)).toEqual([75, 75, 75])
  })

  describe('on Argo', () => {
    let server: ArgoServer

    beforeEach(async () => {
      server = await startArgoServer({ controller: { reconcileDelayMs: 5, outcome } })
      const { url: baseUrl, token } = server
      const worker = {
        package: 'argo',
        baseUrl,
        namespace: 'argo',
        template: 'test-workflow-template',
        token,
      }
      await configure(worker, { retry: RETRY })
    })

    afterEach(() => server.close())

    test('the exit codes of the program, and the classes of Argo’s own ends', async () => {
      // A signal that Sluice did not send is the cluster's: 137 and 143 are evictions, of whatever rule comes
      // first.
      await put({ ...CODES, gone: 0, error: 0, killed: 143, oomish: 137 })
      expect((await box.spawn(RUN)).code).toBe(0)
      expect(await attempts()).toEqual({ ...ATTEMPTS, gone: 4, error: 4, killed: 3, oomish: 3 })
      expect(await queue.lookup('killed')).toMatchObject({ failureClass: 'evicted', exitCode: 143 })
    })
  })
})
