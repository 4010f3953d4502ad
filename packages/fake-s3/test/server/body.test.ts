import { describe, expect, test } from 'vitest'
import { checksumsOf, digestRefusal, unframed } from '../../src/server/body.ts'
import { contentsOf, element, textOf } from '../../src/server/xml.ts'

const frame = (text: string) => unframed(Buffer.from(text))

describe('an aws-chunked body', () => {
  test('is decoded, with its trailers', () => {
    const content = frame(
      '3;chunk-signature=ab\r\none\r\nA\r\n0123456789\r\n0\r\nx-amz-checksum-crc32:AAAA==\r\n\r\n',
    )
    expect(content?.body.toString()).toBe('one0123456789')
    expect(content?.trailers).toEqual({ 'x-amz-checksum-crc32': 'AAAA==' })
  })

  test('may be empty', () => {
    expect(frame('0\r\n\r\n')).toEqual({ body: Buffer.alloc(0), trailers: {} })
  })

  test.each(['', 'one', '3\r\non', 'x\r\none\r\n0\r\n', '3\r\none\r\n', '-1\r\n'])(
    'with broken framing is refused: %j',
    (text) => {
      expect(frame(text)).toBeUndefined()
    },
  )
})

describe('digests', () => {
  const body = Buffer.from('hello')

  test.each([
    ['content-md5', 'XUFAKrxLKna5cZ2REBfFkg=='],
    ['x-amz-checksum-crc32', 'NhCmhg=='],
    ['x-amz-checksum-sha1', 'qvTGHdzF6KLavt4PO0gs2a6pQ00='],
    ['x-amz-checksum-sha256', 'LPJNul+wow4m6DsqxbninhsWHlwfp0JecwQzYpOLmCQ='],
  ])('%s is looked at', (name, value) => {
    expect(digestRefusal({ [name]: value }, body)).toBeUndefined()
    expect(digestRefusal({ [name]: value }, Buffer.from('other'))?.code).toBe('BadDigest')
  })

  test('of the signature are checked, unless it is unsigned', () => {
    expect(digestRefusal({ 'x-amz-content-sha256': 'UNSIGNED-PAYLOAD' }, body)).toBeUndefined()
    expect(digestRefusal({ 'x-amz-content-sha256': '0'.repeat(64) }, body)?.code).toBe(
      'XAmzContentSHA256Mismatch',
    )
  })

  test('are distinguished from other headers', () => {
    const headers = { 'x-amz-checksum-crc32': 'a', 'x-amz-checksum-mode': 'ENABLED', etag: 'b' }
    expect(checksumsOf(headers)).toEqual({ 'x-amz-checksum-crc32': 'a' })
  })
})

describe('XML', () => {
  test('any text is returned unchanged', () => {
    const text = `a&<b>"'\u0001\n 😀 &amp;`
    expect(textOf(element('Key', text), 'Key')).toBe(text)
  })

  test('elements are found in order; one that is missing is undefined', () => {
    expect(contentsOf('<a>1</a><b>2</b><a></a>', 'a')).toEqual(['1', ''])
    expect(textOf('<a>1</a>', 'b')).toBeUndefined()
  })

  test('references by number are read, unknown ones left', () => {
    expect(textOf('<a>&#65;&#x42;&nbsp;</a>', 'a')).toBe('AB&nbsp;')
  })
})
