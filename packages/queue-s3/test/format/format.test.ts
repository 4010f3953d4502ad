import { isSluiceError, type Logger, type Queue } from '@sluice/core'
import { answerWith, startS3Server, type S3Server } from '@sluice/fake-s3'
import { afterEach, describe, expect, test } from 'vitest'
import { openQueue, queueExists, type S3QueueOptions } from '../../src/index.js'
import { attemptKeyText, parseAttemptKey } from '../../src/format/attempt-key.js'
import { encodeKey } from '../../src/format/key-encoding.js'
import { entryText, stateText } from '../../src/format/object-texts.js'
import { optionsOn, sweep } from '../s3-harness.js'
import { LeapingRuntime } from '../leaping-runtime.js'

const ROOT = 'queues/contract/'
const opened: { close(): Promise<void> }[] = []

afterEach(async () => {
  for (const one of opened.splice(0).toReversed()) await one.close()
})

async function server(): Promise<S3Server> {
  const made = await startS3Server()
  opened.push(made)
  return made
}

async function open(options: S3QueueOptions): Promise<Queue> {
  const queue = await openQueue(options)
  opened.push(queue)
  return queue
}

async function refusal(
  options: S3QueueOptions,
  use?: { reading: boolean },
): Promise<[code: string, message: string]> {
  const error: unknown = await openQueue(options, use).then(
    (queue) => void opened.push(queue),
    (why: unknown) => why,
  )
  if (!isSluiceError(error)) throw new Error(`it was opened, or failed otherwise: ${String(error)}`)
  return [error.code, error.message]
}

const SOUND = { sluice: 1, format: 2, needs: ['draft-5'], shards: 1, name: 'contract' }

describe('a queue says how it is laid out', () => {
  test('in its object QUEUE, made when it is first opened', async () => {
    const made = await server()
    await open(optionsOn(made))
    expect(JSON.parse(made.textOf(`${ROOT}QUEUE`) ?? '')).toEqual(SOUND)
  })

  test.each([
    [
      'of format 1',
      { sluice: 1, format: 1, shards: 1 },
      /of format 1, .*uses format 2.*Finish its items with the version that made it.*new queue/s,
    ],
    ['of a later format', { ...SOUND, format: 3 }, /of format 3, .*Use a later version/s],
    [
      'of an earlier draft, whose processes would take a name with a `-` for a foreign one and put its item again',
      { ...SOUND, needs: ['draft-1'] },
      /needs "draft-1", which this version .* does not know/s,
    ],
    [
      'of a later draft',
      { ...SOUND, needs: ['draft-9'] },
      /needs "draft-9", which this version .* does not know/s,
    ],
    ['that needs more', { ...SOUND, needs: ['draft-5', 'blobs', 7] }, /needs "blobs", 7, which/],
    [
      'that lacks what this layout relies on',
      { ...SOUND, needs: [] },
      /lacks "draft-5", which the layout of this version/,
    ],
    ['that says nothing of it', { sluice: 1, format: 2, shards: 1 }, /lacks "draft-5"/],
    ['whose QUEUE is damaged', [], /QUEUE is damaged/],
    ['whose number of shards is none', { ...SOUND, shards: 0 }, /QUEUE is damaged/],
  ] as const)(
    'one %s is refused by the name of what is different, also for reading',
    async (_, settings, refusalText) => {
      const made = await server()
      made.seed([[`${ROOT}QUEUE`, JSON.stringify(settings)]])
      const before = made.textOf(`${ROOT}QUEUE`)
      for (const use of [undefined, { reading: true }]) {
        const [code, message] = await refusal(optionsOn(made), use)
        expect([code, message]).toEqual(['SLUICE_QUEUE_CORRUPT', expect.stringMatching(refusalText)])
        expect(message).toContain('bucket "sluice-test", prefix "queues/contract/"')
      }
      expect(made.textOf(`${ROOT}QUEUE`)).toBe(before)
      expect(made.keys()).toEqual([`${ROOT}QUEUE`])
    },
  )

  test.each(['Tiles', 'tiles of ü', 'x'.repeat(150), 'é'.repeat(200)])(
    'one of format 1 named %s is found',
    async (name) => {
      const made = await server()
      const options = { ...optionsOn(made), name }
      await open(options)
      const [key = ''] = made.keys()
      made.seed([[key, JSON.stringify({ sluice: 1, format: 1, shards: 1 })]])
      expect(await queueExists(options)).toBe(true)
      expect((await refusal(options))[1]).toMatch(/of format 1/)
    },
  )

  test('one of another name under the same key, as where upper and lower case are the same, is refused', async () => {
    const made = await server()
    made.seed([[`${ROOT}QUEUE`, JSON.stringify({ ...SOUND, name: 'Contract' })]])
    expect(await refusal(optionsOn(made))).toEqual([
      'SLUICE_CONFIG_INVALID',
      expect.stringContaining('is named "Contract"'),
    ])
  })
})

/** The first attempt of an item, except for what differs from others. */
const FIRST = {
  shard: '00',
  priority: 0,
  availableAt: 1,
  delayed: false,
  turn: 0,
  attempt: 1,
  updates: 0,
  uncounted: 0,
  hasRetryState: false,
  generation: 1,
}

async function logged(made: S3Server): Promise<{ queue: Queue; lines: string[] }> {
  const lines: string[] = []
  const log = (fields: object, text?: string) => void lines.push(`${text} ${JSON.stringify(fields)}`)
  const logger: Logger = { debug: log, info: log, warn: log, error: log }
  return { queue: await open({ ...optionsOn(made), logger }), lines }
}

describe('what a later version may add', () => {
  test('folders, under the root and under a stage, are left alone without a word', async () => {
    const made = await server()
    const { queue, lines } = await logged(made)
    const unknown = [
      'BLOBS/00/a',
      'BLOBS/',
      'WAITING/',
      'WAITING/00/',
      'WAITING/by-tag/00/a',
      'WAITING/00/sub/a',
      'CONTROL/',
      'ITEMS/',
    ]
    unknown.push(
      'PROCESSING/locks/a',
      'SUCCESS/archive/a',
      'FAIL/archive/',
      'LEFT/0/a',
      'DOCUMENTS/x',
      'ITEMS/blobs/a',
      'LEASES/dispatcher/',
    )
    made.seed(unknown.map((name) => [ROOT + name, 'x'] as const))
    await queue.putMany(['a', 'b', 'c'].map((id) => ({ id, body: 1 })))
    const items = await queue.get(2)
    await queue.settle(
      items.map(({ id, attempt }, at) => ({ id, attempt, stage: at === 0 ? 'SUCCESS' : 'FAIL' })),
    )
    await queue.control.pause('for a test')
    expect(await queue.control.read()).toMatchObject({ paused: true, reason: 'for a test' })
    await queue.control.resume()
    expect(await (await queue.lease('dispatcher', 'me', 15_000))?.renew()).toBe(true)
    await sweep(queue)
    expect(await queue.sizes()).toEqual({ WAITING: 1, PROCESSING: 0, SUCCESS: 1, FAIL: 1 })
    expect(await queue.peek(5)).toHaveLength(1)
    for (const name of unknown) expect(made.textOf(ROOT + name)).toBe('x')
    expect(lines).toEqual([])
  })

  test('fields, of settings, items and states, are ignored without a word, and block no item', async () => {
    const made = await server()
    const { queue, lines } = await logged(made)
    await queue.putMany(['a', 'b'].map((id) => ({ id, body: { of: id } })))
    const running = await queue.get(1)
    const changed = made.keys().filter((key) => !key.includes('/CONTROL/'))
    made.seed(
      changed.map(
        (key) => [key, JSON.stringify({ ...JSON.parse(made.textOf(key) ?? ''), later: { x: 1 } })] as const,
      ),
    )
    const other = await logged(made)
    expect((await other.queue.get(1)).map(({ body }) => body)).toEqual([{ of: 'b' }])
    expect(await other.queue.lookup('a')).toMatchObject({ stage: 'PROCESSING', body: { of: 'a' } })
    await other.queue.settle(running.map(({ id, attempt }) => ({ id, attempt, stage: 'SUCCESS' })))
    await sweep(other.queue)
    expect(await other.queue.sizes()).toEqual({ WAITING: 0, PROCESSING: 1, SUCCESS: 1, FAIL: 0 })
    expect([...lines, ...other.lines]).toEqual([])
  })

  test('pairs in the name of an attempt are ignored, and kept in each name that follows', async () => {
    const made = await server()
    const { queue, lines } = await logged(made)
    const put = (id: string, additions: string) => {
      const attemptKey = { ...FIRST, uid: `u-${id}`, additions, key: encodeKey(id) }
      const first = attemptKeyText(attemptKey)
      const entry = { id, uid: attemptKey.uid, first, priority: 0, putAt: 1 }
      made.seed([
        [`${ROOT}ITEMS/${id}`, entryText(entry, '1')],
        [`${ROOT}WAITING/${first}`, stateText(id, attemptKey, { history: [] })],
      ])
    }
    put('one', 'tag=a_b')
    put('two', 'tag=a-b,shade=')
    const waiting = () => made.keys().filter((key) => key.includes('/WAITING/'))
    expect((await queue.list('WAITING', { limit: 5 })).items.map(({ id }) => id)).toEqual(['one', 'two'])
    const [one] = await queue.get(1)
    expect(one).toMatchObject({ id: 'one', attempt: 1, uid: 'u-one' })
    await queue.release('one', { attempt: 1, reason: 'later', delayMs: 1 })
    await queue.update([{ id: 'two', priority: 5 }])
    expect(waiting()).toEqual(
      [
        expect.stringMatching(/00002\.00000\..*\.u-one\.tag=a_b\.one$/),
        expect.stringMatching(/00001\.00001\..*\.u-two\.tag=a-b,shade=\.two$/),
      ].toReversed(),
    )
    const [two] = await queue.get(1)
    await queue.fail('two', { attempt: two?.attempt ?? 0 })
    await queue.requeue(['two'])
    expect(waiting().filter((key) => key.endsWith('.u-two.tag=a-b,shade=.two'))).toHaveLength(1)
    expect(await queue.lookup('two')).toMatchObject({ stage: 'WAITING', priority: 5 })
    expect(await queue.remove(['one', 'two'])).toMatchObject({ removed: 2 })
    expect(lines).toEqual([])
  })

  test('more of them than have room make a name of no attempt', () => {
    const longest = { ...FIRST, uid: 'u', additions: `a=${'z'.repeat(23)}`, key: 'k' }
    expect(parseAttemptKey(attemptKeyText(longest))).toEqual(longest)
    for (const additions of [`${longest.additions}z`, 'a', 'a=1,', '=1', 'A=1', 'a=1.b=2'])
      expect(parseAttemptKey(attemptKeyText({ ...longest, additions }))).toBeUndefined()
  })

  test('fields of the controls are kept by each change', async () => {
    const made = await server()
    const { queue } = await logged(made)
    await queue.control.pause('why')
    const [key = ''] = made.keys().filter((one) => one.includes('/CONTROL/'))
    made.seed([[key, JSON.stringify({ ...JSON.parse(made.textOf(key) ?? ''), windows: ['night'] })]])
    const { control } = (await logged(made)).queue
    await control.setLimits({ jobs: 3 })
    await control.resume()
    const [newest = ''] = made.keys().filter((one) => one.includes('/CONTROL/'))
    expect(JSON.parse(made.textOf(newest) ?? '')).toEqual({
      sluice: 1,
      paused: false,
      limits: { jobs: 3 },
      windows: ['night'],
    })
  })
})

describe('a process that has the queue open when a newer version changes its layout', () => {
  test.each([
    ['needs more', { ...SOUND, needs: ['draft-5', 'blobs'] }, /needs "blobs"/],
    ['is of another draft', { ...SOUND, needs: ['draft-9'] }, /needs "draft-9"/],
    ['is of a later format', { ...SOUND, format: 3 }, /of format 3/],
  ] as const)('that now %s, ends at its next renewal, with what is different', async (_, settings, said) => {
    const made = await server()
    const queue = await open(optionsOn(made))
    const lease = await queue.lease('dispatcher', 'me', 15_000)
    await queue.put('a', 1)
    made.seed([[`${ROOT}QUEUE`, JSON.stringify(settings)]])
    const before = made.keys()
    await expect(lease?.renew()).rejects.toMatchObject({
      code: 'SLUICE_QUEUE_CORRUPT',
      retryable: false,
      message: expect.stringMatching(said),
    })
    await expect(queue.get(1)).rejects.toMatchObject({ code: 'SLUICE_QUEUE_CORRUPT' })
    await expect(lease?.release()).rejects.toMatchObject({ code: 'SLUICE_QUEUE_CORRUPT' })
    expect(made.keys()).toEqual(before)
  })

  test.each([
    ['a proxy page', '<html>sign in</html>'],
    ['a half body', JSON.stringify(SOUND).slice(0, 20)],
    ['nothing', ''],
  ])('is not taken for that by %s in place of QUEUE', async (_, text) => {
    const made = await server()
    const queue = await open(optionsOn(made))
    const lease = await queue.lease('dispatcher', 'me', 15_000)
    made.seed([[`${ROOT}QUEUE`, text]])
    expect(await lease?.renew()).toBe(true)
    expect(await queue.get(1)).toEqual([])
  })

  test('is not taken for that by a QUEUE that is gone', async () => {
    const made = await server()
    const queue = await open(optionsOn(made))
    const lease = await queue.lease('dispatcher', 'me', 15_000)
    made.main.onRequest = ({ key }) => (key === `${ROOT}QUEUE` ? answerWith('NoSuchKey') : undefined)
    expect(await lease?.renew()).toBe(true)
    expect(await queue.lease('dispatcher', 'you', 15_000)).toBeUndefined()
  })

  test('one that is gone by every answer was dropped: each call says so from the next check on', async () => {
    const made = await server()
    const runtime = new LeapingRuntime()
    const queue = await open({ ...optionsOn(made), runtime })
    await queue.put('a', 1)
    made.deleteKey(`${ROOT}QUEUE`)
    await runtime.advance(2_000)
    for (const call of [
      () => queue.put('b', 1),
      () => queue.get(1),
      () => queue.lease('dispatcher', 'me', 1_000),
    ])
      await expect(call()).rejects.toMatchObject({
        code: 'SLUICE_QUEUE_CORRUPT',
        message: expect.stringMatching(/its object QUEUE is gone: the queue was dropped/),
      })
    expect(made.keys().some((key) => key.includes('/b'))).toBe(false)
  })

  test('something is created: QUEUE is read again every two seconds at most, once for all that is', async () => {
    const made = await server()
    const runtime = new LeapingRuntime(true)
    const queue = await open({ ...optionsOn(made), runtime })
    const checks = () => made.main.requests.filter(({ key }) => key === `${ROOT}QUEUE`).length
    const before = checks()
    await queue.put('a', 1)
    expect(checks()).toBe(before)
    await runtime.advance(2_000)
    await queue.putMany(Array.from({ length: 40 }, (_, index) => ({ id: `b-${index}`, body: 1 })))
    expect(checks()).toBe(before + 1)
  })
})

const lengthened = (text: string) => text.replaceAll(/[0-9a-f-]{36}/g, (uid) => `${uid}0`)

describe('what is unsound in the folders of the queue itself', () => {
  test('is reported once, and an item whose index object comes later than its name is claimed within a minute', async () => {
    const made = await server()
    const runtime = new LeapingRuntime()
    const lines: object[] = []
    const log = (fields: object) => void lines.push(fields)
    const logger: Logger = { debug: log, info: log, warn: log, error: log }
    const queue = await open({ ...optionsOn(made), logger, runtime })
    await queue.put('a', 1)
    const index = `${ROOT}ITEMS/a`
    const text = made.textOf(index) ?? ''
    made.seed([[index, text.slice(0, 20)]])
    expect([await queue.get(1), await queue.get(1)]).toEqual([[], []])
    made.seed([[index, text]])
    expect(await queue.get(1)).toEqual([])
    await runtime.advance(60_000)
    expect((await queue.get(1)).map(({ id }) => id)).toEqual(['a'])
    expect(lines).toHaveLength(1)
  })

  test('a name of another program with a uid longer than a UUID is left alone, and its id is refused, not put twice', async () => {
    const made = await server()
    const queue = await open(optionsOn(made))
    await queue.put('a', 1)
    const [index, waiting = ''] = [`${ROOT}ITEMS/a`, made.keys().find((key) => key.includes('/WAITING/'))]
    const [entry, state] = [lengthened(made.textOf(index) ?? ''), lengthened(made.textOf(waiting) ?? '')]
    await queue.remove(['a'])
    made.seed([
      [index, entry],
      [lengthened(waiting), state],
    ])
    expect(await queue.get(5)).toEqual([])
    await expect(queue.lookup('a')).rejects.toMatchObject({ code: 'SLUICE_QUEUE_CORRUPT' })
    await expect(queue.put('a', 2)).rejects.toMatchObject({ code: 'SLUICE_ITEM_EXISTS' })
    await sweep(queue)
    expect(made.textOf(index)).toBe(entry)
    expect(made.keys().filter((key) => key.includes('ITEMS'))).toEqual([index])
  })
})
