import { isSluiceError } from '@sluice/core'
import { answerWith, s3Stores, startS3Server, type S3Server, type S3ServerOptions } from '@sluice/fake-s3'
import { afterEach, describe, expect, test } from 'vitest'
import { checkStorage, openQueue } from '../../src/index.js'
import { probedOn } from '../s3-harness.js'
import { LeapingRuntime } from '../leaping-runtime.js'

const opened: { close(): Promise<void> }[] = []

afterEach(async () => {
  for (const one of opened.splice(0).toReversed()) await one.close()
})

async function serverOf(options: S3ServerOptions = {}): Promise<S3Server> {
  const made = await startS3Server(options)
  opened.push(made)
  return made
}

/** `fine`, or the code and the message of the error. */
async function checked(server: S3Server, more: object = {}): Promise<string> {
  try {
    await checkStorage({ ...probedOn(server), timeoutMs: 500, ...more })
    return 'fine'
  } catch (error) {
    if (isSluiceError(error)) return `${error.code} ${error.message}`
    throw error
  }
}

describe('a check of a bucket', () => {
  test('that is fit is fine, makes no queue and leaves nothing behind', async () => {
    const server = await serverOf()
    expect(await checked(server)).toBe('fine')
    expect(server.keys()).toEqual([])
  })

  test('beside a queue that is at work changes nothing of it', async () => {
    const server = await serverOf()
    const queue = await openQueue({ ...probedOn(server), probe: 'off' })
    opened.push(queue)
    await queue.putMany([
      { id: 'a', body: 1 },
      { id: 'b', body: 2 },
    ])
    await queue.get(1)
    const before = server.keys().map((key) => [key, server.textOf(key)])
    expect(await checked(server)).toBe('fine')
    expect(server.keys().map((key) => [key, server.textOf(key)])).toEqual(before)
  })

  test.each(['off', 'quick', 'thorough'] as const)(
    'of a store that ignores If-None-Match refuses it, whatever `probe` says: %s',
    async (probe) => {
      const server = await serverOf({ rules: s3Stores.s3rver.rules })
      expect(await checked(server, { probe })).toMatch(
        /^SLUICE_CONFIG_INVALID .*PUT If-None-Match: \* .*ignores it/u,
      )
      expect(server.keys()).toEqual([])
    },
  )

  test('of a store that checks the condition and writes later refuses it with `probe: off` too', async () => {
    const server = await serverOf({ rules: s3Stores.moto.rules })
    expect(await checked(server, { probe: 'off' })).toMatch(
      /^SLUICE_CONFIG_INVALID .*(?:won instead of one|writes later)/u,
    )
    expect(server.keys()).toEqual([])
  })

  test.each([
    ['PutObject', /s3:PutObject/u],
    ['GetObject', /s3:GetObject/u],
    ['HeadObject', /s3:/u],
    ['ListObjectsV2', /s3:ListBucket/u],
  ])('without permission for %s is denied, and leaves nothing behind', async (denied, said) => {
    const server = await serverOf()
    server.main.onRequest = ({ operation }) => (operation === denied ? answerWith('AccessDenied') : undefined)
    expect(await checked(server, { probe: 'off' })).toMatch(said)
    expect(await checked(server)).toMatch(/^SLUICE_QUEUE_DENIED /u)
    expect(server.keys()).toEqual([])
  })

  test('without permission to delete is denied before anything is written', async () => {
    const server = await serverOf()
    server.main.onRequest = ({ operation }) =>
      operation.startsWith('Delete') ? answerWith('AccessDenied') : undefined
    expect(await checked(server)).toMatch(/^SLUICE_QUEUE_DENIED .*s3:DeleteObject/u)
    expect(server.keys()).toEqual([])
    expect(server.main.requests.filter(({ operation }) => operation === 'PutObject')).toEqual([])
  })

  test('where deleting is permitted at first and fails later says so', async () => {
    const server = await serverOf()
    let written = false
    server.main.onRequest = ({ operation }) => {
      written ||= operation === 'PutObject'
      return written && operation.startsWith('Delete') ? answerWith('AccessDenied') : undefined
    }
    expect(await checked(server)).toMatch(/^SLUICE_QUEUE_DENIED /u)
  })

  test('of a store that keeps an overwritten object as it was refuses it', async () => {
    const server = await serverOf()
    server.main.onRequest = ({ operation, key, headers }) =>
      operation === 'PutObject' && key.endsWith('-check') && headers['if-none-match'] === undefined
        ? { do: 'answer', answer: { status: 200, headers: { etag: '"x"' }, body: '' } }
        : undefined
    expect(await checked(server)).toMatch(/^SLUICE_CONFIG_INVALID .*does not read as it was written/u)
    expect(server.keys()).toEqual([])
  })

  test('with an answer that was lost goes on', async () => {
    const server = await serverOf()
    let lost = false
    server.main.onRequest = ({ operation, key }) => {
      if (lost || operation !== 'PutObject' || !key.endsWith('-check')) return undefined
      lost = true
      return { do: 'drop-reply' }
    }
    expect(await checked(server)).toBe('fine')
    expect(server.keys()).toEqual([])
  })

  test('deletes what a probe that was killed left an hour ago, and not what another one is at', async () => {
    const runtime = new LeapingRuntime()
    const server = await serverOf({ runtime })
    const folder = `queues/contract/PROBE/`
    server.seed([
      [`${folder}old-a1`, ''],
      ['queues/contract/QUEUE', '{}'],
    ])
    await runtime.advance(7_200_000)
    server.seed([[`${folder}new-a1`, '']])
    expect(await checked(server)).toBe('fine')
    expect(server.keys()).toEqual([`${folder}new-a1`, 'queues/contract/QUEUE'])
  })
})
