import { createHash } from 'node:crypto'

/** The room in an attempt key for additions of later versions, with the dot behind them. */
export const MAX_ADDITIONS_BYTES = 26
/**
 * The longest key: what {@link MAX_SEGMENT_BYTES} leaves beside the other parts of an attempt key with five
 * digits in each number and a uid of 36 (97 bytes), and beside {@link MAX_ADDITIONS_BYTES}. Longer encoded
 * texts are hashed.
 */
export const MAX_KEY_BYTES = 132
const MAX_NAME_BYTES = 200
const HASHED = '_h'

/**
 * Encodes any text as characters of `[a-z0-9_-]`, differently for different texts, also on a store that
 * ignores case: lower-case letters, digits and `-` stand for themselves, any other byte of the UTF-8 is `_`
 * and two lower-case hex digits. A result longer than {@link MAX_KEY_BYTES} is replaced by `_h` and the
 * SHA-256 of the text in hex, and the object holds the original. No encoded text begins with `_h`, since `h`
 * is no hex digit.
 */
export function encodeKey(text: string): string {
  return escaped(text, /[a-z0-9-]/u, MAX_KEY_BYTES) ?? HASHED + sha256(text).toString('hex')
}

/** The parts below a queue's root, which no queue's root may be: two queues would share objects. */
export const RESERVED_PARTS: ReadonlySet<string> = new Set([
  'QUEUE',
  'ITEMS',
  'WAITING',
  'PROCESSING',
  'SUCCESS',
  'FAIL',
  'LEFT',
  'CONTROL',
  'LEASES',
  'DOCUMENTS',
  'ATTEMPTS',
  'CHANGES',
  'SELECTIONS',
  'PROBE',
])

/**
 * The name of a queue as a folder; a reserved name has its first letter escaped. Upper-case letters stay, for
 * readability, hex digits are upper-case, and the hash of a name longer than 200 characters is in base64url:
 * as in format 1, so that a queue of that format is found and refused.
 */
export function encodeQueueName(name: string): string {
  const plain = escaped(name, /[A-Za-z0-9-]/u, MAX_NAME_BYTES)
  if (RESERVED_PARTS.has(name)) return `_${name.charCodeAt(0).toString(16).toUpperCase()}${name.slice(1)}`
  return plain?.replaceAll(/_../gu, (hex) => hex.toUpperCase()) ?? HASHED + sha256(name).toString('base64url')
}

/** The maximum length of a part of a document's folder; every one but the last has it. */
const FOLDER_PART = 200
const GOES_ON = '_/'

/**
 * The name of a document as a folder: encoded as by {@link encodeKey}, in parts of 200 characters where it is
 * longer, each but the last ending with `_`, which no escape ends with. The folder of a name begins with the
 * folder of each of its prefixes, so a listing by prefix finds it. Folders do not sort as names do: `_` and
 * the character it stands for sort differently.
 */
export function encodeDocumentFolder(name: string): string {
  const encoded = escaped(name, /[a-z0-9-]/u, Number.POSITIVE_INFINITY) ?? ''
  return (encoded.match(new RegExp(`.{1,${FOLDER_PART}}`, 'gu')) ?? []).join(GOES_ON)
}

/** The name, or `undefined` for a folder that belongs to no document. */
export function decodeDocumentFolder(folder: string): string | undefined {
  const name = decodeKey(folder.replaceAll(GOES_ON, ''))
  return name !== undefined && name !== '' && encodeDocumentFolder(name) === folder ? name : undefined
}

function escaped(text: string, plain: RegExp, maxBytes: number): string | undefined {
  let encoded = ''
  for (const byte of Buffer.from(text, 'utf8')) {
    const character = String.fromCharCode(byte)
    encoded += plain.test(character) ? character : `_${byte.toString(16).padStart(2, '0')}`
    if (encoded.length > maxBytes) return undefined
  }
  return encoded
}

/** The text, or `undefined` when the key holds only its hash. */
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

/** Two hex digits that spread texts evenly over `shards`, a power of two up to 256. */
export function shardOf(key: string, shards: number): string {
  const byte = sha256(key)[0] ?? 0
  return (byte % shards).toString(16).padStart(2, '0')
}

function sha256(text: string): Buffer {
  return createHash('sha256').update(text).digest()
}
