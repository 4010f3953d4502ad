import { createHash } from 'node:crypto'
import { Readable } from 'node:stream'
import { check, same } from '@sluice/testkit/server'
import type { S3Fact } from './s3-fact.js'
import { bodyText, expectRefusal, expectStatus, Folder, textAt, type Came } from './folder.js'

/** What GET and HEAD both answer. */
function told({ output }: Came) {
  const { ETag, ContentLength, ContentType, Metadata, LastModified } = output
  return { ETag, ContentLength, ContentType, Metadata, LastModified }
}

export const putFacts: readonly S3Fact[] = [
  {
    id: 'S3-PUT-1',
    title: 'An object comes back as it was put: body, content type, metadata; its ETag is its MD5 in quotes.',
    async run(target) {
      const folder = new Folder(target)
      const body = '{"wörk":"😀"}'
      const more = { ContentType: 'application/json', Metadata: { token: 'abc' } }
      const etag = await folder.putOk('key', body, more)
      same(etag, `"${createHash('md5').update(body).digest('hex')}"`, 'PutObject gives the ETag')
      const came = await folder.get('key')
      expectStatus(came, 200, 'GetObject')
      same(await bodyText(came), body, 'the body')
      same(came.output['Metadata'], more.Metadata, 'the metadata')
      const { ContentType, ETag, ContentLength } = came.output
      const expected = { ContentType: more.ContentType, ETag: etag, ContentLength: Buffer.byteLength(body) }
      same({ ContentType, ETag, ContentLength }, expected, 'the headers')
    },
  },
  {
    id: 'S3-PUT-2',
    title: 'HEAD answers the same about an object as GET.',
    async run(target) {
      const folder = new Folder(target)
      await folder.putOk('key', 'body', { Metadata: { token: 'abc' } })
      const got = await folder.get('key')
      same(await bodyText(got), 'body', 'the body')
      same(told(await folder.head('key')), told(got), 'HEAD tells what GET tells')
    },
  },
  {
    id: 'S3-PUT-3',
    title: 'A PUT without conditions replaces the object whole.',
    async run(target) {
      const folder = new Folder(target)
      const before = await folder.putOk('key', 'before', { Metadata: { token: 'abc' } })
      const after = await folder.putOk('key', 'after')
      check(before !== after, 'another body has another ETag', after)
      const came = await folder.get('key')
      same(await bodyText(came), 'after', 'the body')
      same(came.output['Metadata'] ?? {}, {}, 'the metadata of the old object is gone')
    },
  },
  {
    id: 'S3-PUT-4',
    title: 'An empty object is an object.',
    async run(target) {
      const folder = new Folder(target)
      expectStatus(await folder.put('key', '', { ContentLength: 0 }), 200, 'PutObject')
      same(await folder.text('key'), '', 'the body')
      same(await folder.keys(), ['key'], 'it is listed')
    },
  },
  {
    id: 'S3-PUT-5',
    title: 'A body of several MiB comes back whole.',
    async run(target) {
      const folder = new Folder(target)
      const body = Buffer.alloc(3 * 2 ** 20 + 1, 'sluice')
      expectStatus(await folder.ask('PutObject', { Key: folder.full('key'), Body: body }), 200, 'PutObject')
      const text = (await folder.text('key')) ?? ''
      check(text === body.toString(), 'the body comes back', `${text.length} of ${body.length} bytes`)
    },
  },
  {
    id: 'S3-PUT-6',
    title: 'A body whose checksum follows it, as the SDK sends streams, is stored without its framing.',
    async run(target) {
      const folder = new Folder(target)
      const Body = Readable.from([Buffer.from('one '), Buffer.from('two')])
      const came = await folder.ask('PutObject', { Key: folder.full('key'), Body, ContentLength: 7 })
      expectStatus(came, 200, 'PutObject of a stream')
      same(await folder.text('key'), 'one two', 'the body')
    },
  },
  {
    id: 'S3-PUT-7',
    title: 'A body that is not what its Content-MD5 says is refused with 400 BadDigest, and not stored.',
    async run(target) {
      const folder = new Folder(target)
      const came = await folder.put('key', 'x', {
        ContentMD5: createHash('md5').update('y').digest('base64'),
      })
      expectRefusal(came, [400, 'BadDigest'], 'PutObject with the MD5 of another body')
      same(await folder.text('key'), undefined, 'nothing is stored')
    },
  },
  {
    id: 'S3-PUT-8',
    title: 'A body that is not what its CRC32 says is refused with 400 BadDigest, and not stored.',
    async run(target) {
      const folder = new Folder(target)
      const came = await folder.put('key', 'x', { ChecksumCRC32: 'AAAAAA==' })
      expectRefusal(came, [400, 'BadDigest'], 'PutObject with the CRC32 of another body')
      same(await folder.text('key'), undefined, 'nothing is stored')
    },
  },
  {
    id: 'S3-PUT-9',
    title: 'User metadata above 2 KB is refused with 400 MetadataTooLarge.',
    async run(target) {
      const folder = new Folder(target)
      const came = await folder.put('key', 'x', { Metadata: { long: 'x'.repeat(2_100) } })
      expectRefusal(came, [400, 'MetadataTooLarge'], 'PutObject with 2,100 bytes of metadata')
    },
  },
  {
    id: 'S3-PUT-10',
    title:
      'Last-Modified is in whole seconds, near to the instants of other writes, and not before an earlier one.',
    async run(target) {
      const folder = new Folder(target)
      await folder.putOk('first', 'x')
      await folder.putOk('second', 'x')
      const [first, second] = [instantOf(await folder.head('first')), instantOf(await folder.head('second'))]
      same([first % 1_000, second % 1_000], [0, 0], 'instants have no fraction of a second')
      check(second >= first && second - first < 60_000, 'one after the other', [first, second])
    },
  },
  {
    id: 'S3-KEY-1',
    title: 'A key of 1,024 bytes is accepted; one of 1,025 is refused with 400.',
    async run(target) {
      const folder = new Folder(target)
      const longest = 'é'.repeat((1_024 - Buffer.byteLength(target.prefix)) >> 1)
      const fill = 'x'.repeat(1_024 - Buffer.byteLength(target.prefix + longest))
      await folder.putOk(longest + fill, 'x')
      same(await folder.text(longest + fill), 'x', 'the longest key comes back')
      expectStatus(await folder.put(`${longest}${fill}x`, 'x'), 400, 'PutObject of a key one byte longer')
    },
  },
  {
    id: 'S3-KEY-2',
    title: 'Keys are any text, each another object: dots, slashes, spaces, quotes, percent signs, emoji.',
    async run(target) {
      const folder = new Folder(target)
      const keys = [
        '.hidden',
        'a//b',
        'a/b',
        'a/b/',
        'a b',
        'a+b',
        'a%2Fb',
        'a&<b>"\'',
        '(*)!~',
        'A',
        'ä',
        '😀',
        '?x=1#y',
      ]
      for (const key of keys) await folder.putOk(key, `of ${key}`)
      for (const key of keys)
        same(await folder.text(key), `of ${key}`, `the object of ${JSON.stringify(key)}`)
      same((await folder.keys()).toSorted(), keys.toSorted(), 'all are listed as they are')
      const came = await folder.batchDelete(keys.map((Key) => ({ Key })))
      expectStatus(came, 200, 'DeleteObjects')
      same(await folder.keys(), [], 'all can be deleted in a batch')
    },
  },
  {
    id: 'S3-KEY-3',
    title: 'A part of a key between two slashes may have 255 bytes.',
    async run(target) {
      const folder = new Folder(target)
      const key = `dir/${'x'.repeat(255)}/${'é'.repeat(127)}`
      await folder.putOk(key, 'x')
      same(await folder.text(key), 'x', 'the object comes back')
    },
  },
]

function instantOf({ output }: Came): number {
  const at = output['LastModified']
  return at instanceof Date ? at.getTime() : Date.parse(textAt(output, 'LastModified'))
}
