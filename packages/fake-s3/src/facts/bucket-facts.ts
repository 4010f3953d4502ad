import { check, same } from '@sluice/testkit/server'
import type { S3Fact, S3Target } from './s3-fact.js'
import { expectRefusal, expectStatus, Folder, recordsOf } from './folder.js'

/** A name that no bucket has. */
function otherBucket({ bucket, prefix }: S3Target): string {
  const tail = prefix
    .toLowerCase()
    .replaceAll(/[^a-z0-9]+/g, '-')
    .replaceAll(/^-|-$/g, '')
  return `${bucket}-${tail}`.slice(0, 63).replace(/-$/, '')
}

export const bucketFacts: readonly S3Fact[] = [
  {
    id: 'S3-BUCKET-1',
    title: 'A bucket that was made is found by HEAD and in the list of buckets, until it is deleted.',
    async run(target) {
      const folder = new Folder(target)
      const Bucket = otherBucket(target)
      expectStatus(await folder.ask('CreateBucket', { Bucket }), 200, 'CreateBucket')
      expectStatus(await folder.ask('HeadBucket', { Bucket }), 200, 'HeadBucket of a bucket that exists')
      const list = await folder.ask('ListBuckets', {})
      const names = recordsOf(list.output['Buckets']).map(({ Name }) => Name)
      check(names.includes(Bucket), 'ListBuckets has the new bucket', names)
      expectStatus(await folder.ask('DeleteBucket', { Bucket }), 204, 'DeleteBucket')
      expectRefusal(
        await folder.ask('HeadBucket', { Bucket }),
        [404],
        'HeadBucket of a bucket that was deleted',
      )
    },
  },
  {
    id: 'S3-BUCKET-2',
    title: 'In a bucket that does not exist everything is refused with 404 NoSuchBucket.',
    async run(target) {
      const folder = new Folder(target)
      const Bucket = otherBucket(target)
      const refused = [404, 'NoSuchBucket'] as const
      expectRefusal(await folder.put('key', 'x', { Bucket }), refused, 'PutObject')
      expectRefusal(await folder.get('key', { Bucket }), refused, 'GetObject')
      expectRefusal(await folder.delete('key', { Bucket }), refused, 'DeleteObject')
      expectRefusal(await folder.ask('ListObjectsV2', { Bucket }), refused, 'ListObjectsV2')
      const batch = { Bucket, Delete: { Objects: [{ Key: 'key' }] } }
      expectRefusal(await folder.ask('DeleteObjects', batch), refused, 'DeleteObjects')
    },
  },
  {
    id: 'S3-BUCKET-3',
    title: 'A bucket that holds objects is not deleted: 409 BucketNotEmpty.',
    async run(target) {
      const folder = new Folder(target)
      await folder.putOk('key', 'x')
      const came = await folder.ask('DeleteBucket', {})
      expectRefusal(came, [409, 'BucketNotEmpty'], 'DeleteBucket of a bucket that holds objects')
      same(await folder.text('key'), 'x', 'the object is still there')
    },
  },
  {
    id: 'S3-AUTH-1',
    title: 'An unknown access key is refused with 403 InvalidAccessKeyId.',
    needs: (target) => (target.unknownKey === undefined ? 'no way to send with other keys' : undefined),
    async run(target) {
      const folder = new Folder(target)
      const came = await folder.ask('GetObject', { Key: folder.full('key') }, target.unknownKey)
      expectRefusal(came, [403, 'InvalidAccessKeyId'], 'GetObject with an unknown key')
    },
  },
  {
    id: 'S3-AUTH-2',
    title:
      'A known access key with a wrong secret is refused with 403 SignatureDoesNotMatch, and nothing is written.',
    needs: (target) => (target.wrongSecret === undefined ? 'no way to send with other keys' : undefined),
    async run(target) {
      const folder = new Folder(target)
      const input = { Key: folder.full('key'), Body: Buffer.from('x') }
      const came = await folder.ask('PutObject', input, target.wrongSecret)
      expectRefusal(came, [403, 'SignatureDoesNotMatch'], 'PutObject with a wrong secret')
      same(await folder.text('key'), undefined, 'nothing was written')
    },
  },
]
