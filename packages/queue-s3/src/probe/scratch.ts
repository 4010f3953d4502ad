import { isSluiceError } from '@sluice/core'
import { missingListPermission } from '../store/s3-errors.js'
import type { S3Store } from '../store/s3-store.js'
import type { StorageOp } from '../store/storage-op.js'
import { probeFolder } from './check-writes.js'
import { race } from './race.js'
import { StoreLie } from './store-lie.js'

/** In the order of their bytes, which is not that of a language. */
const ENDINGS = ['0', '9', 'A', 'Z', '_', 'a', 'z']

/** The keys that a probe writes, and the checks on them. */
export class Scratch {
  readonly prefix: string
  readonly #store: S3Store
  /** All that were written, or may have been. */
  readonly #keys = new Set<string>()
  /** Those that were seen to exist. */
  readonly #certain = new Set<string>()
  #deleted = false
  /** How many creations were answered with a version, and how many without. */
  readonly #answers = { versioned: 0, plain: 0 }

  constructor(store: S3Store, root: string) {
    this.#store = store
    this.prefix = `${probeFolder(root)}${store.runtime.newId()}-`
  }

  /** Without s3:ListBucket a missing key is 403, like a missing permission. */
  async assertMissing(): Promise<void> {
    try {
      await this.#tokenOf(`${this.prefix}none`)
    } catch (error) {
      throw isSluiceError(error, 'SLUICE_QUEUE_DENIED')
        ? missingListPermission(this.#store.place, error)
        : error
    }
  }

  /** Whether all creations were versions: then versioning was enabled all the time. */
  get isVersioned(): boolean {
    return this.#answers.versioned > 0 && this.#answers.plain === 0
  }

  /** Creates a key, tries to create it again, and reads it back. */
  async create(): Promise<void> {
    const key = this.#keyOf('create')
    if ((await this.#create(key, 'first')) === 'exists')
      throw new StoreLie({ about: 'condition', seen: 'a key that was never written is reported to exist' })
    if ((await this.#create(key, 'second')) === 'created') {
      throw new StoreLie({
        about: 'condition',
        seen: 'PUT If-None-Match: * of a key that exists was answered as a success: the store ignores it',
      })
    }
    const kept = await this.#tokenOf(key)
    if (kept === 'second')
      throw new StoreLie({
        about: 'condition',
        seen: 'a PUT If-None-Match: * that was refused has changed the object',
      })
    if (kept !== 'first')
      throw new StoreLie({
        about: 'metadata',
        seen: 'an object that was just written has lost its user metadata',
      })
    this.#certain.add(key)
  }

  /** Runs races, each with its number of racers. */
  async race(racers: readonly number[]): Promise<void> {
    const keyOf = (index: number) => this.#keyOf(`${ENDINGS[index % ENDINGS.length]}${index}`)
    for (const key of await race(this.#store, { racers, keyOf, won: (versionId) => this.#note(versionId) }))
      this.#certain.add(key)
  }

  /**
   * The listing shows what was written, in order, in full and after the first key; before and afterwards
   * nothing.
   */
  async assertListed(): Promise<void> {
    const keys = [...this.#certain].toSorted()
    const [first, ...rest] = keys
    this.#assertPage(keys, await this.#listed())
    if (rest.length > 0) this.#assertPage(rest, await this.#listed(first))
  }

  /** Deletes whatever was written. */
  async delete(): Promise<void> {
    if (this.#keys.size > 0) await this.#store.deleteAll([...this.#keys])
    this.#certain.clear()
    this.#deleted = true
  }

  async #listed(after?: string): Promise<string[]> {
    const range = { prefix: this.prefix, ...(after === undefined ? {} : { after }) }
    const page = await this.#store.list(range)
    return page.objects.map(({ key }) => key)
  }

  #assertPage(keys: readonly string[], listed: readonly string[]): void {
    if (listed.some((key) => !this.#keys.has(key))) {
      const seen = 'LIST of a prefix shows keys that were not written under it'
      throw new StoreLie({ about: 'names', seen })
    }
    // A key of a race that was lost on the network may exist or not.
    const shown = listed.filter((key) => this.#certain.has(key) || this.#deleted)
    if (shown.join() === keys.join()) return
    if (shown.toSorted().join() === keys.join()) {
      const seen = 'LIST returns keys in another order than that of their bytes'
      throw new StoreLie({ about: 'order', seen })
    }
    if (shown.length > keys.length && !this.#deleted) {
      throw new StoreLie({ about: 'names', seen: 'LIST shows keys before its `start-after`' })
    }
    const when = this.#deleted ? 'after they were deleted' : 'that were just written'
    throw new StoreLie({ about: 'lag', seen: `LIST does not show keys as they are ${when}: it is late` })
  }

  #keyOf(ending: string): string {
    const key = `${this.prefix}${ending}`
    this.#keys.add(key)
    return key
  }

  /** Until there is a clear answer; a creation without one is resolved by its token. */
  async #create(key: string, token: string): Promise<'created' | 'exists'> {
    const patience = this.#store.patience()
    const op: StorageOp = { do: 'create', key, content: token, meta: { token } }
    for (;;) {
      const { outcome, versionId } = await this.#store.send(op, patience)
      if (outcome === 'created') {
        this.#note(versionId)
        return outcome
      }
      const { object } = await this.#store.send({ do: 'head', key }, patience)
      if (object !== undefined) return object.meta['token'] === token ? 'created' : 'exists'
      if (outcome === 'exists') return 'exists'
    }
  }

  #note(versionId: string | undefined): void {
    this.#answers[versionId === undefined ? 'plain' : 'versioned'] += 1
  }

  async #tokenOf(key: string): Promise<string | undefined> {
    const { object } = await this.#store.send({ do: 'head', key }, this.#store.patience())
    return object?.meta['token']
  }
}
