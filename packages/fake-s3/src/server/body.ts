import { createHash } from 'node:crypto'
import { crc32 } from 'node:zlib'
import { errorAnswer, type S3Answer } from './answer.js'

/** A body without its framing, with the headers that trailed it. */
export interface UnframedBody {
  readonly body: Buffer
  readonly trailers: Readonly<Record<string, string>>
}

/**
 * Decodes a body of `aws-chunked` encoding: chunks `size[;chunk-signature=…]`, one of size 0, then trailing
 * headers. The SDK sends it for streams, with the checksum in a trailer. Chunk signatures are not checked.
 *
 * @returns `undefined` when the framing is broken
 */
export function unframed(framed: Buffer): UnframedBody | undefined {
  const parts: Buffer[] = []
  let at = 0
  for (;;) {
    const lineEnd = framed.indexOf('\r\n', at)
    if (lineEnd < 0) return undefined
    const size = Number.parseInt(framed.toString('latin1', at, lineEnd), 16)
    if (!(size >= 0)) return undefined
    at = lineEnd + 2
    if (size === 0) return { body: Buffer.concat(parts), trailers: trailersOf(framed.toString('latin1', at)) }
    if (at + size > framed.length) return undefined
    parts.push(framed.subarray(at, at + size))
    at += size + 2
  }
}

function trailersOf(text: string): Record<string, string> {
  const trailers: Record<string, string> = {}
  for (const line of text.split('\r\n')) {
    const colon = line.indexOf(':')
    if (colon > 0) trailers[line.slice(0, colon).trim().toLowerCase()] = line.slice(colon + 1).trim()
  }
  return trailers
}

const CHECKSUM_HEADER = /^x-amz-checksum-(?:crc32|crc32c|crc64nvme|sha1|sha256)$/

/** The checksums that came with a body, in headers or trailers. */
export function checksumsOf(headers: Readonly<Record<string, string>>): Record<string, string> {
  return Object.fromEntries(Object.entries(headers).filter(([name]) => CHECKSUM_HEADER.test(name)))
}

/** Refuses a body that is not what its digests say. CRC32C and CRC64NVME are stored unchecked. */
export function digestRefusal(headers: Readonly<Record<string, string>>, body: Buffer): S3Answer | undefined {
  const claimed = headers['x-amz-content-sha256']
  if (claimed !== undefined && /^[0-9a-f]{64}$/.test(claimed) && claimed !== digest('sha256', body, 'hex')) {
    return errorAnswer('XAmzContentSHA256Mismatch')
  }
  const wrong = Object.entries(DIGESTS).some(
    ([name, of]) => headers[name] !== undefined && headers[name] !== of(body),
  )
  return wrong ? errorAnswer('BadDigest') : undefined
}

const DIGESTS: Readonly<Record<string, (body: Buffer) => string>> = {
  'content-md5': (body) => digest('md5', body, 'base64'),
  'x-amz-checksum-sha1': (body) => digest('sha1', body, 'base64'),
  'x-amz-checksum-sha256': (body) => digest('sha256', body, 'base64'),
  'x-amz-checksum-crc32': crc32Base64,
}

function crc32Base64(body: Buffer): string {
  const bytes = Buffer.alloc(4)
  bytes.writeUInt32BE(crc32(body))
  return bytes.toString('base64')
}

/** A digest of a body. */
export function digest(
  algorithm: 'md5' | 'sha1' | 'sha256',
  body: Buffer,
  encoding: 'hex' | 'base64',
): string {
  return createHash(algorithm).update(body).digest(encoding)
}
