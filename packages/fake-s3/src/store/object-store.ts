import { randomUUID } from 'node:crypto'
import { bytesOf, keyOf, keyOrders, type KeyOrder } from './key-order.js'
import type { ListOrder } from '../rules.js'
import type { SortedKeys } from './sorted-keys.js'

/** One object as it is kept. It never changes: a write puts another one in its place. */
export interface StoredObject {
  readonly body: Buffer
  /** MD5 in hexadecimal, without quotes. */
  readonly etag: string
  /** Epoch ms, of whole seconds, as S3 keeps it. */
  readonly lastModifiedAt: number
  /** Headers that come back with it: content type, user metadata and the like. */
  readonly headers: Readonly<Record<string, string>>
  /** The checksum that came with it, by header name. */
  readonly checksums: Readonly<Record<string, string>>
  /** The number of the change that wrote it, over all buckets. */
  readonly change: number
  /** Of the version; absent when versioning was not enabled. */
  readonly versionId: string | undefined
}

/** What a write hands in; the store adds instant, number and version. */
export type NewObject = Omit<StoredObject, 'lastModifiedAt' | 'change' | 'versionId'>

interface Change {
  readonly number: number
  readonly bytes: string
  readonly object: StoredObject | undefined
}

/** How far behind a listing may be at most: what is older is shown anyway, so that a first LIST has little to catch up with. */
const MAX_UNLISTED = 10_000

/** Whether a bucket keeps old versions; absent when it never did. */
export type BucketVersioning = 'Enabled' | 'Suspended' | undefined

/** One bucket: its objects, and the listing of them, which may be behind. */
export class Bucket {
  readonly createdAt: number
  readonly order: KeyOrder
  /** What the bucket says of it. Old versions themselves are not kept. */
  versioning: BucketVersioning
  readonly #objects = new Map<string, StoredObject>()
  readonly #listed = new Map<string, StoredObject>()
  readonly #keys: SortedKeys
  #unlisted: Change[] = []

  constructor(createdAt: number, order: KeyOrder) {
    this.createdAt = createdAt
    this.order = order
    this.#keys = order.empty()
  }

  get size(): number {
    return this.#objects.size
  }

  get(key: string): StoredObject | undefined {
    return this.#objects.get(key)
  }

  write(key: string, object: StoredObject | undefined, number: number): void {
    if (object === undefined) this.#objects.delete(key)
    else this.#objects.set(key, object)
    this.#unlisted.push({ number, bytes: bytesOf(key), object })
    if (this.#unlisted.length > MAX_UNLISTED) this.#catchUp(number - MAX_UNLISTED / 2)
  }

  /** All keys as they are, in order. */
  allKeys(): string[] {
    const bytes = [...this.#objects.keys()].map(bytesOf)
    return bytes.toSorted((a, b) => this.order.compare(a, b)).map(keyOf)
  }

  /** Keys as bytes, in the bucket's order, as the listing has them when it is so many changes behind. */
  list(fromBytes: string, upToChange: number): Iterable<string> {
    this.#catchUp(upToChange)
    return this.#keys.from(fromBytes)
  }

  listed(bytes: string): StoredObject | undefined {
    return this.#listed.get(bytes)
  }

  #catchUp(upToChange: number): void {
    let done = 0
    for (const change of this.#unlisted) {
      if (change.number > upToChange) break
      this.#show(change)
      done++
    }
    if (done > 0) this.#unlisted = this.#unlisted.slice(done)
  }

  #show({ bytes, object }: Change): void {
    if (object === undefined) {
      this.#listed.delete(bytes)
      this.#keys.remove(bytes)
    } else {
      this.#listed.set(bytes, object)
      this.#keys.add(bytes)
    }
  }
}

/** All buckets, in memory. Each call is one piece, so that what it shows is linearizable. */
export class ObjectStore {
  readonly buckets = new Map<string, Bucket>()
  readonly #now: () => number
  #changes = 0

  constructor(now: () => number) {
    this.#now = now
  }

  /** How many changes there have been, of all objects. */
  get changes(): number {
    return this.#changes
  }

  createBucket(name: string, listOrder: ListOrder): void {
    this.buckets.set(name, new Bucket(this.#now(), keyOrders[listOrder]))
  }

  put(bucket: Bucket, key: string, object: NewObject): StoredObject {
    const change = ++this.#changes
    const lastModifiedAt = Math.floor(this.#now() / 1_000) * 1_000
    const stored = { ...object, lastModifiedAt, change, versionId: this.newVersionId(bucket) }
    bucket.write(key, stored, change)
    return stored
  }

  /** For a version that is written now, a delete marker included; absent unless versioning is enabled. */
  newVersionId({ versioning }: Bucket): string | undefined {
    return versioning === 'Enabled' ? randomUUID().replaceAll('-', '') : undefined
  }

  delete(bucket: Bucket, key: string): void {
    if (bucket.get(key) !== undefined) bucket.write(key, undefined, ++this.#changes)
  }
}
