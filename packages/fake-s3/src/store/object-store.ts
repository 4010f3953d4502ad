import type { Runtime } from '@sluice/core'
import { bytesOf, keyOf, keyOrders, type KeyOrder } from './key-order.js'
import type { ListOrder } from '../rules.js'
import type { SortedKeys } from './sorted-keys.js'

/** One stored object. It is immutable: a write replaces it. */
export interface StoredObject {
  readonly body: Buffer
  /** MD5 in hexadecimal, without quotes. */
  readonly etag: string
  /** Epoch ms, of whole seconds, as S3 keeps it. */
  readonly lastModifiedAt: number
  /** Headers that are returned with it: content type, user metadata and the like. */
  readonly headers: Readonly<Record<string, string>>
  /** The checksum that came with it, by header name. */
  readonly checksums: Readonly<Record<string, string>>
  /** The number of the change that wrote it, over all buckets. */
  readonly change: number
  /** Of the version; absent when versioning was not enabled. */
  readonly versionId: string | undefined
}

/** The input of a write; the store adds instant, number and version. */
export type NewObject = Omit<StoredObject, 'lastModifiedAt' | 'change' | 'versionId'>

interface Change {
  readonly number: number
  readonly bytes: string
  readonly object: StoredObject | undefined
}

/**
 * The longest lag of a listing: older changes are always shown, so that a first LIST has little to catch up
 * with.
 */
const MAX_UNLISTED = 10_000

/** The versioning of a bucket; absent where it was never enabled. */
export type BucketVersioning = 'Enabled' | 'Suspended' | undefined

/** One bucket: its objects, and their listing, which may lag behind. */
export class Bucket {
  readonly createdAt: number
  readonly order: KeyOrder
  /** The declared state. Old versions themselves are not kept. */
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

  /** Keys as bytes, in the bucket's order, as the listing has them at a lag of so many changes. */
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

/** All buckets, in memory. Each call is atomic, so reads are linearizable. */
export class ObjectStore {
  readonly buckets = new Map<string, Bucket>()
  readonly #runtime: Pick<Runtime, 'now' | 'newId'>
  #changes = 0

  constructor(runtime: Pick<Runtime, 'now' | 'newId'>) {
    this.#runtime = runtime
  }

  /** How many changes there have been, of all objects. */
  get changes(): number {
    return this.#changes
  }

  createBucket(name: string, listOrder: ListOrder): void {
    this.buckets.set(name, new Bucket(this.#runtime.now(), keyOrders[listOrder]))
  }

  put(bucket: Bucket, key: string, object: NewObject): StoredObject {
    const change = ++this.#changes
    const lastModifiedAt = Math.floor(this.#runtime.now() / 1_000) * 1_000
    const stored = { ...object, lastModifiedAt, change, versionId: this.newVersionId(bucket) }
    bucket.write(key, stored, change)
    return stored
  }

  /** For a version that is written now, a delete marker included; absent unless versioning is enabled. */
  newVersionId({ versioning }: Bucket): string | undefined {
    return versioning === 'Enabled' ? this.#runtime.newId().replaceAll('-', '') : undefined
  }

  delete(bucket: Bucket, key: string): void {
    if (bucket.get(key) !== undefined) bucket.write(key, undefined, ++this.#changes)
  }
}
