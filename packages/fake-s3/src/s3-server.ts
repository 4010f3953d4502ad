import type { Runtime } from '@sluice/core'
import { systemRuntime } from '@sluice/core/backend'
import { s3Operations, type S3Operation } from './server/operation.js'
import type { BucketVersioning } from './store/object-store.js'
import { awsRules, type S3Rules } from './rules.js'
import { S3Core } from './server/s3-core.js'
import { S3Endpoint, type S3EndpointOptions } from './server/s3-endpoint.js'
import type { S3Credentials } from './server/signature.js'
import { objectOf } from './operations/write-operations.js'

/** The options of a server; each has a default. */
export interface S3ServerOptions extends S3EndpointOptions {
  /** Buckets that exist from the start. Default `['sluice-test']`. */
  readonly buckets?: readonly string[]
  /**
   * The clock of `Date`, `Last-Modified` and LIST, the timers of latencies, and the ids of versions. Default
   * that of the machine.
   */
  readonly runtime?: Runtime
  /** Its differences from AWS, such as the rules of one of `s3Stores`. */
  readonly rules?: Partial<S3Rules>
  /** The accepted keys. Default a fixed pair. */
  readonly credentials?: S3Credentials
  /** The region that requests must be signed for. Default: any. */
  readonly region?: string
  /**
   * How far a request's instant may be from the clock's, in ms (AWS: 900,000); beyond it 403
   * `RequestTimeTooSkewed`. Default: any.
   */
  readonly maxClockSkewMs?: number
  /** Operations that are answered 403. Without `ListObjectsV2` a missing key is 403 too, as on AWS. */
  readonly denied?: readonly S3Operation[]
  /**
   * The versioning of the buckets that exist from the start. Default: never enabled. Old versions themselves
   * are not kept.
   */
  readonly versioning?: BucketVersioning
  /**
   * How many changes LIST lags behind, at most 5,000; read at each LIST. What was listed once stays listed.
   * Default 0.
   */
  readonly listLag?: number | (() => number)
}

const DEFAULT_CREDENTIALS: S3Credentials = {
  accessKeyId: 'SLUICETESTKEY',
  secretAccessKey: 'sluice-test-secret',
}

/**
 * An S3 server in this process: real HTTP on the loopback, objects in memory, AWS's codes, and faults on
 * demand.
 */
export class S3Server {
  /** The first address, with its counts, log and faults. */
  readonly main: S3Endpoint
  readonly credentials: S3Credentials
  /** The region to sign for. */
  readonly region: string
  /** The first bucket. */
  readonly bucket: string
  readonly #core: S3Core
  readonly #endpoints: S3Endpoint[]

  /** Use {@link startS3Server}. */
  constructor(core: S3Core, main: S3Endpoint, bucket: string) {
    this.#core = core
    this.main = main
    this.bucket = bucket
    this.credentials = core.settings.access.credentials
    this.region = core.settings.access.region ?? 'us-east-1'
    this.#endpoints = [main]
  }

  /** The URL of the first address. */
  get endpoint(): string {
    return this.main.endpoint
  }

  /** What `new S3Client(...)` needs to talk to an address, default the first. */
  clientOptions(endpoint: S3Endpoint = this.main): S3ClientOptions {
    const { credentials, region } = this
    return { endpoint: endpoint.endpoint, region, credentials: { ...credentials }, forcePathStyle: true }
  }

  /** One more address of the same buckets, with faults, counts and a crash of its own. */
  async addEndpoint(options: S3EndpointOptions = {}): Promise<S3Endpoint> {
    const endpoint = await S3Endpoint.open(this.#core, options)
    this.#endpoints.push(endpoint)
    return endpoint
  }

  /** Requests by operation, over all addresses. */
  counts(): Record<S3Operation, number> {
    const sum = this.main.counts()
    for (const endpoint of this.#endpoints.slice(1)) {
      const counts = endpoint.counts()
      for (const operation of s3Operations) sum[operation] += counts[operation]
    }
    return sum
  }

  /** Clears the counts and logs of all addresses. */
  resetCounts(): void {
    for (const endpoint of this.#endpoints) endpoint.resetCounts()
  }

  /** The keys of a bucket now, in its order, whatever the listing shows. Default the first bucket. */
  keys(bucket = this.bucket): string[] {
    return this.#core.store.buckets.get(bucket)?.allKeys() ?? []
  }

  /** An object's body now, as text. Default of the first bucket. */
  textOf(key: string, bucket = this.bucket): string | undefined {
    return this.#core.store.buckets.get(bucket)?.get(key)?.body.toString('utf8')
  }

  /** Puts objects into the first bucket without requests: a hundred thousand in a second. */
  seed(objects: Iterable<readonly [key: string, text: string]>): void {
    const bucket = this.#core.store.buckets.get(this.bucket)
    if (bucket === undefined) throw new TypeError(`Can't seed: there is no bucket ${this.bucket}`)
    for (const [key, text] of objects) this.#core.store.put(bucket, key, objectOf({}, Buffer.from(text)))
  }

  /**
   * Copies the objects of a prefix of the first bucket, metadata included, to another prefix without
   * requests.
   */
  copyPrefix(from: string, to: string): void {
    const bucket = this.#core.store.buckets.get(this.bucket)
    for (const key of this.keys().filter((one) => one.startsWith(from))) {
      const object = bucket?.get(key)
      if (bucket !== undefined && object !== undefined)
        this.#core.store.put(bucket, to + key.slice(from.length), object)
    }
  }

  /** Deletes an object of the first bucket without a request, as an operator may while a queue is in use. */
  deleteKey(key: string): void {
    const bucket = this.#core.store.buckets.get(this.bucket)
    if (bucket !== undefined) this.#core.store.delete(bucket, key)
  }

  /** Switches versioning of the first bucket, as an operator may while services run. */
  setVersioning(versioning: BucketVersioning): void {
    const bucket = this.#core.store.buckets.get(this.bucket)
    if (bucket !== undefined) bucket.versioning = versioning
  }

  /** Resolves when every request that arrived anywhere has taken effect or been dropped. */
  async settled(): Promise<void> {
    for (const endpoint of this.#endpoints) await endpoint.settled()
  }

  /** Closes all addresses; the objects are gone. */
  async close(): Promise<void> {
    await Promise.all(this.#endpoints.map((endpoint) => endpoint.close()))
  }
}

/** The options of the SDK's client that this server needs. */
export interface S3ClientOptions {
  readonly endpoint: string
  readonly region: string
  readonly credentials: { accessKeyId: string; secretAccessKey: string; sessionToken?: string }
  readonly forcePathStyle: true
}

/**
 * Starts a server on a free port of the loopback.
 *
 * @example
 * ```ts
 * import { S3Client } from '@aws-sdk/client-s3'
 * import { answerWith, startS3Server } from '@sluice/fake-s3'
 *
 * const server = await startS3Server({ latencyMs: 20 })
 * const client = new S3Client(server.clientOptions())
 * server.main.onRequest = ({ operation }) => (operation === 'PutObject' ? answerWith('SlowDown') : undefined)
 * await server.close()
 * ```
 */
export async function startS3Server(options: S3ServerOptions = {}): Promise<S3Server> {
  const { buckets = ['sluice-test'], runtime = systemRuntime, listLag = 0 } = options
  const rules = { ...awsRules, ...options.rules }
  const core = new S3Core({
    rules,
    access: {
      credentials: options.credentials ?? DEFAULT_CREDENTIALS,
      region: options.region,
      maxClockSkewMs: options.maxClockSkewMs,
    },
    denied: new Set(options.denied),
    listLag: typeof listLag === 'number' ? () => listLag : listLag,
    runtime,
  })
  for (const bucket of buckets) core.store.createBucket(bucket, rules.listOrder)
  for (const bucket of core.store.buckets.values()) bucket.versioning = options.versioning
  return new S3Server(core, await S3Endpoint.open(core, options), buckets[0] ?? 'sluice-test')
}
