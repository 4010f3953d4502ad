import { createHash } from 'node:crypto'

/** Longer encoded texts are hashed: a whole key must stay far below S3's 1,024 bytes. */
const MAX_ENCODED = 200
const HASHED = '_h'

/**
 * Any text as characters of `[A-Za-z0-9_-]`, different for different texts: letters, digits and `-` stand for themselves, any other
 * byte of the UTF-8 is `_` and two upper-case hex digits. What comes out longer than 200 characters is `_h` and the SHA-256 in
 * base64url instead, and the original has to be kept inside the object.
 */
export function encodeKey(text: string): string {
  let encoded = ''
  for (const byte of Buffer.from(text, 'utf8')) {
    const plain = isPlain(byte)
    encoded += plain ? String.fromCharCode(byte) : `_${byte.toString(16).toUpperCase().padStart(2, '0')}`
    if (encoded.length > MAX_ENCODED) return HASHED + createHash('sha256').update(text).digest('base64url')
  }
  return encoded
}

/** The text, or `undefined` when the key holds its hash only. */
export function decodeKey(key: string): string | undefined {
  if (key.startsWith(HASHED)) return undefined
  const bytes: number[] = []
  for (let index = 0; index < key.length; index++) {
    if (key[index] !== '_') bytes.push(key.charCodeAt(index))
    else {
      bytes.push(Number.parseInt(key.slice(index + 1, index + 3), 16))
      index += 2
    }
  }
  return Buffer.from(bytes).toString('utf8')
}

/** Two hex digits that spread texts evenly over `lanes`, a power of two up to 256. */
export function laneOf(key: string, lanes: number): string {
  const byte = createHash('sha256').update(key).digest()[0] ?? 0
  return (byte % lanes).toString(16).padStart(2, '0')
}

function isPlain(byte: number): boolean {
  return (
    (byte >= 0x30 && byte <= 0x39) ||
    (byte >= 0x41 && byte <= 0x5a) ||
    (byte >= 0x61 && byte <= 0x7a) ||
    byte === 0x2d
  )
}
