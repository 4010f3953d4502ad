import type { Logger, Runtime } from '@sluice/core'
import { isRuntime } from '@sluice/core/backend'
import { z } from 'zod'
import { RESERVED_PARTS } from './format/key-encoding.js'

const credentials = z.strictObject({
  accessKeyId: z.string().min(1).meta({ secret: true }),
  secretAccessKey: z.string().min(1).meta({ secret: true }),
  sessionToken: z.string().min(1).meta({ secret: true }).optional(),
  // The AWS SDK writes this into the object that it is given, so one that another client has used has it.
  $source: z.unknown().optional(),
})

const SHARDS: readonly number[] = [1, 2, 4, 8, 16, 32, 64, 128, 256]

/** Far above the duration of any call: tombstones guard against late requests. See `MAX_CLAIM_MS`. */
const MIN_PURGE_MS = 3_600_000
const WEEK_MS = 604_800_000

/** The options of `openQueue`. */
export interface S3QueueOptions {
  /** The name of the queue in its store. Many queues share one bucket and prefix. */
  readonly name: string
  /** The bucket, which must exist. */
  readonly bucket: string
  /** The prefix of the keys of all queues; a slash is added. Default none. */
  readonly prefix?: string | undefined
  /** The address of a store other than AWS. */
  readonly endpoint?: string | undefined
  /** Default as the SDK finds it; `us-east-1` with an `endpoint`. */
  readonly region?: string | undefined
  /** The bucket in the path instead of the host name. Default `true` with an `endpoint`. */
  readonly forcePathStyle?: boolean | undefined
  /** Default as the SDK finds them: in the environment, a profile or a role. */
  readonly credentials?: S3QueueCredentials | undefined
  /** The maximum number of requests in flight. Default 32. */
  readonly concurrency?: number | undefined
  /**
   * Over how many key ranges the items are spread: a power of two up to 256, fixed when the queue is first
   * opened. Default 1.
   */
  readonly shards?: number | undefined
  /** How the store is probed when the queue is opened. Default `thorough`; `quick` for a single command. */
  readonly probe?: 'thorough' | 'quick' | 'off' | undefined
  /**
   * How long a request waits for the first byte of its answer, and how long it is retried without one, in ms.
   * Default 10,000.
   */
  readonly timeoutMs?: number | undefined
  /** How long `sweep` keeps the tombstones of a removed item, in ms, 3,600,000 or more. Default a week. */
  readonly purgeAfterMs?: number | undefined
  /** Logs foreign objects, leftovers and outages. Silent by default. */
  readonly logger?: Logger | undefined
  /** Time, timers, randomness and ids. Default the machine's. */
  readonly runtime?: Runtime | undefined
}

/** Keys of the store. */
export interface S3QueueCredentials {
  readonly accessKeyId: string
  readonly secretAccessKey: string
  readonly sessionToken?: string | undefined
}

/** The options of `openQueue`: a zod schema, and so a Standard Schema. */
export const optionsSchema = z.strictObject({
  name: z
    .string()
    .min(1)
    .max(200)
    .refine((name) => name.isWellFormed(), 'must be well-formed Unicode')
    .describe('the name of the queue in its store'),
  bucket: z.string().min(1).describe('the bucket, which must exist'),
  prefix: z
    .string()
    .refine((prefix) => Buffer.byteLength(prefix) <= 256, 'must be 256 bytes or fewer')
    .refine(
      isPlainPath,
      'must be well-formed, with no //, . or .. as a part, no part over 255 bytes, no leading slash, no \\ and no control character',
    )
    .refine(
      (prefix) => !prefix.split('/').some((part) => RESERVED_PARTS.has(part)),
      `must have none of ${[...RESERVED_PARTS].join(', ')} as a part: the keys of a queue have them`,
    )
    .default('')
    .describe('the prefix of the keys of all queues; a slash is added'),
  endpoint: z
    .string()
    // Anywhere: in a password with a slash that was not percent-encoded, the rest becomes a path and the part
    // before it a host.
    .refine((url) => !url.includes('@'), {
      error: 'must not contain a user and a password: give credentials',
      abort: true,
    })
    .pipe(z.url({ protocol: /^https?$/, error: 'must be an address such as http://minio:9000' }))
    .optional()
    .describe('the address of a store other than AWS'),
  region: z.string().min(1).optional().describe('default: as the SDK finds it; us-east-1 with an endpoint'),
  forcePathStyle: z
    .boolean()
    .optional()
    .describe('bucket in the path instead of the host name; default true with an endpoint'),
  credentials: credentials
    .optional()
    .describe('default: as the SDK finds them, in the environment, a profile or a role'),
  concurrency: z.int().min(1).max(1_000).default(32).describe('maximum number of requests in flight'),
  shards: z
    .int()
    .refine((count) => SHARDS.includes(count), `must be a power of two, at most ${SHARDS.at(-1)}`)
    .optional()
    .describe(
      'number of key ranges over which the items are spread; fixed when the queue is first opened. Default 1',
    ),
  probe: z
    .enum(['thorough', 'quick', 'off'])
    .optional()
    .describe(
      'how the store is probed when the queue is opened: thorough (some 130 requests, once in a process), quick (some 75), off. ' +
        'Default thorough; quick for a single command',
    ),
  timeoutMs: z
    .int()
    .min(100)
    .max(600_000)
    .default(10_000)
    .describe(
      'how long a request waits for the first byte of its answer, and how long it is retried without one, in ms',
    ),
  purgeAfterMs: z
    .int()
    .min(MIN_PURGE_MS)
    .default(WEEK_MS)
    .describe('how long sweep keeps the tombstones of a removed item, in ms'),
  logger: z
    .custom<Logger>(
      (value) => hasMethods(value, ['debug', 'info', 'warn', 'error']),
      'must have debug, info, warn, error',
    )
    .optional()
    .describe('logs foreign objects, leftovers and outages; silent by default'),
  runtime: z
    .custom<Runtime>(isRuntime, 'must be a Runtime, such as systemRuntime of @sluice/core/backend')
    .optional()
    .describe('time, timers, randomness and ids; the machine’s by default'),
})

/** What the SDK reads by itself where the options have no credentials. */
export const credentialVariables = [
  'AWS_ACCESS_KEY_ID',
  'AWS_SECRET_ACCESS_KEY',
  'AWS_SESSION_TOKEN',
  'AWS_CONTAINER_AUTHORIZATION_TOKEN',
] as const

/** The same, checked and with the defaults. */
export type CheckedS3Options = z.output<typeof optionsSchema>

/**
 * Stores that keep objects in files change such names or refuse them, and a leading slash makes an empty
 * part.
 */
function isPlainPath(prefix: string): boolean {
  // oxlint-disable-next-line no-control-regex -- control characters are what it looks for
  if (/[\\\u0000-\u001f\u007f]/u.test(prefix) || !prefix.isWellFormed()) return false
  const parts = prefix.replace(/\/$/u, '').split('/')
  return (
    prefix === '' || parts.every((part) => !['', '.', '..'].includes(part) && Buffer.byteLength(part) <= 255)
  )
}

function hasMethods(value: unknown, names: readonly string[]): boolean {
  if ((typeof value !== 'object' && typeof value !== 'function') || value === null) return false
  return names.every((name) => name in value && typeof Reflect.get(value, name) === 'function')
}
