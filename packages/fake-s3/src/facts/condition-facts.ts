import { check, same } from '@sluice/testkit/server'
import type { S3Fact } from './s3-fact.js'
import { expectRefusal, expectStatus, Folder, type Came } from './folder.js'

const ABSENT = { IfNoneMatch: '*' }
const OTHER_ETAG = '"00000000000000000000000000000000"'
const RACERS = 20
const ROUNDS = 5

/** Many concurrent writers of one key: how many succeeded, and what the others were answered. */
async function race(folder: Folder, key: string, condition: Readonly<Record<string, unknown>>) {
  const bodies = Array.from({ length: RACERS }, (_, index) => `by racer ${index}`)
  const answers = await Promise.all(bodies.map((body) => folder.put(key, body, condition)))
  const winners = bodies.filter((_, index) => answers[index]?.status === 200)
  return { winners, losers: answers.filter(({ status }) => status !== 200) }
}

async function expectOneWinner(folder: Folder, key: string, condition: Readonly<Record<string, unknown>>) {
  const { winners } = await race(folder, key, condition)
  same(winners.length, 1, `of ${RACERS} at once one is taken`)
  same(await folder.text(key), winners[0], 'the object is the winner’s')
}

function expectTold(losers: readonly Came[]): void {
  for (const loser of losers) expectRefusal(loser, [412, 'PreconditionFailed'], 'a loser of the race')
}

function unquoted(etag: string): string {
  return etag.replaceAll('"', '')
}

const absenceFacts: readonly S3Fact[] = [
  {
    id: 'S3-INM-1',
    title:
      'PUT If-None-Match:* creates what is not there, and is refused with 412 when it is; the object stays.',
    async run(target) {
      const folder = new Folder(target)
      await folder.putOk('key', 'first', ABSENT)
      expectRefusal(await folder.put('key', 'second', ABSENT), [412, 'PreconditionFailed'], 'the second PUT')
      same(await folder.text('key'), 'first', 'the object is the first one')
    },
  },
  {
    id: 'S3-INM-2',
    title: 'PUT If-None-Match:* of the same bytes is refused too: it is not idempotent.',
    async run(target) {
      const folder = new Folder(target)
      await folder.putOk('key', 'same', ABSENT)
      expectRefusal(await folder.put('key', 'same', ABSENT), [412, 'PreconditionFailed'], 'the second PUT')
    },
  },
  {
    id: 'S3-INM-3',
    title: 'PUT If-None-Match:* succeeds again after a DELETE.',
    async run(target) {
      const folder = new Folder(target)
      await folder.putOk('key', 'first', ABSENT)
      expectStatus(await folder.delete('key'), 204, 'DeleteObject')
      await folder.putOk('key', 'second', ABSENT)
      same(await folder.text('key'), 'second', 'the object')
    },
  },
  {
    id: 'S3-INM-4',
    title: 'Of many concurrent PUT If-None-Match:* of one key exactly one succeeds.',
    async run(target) {
      const folder = new Folder(target)
      for (let round = 0; round < ROUNDS; round++) await expectOneWinner(folder, `key-${round}`, ABSENT)
    },
  },
  {
    id: 'S3-INM-5',
    title: 'The losers of that race get 412.',
    async run(target) {
      const folder = new Folder(target)
      for (let round = 0; round < ROUNDS; round++)
        expectTold((await race(folder, `key-${round}`, ABSENT)).losers)
    },
  },
  {
    id: 'S3-INM-6',
    title: 'PUT If-None-Match of anything but * is refused with 501 NotImplemented.',
    async run(target) {
      const folder = new Folder(target)
      const came = await folder.put('key', 'x', { IfNoneMatch: OTHER_ETAG })
      expectRefusal(came, [501, 'NotImplemented'], 'PutObject If-None-Match of an ETag')
    },
  },
]

const matchFacts: readonly S3Fact[] = [
  {
    id: 'S3-IM-1',
    title: 'PUT If-Match of the ETag as the store wrote it, in quotes, replaces the object.',
    async run(target) {
      const folder = new Folder(target)
      const etag = await folder.putOk('key', 'first')
      await folder.putOk('key', 'second', { IfMatch: etag })
      same(await folder.text('key'), 'second', 'the object')
    },
  },
  {
    id: 'S3-IM-2',
    title: 'PUT If-Match of the ETag without its quotes replaces the object.',
    async run(target) {
      const folder = new Folder(target)
      const etag = await folder.putOk('key', 'first')
      await folder.putOk('key', 'second', { IfMatch: unquoted(etag) })
      same(await folder.text('key'), 'second', 'the object')
    },
  },
  {
    id: 'S3-IM-3',
    title: 'PUT If-Match of an ETag that is no longer the object’s is refused with 412; the object stays.',
    async run(target) {
      const folder = new Folder(target)
      const stale = unquoted(await folder.putOk('key', 'first'))
      await folder.putOk('key', 'second')
      const came = await folder.put('key', 'third', { IfMatch: stale })
      expectRefusal(came, [412, 'PreconditionFailed'], 'PutObject If-Match of a stale ETag')
      same(await folder.text('key'), 'second', 'the object')
    },
  },
  {
    id: 'S3-IM-4',
    title: 'PUT If-Match of a missing key creates nothing.',
    async run(target) {
      const folder = new Folder(target)
      const came = await folder.put('key', 'x', { IfMatch: unquoted(OTHER_ETAG) })
      check(came.status >= 400, 'PutObject If-Match of a missing key is refused', came.status)
      same(await folder.text('key'), undefined, 'nothing is there')
    },
  },
  {
    id: 'S3-IM-5',
    title: 'PUT If-Match of a missing key is answered 404 NoSuchKey.',
    async run(target) {
      const came = await new Folder(target).put('key', 'x', { IfMatch: unquoted(OTHER_ETAG) })
      expectRefusal(came, [404, 'NoSuchKey'], 'PutObject If-Match of a missing key')
    },
  },
  {
    id: 'S3-IM-6',
    title: 'Of many concurrent PUT If-Match of one ETag exactly one succeeds.',
    async run(target) {
      const folder = new Folder(target)
      for (let round = 0; round < ROUNDS; round++) {
        const etag = await folder.putOk(`key-${round}`, 'first')
        await expectOneWinner(folder, `key-${round}`, { IfMatch: unquoted(etag) })
      }
    },
  },
  {
    id: 'S3-IM-7',
    title: 'The losers of that race get 412.',
    async run(target) {
      const folder = new Folder(target)
      for (let round = 0; round < ROUNDS; round++) {
        const etag = await folder.putOk(`key-${round}`, 'first')
        expectTold((await race(folder, `key-${round}`, { IfMatch: unquoted(etag) })).losers)
      }
    },
  },
  {
    id: 'S3-IM-8',
    title: 'PUT If-Match:* is refused with 501 NotImplemented, and so are both conditions together.',
    async run(target) {
      const folder = new Folder(target)
      const etag = await folder.putOk('key', 'first')
      for (const condition of [{ IfMatch: '*' }, { IfMatch: etag, IfNoneMatch: '*' }]) {
        const came = await folder.put('key', 'second', condition)
        expectRefusal(came, [501, 'NotImplemented'], `PutObject with ${JSON.stringify(condition)}`)
      }
    },
  },
]

export const conditionFacts: readonly S3Fact[] = [...absenceFacts, ...matchFacts]
