import { check, same } from '@sluice/testkit/server'
import type { S3Fact } from './s3-fact.js'
import { bodyText, expectRefusal, expectStatus, Folder, forEach, recordsOf, textAt } from './folder.js'

const OTHER_ETAG = '"00000000000000000000000000000000"'

const readFacts: readonly S3Fact[] = [
  {
    id: 'S3-GET-1',
    title: 'A missing object is 404: NoSuchKey for GET, no code for HEAD.',
    async run(target) {
      const folder = new Folder(target)
      expectRefusal(await folder.get('key'), [404, 'NoSuchKey'], 'GetObject')
      expectRefusal(await folder.head('key'), [404], 'HeadObject')
    },
  },
  {
    id: 'S3-GET-2',
    title: 'A range gives that part of the object, with 206.',
    async run(target) {
      const folder = new Folder(target)
      await folder.putOk('key', '0123456789')
      const parts = [
        ['bytes=2-4', '234'],
        ['bytes=7-', '789'],
        ['bytes=-2', '89'],
        ['bytes=8-99', '89'],
      ] as const
      for (const [Range, part] of parts) {
        const came = await folder.get('key', { Range })
        expectStatus(came, 206, `GetObject of ${Range}`)
        same(await bodyText(came), part, Range)
      }
    },
  },
  {
    id: 'S3-GET-3',
    title: 'A range that starts after the end is refused with 416 InvalidRange.',
    async run(target) {
      const folder = new Folder(target)
      await folder.putOk('key', '0123456789')
      const came = await folder.get('key', { Range: 'bytes=10-12' })
      expectRefusal(came, [416, 'InvalidRange'], 'GetObject behind the end')
    },
  },
  {
    id: 'S3-GET-4',
    title: 'GET If-None-Match of the same ETag is 304; GET If-Match of another is 412.',
    async run(target) {
      const folder = new Folder(target)
      const etag = await folder.putOk('key', 'body')
      expectStatus(await folder.get('key', { IfNoneMatch: etag }), 304, 'GetObject of what is known')
      const changed = await folder.get('key', { IfNoneMatch: OTHER_ETAG })
      same(await bodyText(changed), 'body', 'GetObject of what has changed')
      expectStatus(
        await folder.get('key', { IfMatch: OTHER_ETAG }),
        412,
        'GetObject If-Match of another ETag',
      )
    },
  },
]

const deleteFacts: readonly S3Fact[] = [
  {
    id: 'S3-DEL-1',
    title: 'DELETE removes the object; of a missing one it is 204 too.',
    async run(target) {
      const folder = new Folder(target)
      await folder.putOk('key', 'x')
      expectStatus(await folder.delete('key'), 204, 'DeleteObject')
      same(await folder.text('key'), undefined, 'it is gone')
      expectStatus(await folder.delete('key'), 204, 'DeleteObject once more')
    },
  },
  {
    id: 'S3-DEL-2',
    title:
      'DELETE If-Match of another ETag is refused with 412 and the object stays; of the right one it goes.',
    async run(target) {
      const folder = new Folder(target)
      const etag = await folder.putOk('key', 'x')
      const came = await folder.delete('key', { IfMatch: OTHER_ETAG })
      expectRefusal(came, [412, 'PreconditionFailed'], 'DeleteObject If-Match of another ETag')
      same(await folder.text('key'), 'x', 'the object is still there')
      expectStatus(await folder.delete('key', { IfMatch: etag }), 204, 'DeleteObject If-Match of its ETag')
      same(await folder.text('key'), undefined, 'it is gone')
    },
  },
  {
    id: 'S3-DEL-3',
    title: 'DELETE If-Match of a missing object is refused with 404 NoSuchKey.',
    async run(target) {
      const came = await new Folder(target).delete('key', { IfMatch: OTHER_ETAG })
      expectRefusal(came, [404, 'NoSuchKey'], 'DeleteObject If-Match of a missing key')
    },
  },
  {
    id: 'S3-BATCH-1',
    title: 'DeleteObjects reports each key as deleted, missing ones too.',
    async run(target) {
      const folder = new Folder(target)
      await folder.putOk('a', 'x')
      await folder.putOk('b', 'x')
      await folder.putOk('c', 'x')
      const came = await folder.batchDelete([{ Key: 'a' }, { Key: 'missing' }, { Key: 'c' }])
      expectStatus(came, 200, 'DeleteObjects')
      const deleted = recordsOf(came.output['Deleted']).map((one) => textAt(one, 'Key'))
      same(
        deleted.toSorted(),
        ['a', 'c', 'missing'].map((key) => folder.full(key)),
        'what it says it deleted',
      )
      same(recordsOf(came.output['Errors']), [], 'no errors')
      same(await folder.keys(), ['b'], 'what is left')
    },
  },
  {
    id: 'S3-BATCH-2',
    title: 'A quiet DeleteObjects does not report what it deleted.',
    async run(target) {
      const folder = new Folder(target)
      await folder.putOk('a', 'x')
      const came = await folder.batchDelete([{ Key: 'a' }], { Quiet: true })
      expectStatus(came, 200, 'DeleteObjects')
      const { Deleted, Errors } = came.output
      same([recordsOf(Deleted), recordsOf(Errors)], [[], []], 'it says nothing')
      same(await folder.keys(), [], 'it is gone')
    },
  },
  {
    id: 'S3-BATCH-3',
    title: 'DeleteObjects accepts 1,000 keys, and refuses 1,001 with 400 MalformedXML.',
    heavy: true,
    async run(target) {
      const folder = new Folder(target)
      const keys = Array.from({ length: 1_001 }, (_, index) => `k${String(index).padStart(4, '0')}`)
      await forEach(keys, (key) => folder.putOk(key, 'x'))
      const tooMany = await folder.batchDelete(keys.map((Key) => ({ Key })))
      expectRefusal(tooMany, [400, 'MalformedXML'], 'DeleteObjects of 1,001 keys')
      same((await folder.keys()).length, 1_001, 'nothing was deleted')
      expectStatus(
        await folder.batchDelete(keys.slice(1).map((Key) => ({ Key }))),
        200,
        'DeleteObjects of 1,000 keys',
      )
      same(await folder.keys(), keys.slice(0, 1), 'what is left')
    },
  },
  {
    id: 'S3-BATCH-4',
    title: 'DeleteObjects with another ETag leaves that object, reports it, and deletes the rest.',
    async run(target) {
      const folder = new Folder(target)
      await folder.putOk('a', 'x')
      const etag = await folder.putOk('b', 'y')
      const came = await folder.batchDelete([
        { Key: 'a', ETag: OTHER_ETAG },
        { Key: 'b', ETag: etag },
      ])
      expectStatus(came, 200, 'DeleteObjects')
      const refused = recordsOf(came.output['Errors']).map((one) => textAt(one, 'Key'))
      same(refused, [folder.full('a')], 'what it says it did not delete')
      same(await folder.keys(), ['a'], 'what is left')
    },
  },
]

const copyFacts: readonly S3Fact[] = [
  {
    id: 'S3-COPY-1',
    title: 'CopyObject copies body and metadata; the source stays; a missing source is 404.',
    async run(target) {
      const folder = new Folder(target)
      await folder.putOk('from', 'body', { Metadata: { token: 'abc' } })
      expectStatus(await folder.ask('CopyObject', copyInput(folder, 'from', 'to')), 200, 'CopyObject')
      const came = await folder.get('to')
      same(await bodyText(came), 'body', 'the copy’s body')
      same(came.output['Metadata'], { token: 'abc' }, 'the copy’s metadata')
      same(await folder.text('from'), 'body', 'the source')
      const missing = await folder.ask('CopyObject', copyInput(folder, 'missing', 'to'))
      expectRefusal(missing, [404, 'NoSuchKey'], 'CopyObject of a missing source')
    },
  },
  {
    id: 'S3-COPY-2',
    title: 'CopyObject If-None-Match:* onto an existing object is refused with 412.',
    async run(target) {
      const folder = new Folder(target)
      await folder.putOk('from', 'new')
      await folder.putOk('to', 'old')
      const came = await folder.ask('CopyObject', { ...copyInput(folder, 'from', 'to'), IfNoneMatch: '*' })
      expectRefusal(came, [412, 'PreconditionFailed'], 'CopyObject If-None-Match:* onto an object')
      check((await folder.text('to')) === 'old', 'the target stays')
    },
  },
]

function copyInput(folder: Folder, from: string, to: string) {
  return { Key: folder.full(to), CopySource: `${folder.target.bucket}/${folder.full(from)}` }
}

export const objectFacts: readonly S3Fact[] = [...readFacts, ...deleteFacts, ...copyFacts]
