import { randomUUID } from 'node:crypto'
import type { Ground } from './ground.js'
import type { Listed } from './s3-store.js'
import { createOnce, read, type Protocol, type StoredObject } from './storage-op.js'

const MAX_VERSION = 999_999_999_999
/** Versions that are kept: who is further behind than this finds out by listing. */
const KEPT = 20

/** One version of a small state that several processes change. */
export interface Version {
  readonly number: number
  readonly content: string
  /** Epoch ms of the store's clock, whole seconds. */
  readonly modifiedAt: number
}

/**
 * A small state that several processes read and change, as a chain of objects: each change creates the next number, so of two changes of one
 * version one wins, with nothing but PUT If-None-Match. Numbers are written downwards, so that a LIST of one name gives the newest.
 */
export class VersionChain {
  readonly #ground: Ground
  readonly #prefix: string
  #known: Version | undefined

  /** @param prefix below the queue's root, with a slash at its end */
  constructor(ground: Ground, prefix: string) {
    this.#ground = ground
    this.#prefix = ground.layout.root + prefix
  }

  /** The newest version. A LIST, and a GET if it changed since this process looked last. */
  async latest(): Promise<Version | undefined> {
    for (;;) {
      const found = await this.#newest()
      if (found === undefined) return undefined
      const { number, key, modifiedAt } = found
      if (number === this.#known?.number) return this.#known
      const object = await this.#ground.run(readObject(key))
      // Gone already: twenty changes came in between.
      if (object === undefined) continue
      this.#known = { number, content: object.content, modifiedAt }
      return this.#known
    }
  }

  /** The first name that is a number: one LIST, or more where something else sorts before it. */
  async #newest(): Promise<(Listed & { readonly number: number }) | undefined> {
    const { store } = this.#ground
    // Behind the prefix itself: some programs mark a folder by an object of that name.
    let after = this.#prefix
    for (let max = 1; ; max = 1_000) {
      const page = await store.list({ prefix: this.#prefix, after, max }, store.patience())
      for (const listed of page.objects) {
        const number = this.#numberOf(listed.key)
        if (number !== undefined) return { ...listed, number }
        after = listed.key
      }
      if (!page.more) return undefined
    }
  }

  /**
   * Creates the version after the given one; `false` when somebody else has.
   *
   * @param after 0 for the first
   */
  async append(after: number, content: string): Promise<boolean> {
    const number = after + 1
    const key = this.#keyOf(number)
    const won = await this.#ground.run(createOnce(key, content, { token: randomUUID() }))
    if (won !== 'created') return false
    // Its name may have been free because it is so far behind that it was deleted: then nobody sees it.
    const newest = await this.latest()
    if (newest === undefined || newest.number > number + KEPT / 2) return false
    await this.#prune(number)
    return true
  }

  async #prune(number: number): Promise<void> {
    if (number % KEPT !== 0 || number <= KEPT) return
    const first = number - 2 * KEPT + 1
    const old = Array.from({ length: KEPT }, (_, index) => first + index).filter((one) => one > 0)
    await this.#ground.run(dropAll(old.map((one) => this.#keyOf(one))))
  }

  #keyOf(number: number): string {
    return `${this.#prefix}${(MAX_VERSION - number).toString().padStart(12, '0')}`
  }

  #numberOf(key: string): number | undefined {
    const text = key.slice(this.#prefix.length)
    return /^\d{12}$/.test(text) ? MAX_VERSION - Number(text) : undefined
  }
}

function* readObject(key: string): Protocol<StoredObject | undefined> {
  return yield* read(key)
}

function* dropAll(keys: readonly string[]): Protocol<void> {
  yield { do: 'delete', keys }
}
