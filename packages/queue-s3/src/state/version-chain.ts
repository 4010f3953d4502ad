import type { QueueContext } from '../queue-context.js'
import { has } from '../format/item-state.js'
import type { Patience } from '../store/sending/patience.js'
import { deleteOrLog } from '../store/protocol-run.js'
import { createOnce, head, read } from '../store/storage-op.js'

const MAX_VERSION = 999_999_999_999
/** How many versions are kept: a process further behind finds out by listing. */
const KEPT = 20

/** One version of a small state that several processes change. */
export interface Version {
  readonly number: number
  readonly key: string
  readonly content: string
  /** Epoch ms of the store's clock, whole seconds. */
  readonly modifiedAt: number
}

/**
 * A small state that several processes read and change, as a chain of objects: each change creates the next
 * number, so exactly one of two changes of a version wins, with nothing but PUT If-None-Match. Numbers count
 * down, so that a LIST of one name returns the newest.
 *
 * A process keeps what it has seen: a late listing takes nothing back. Each method takes the patience of the
 * work that it is a part of.
 */
export class VersionChain {
  readonly #context: QueueContext
  readonly #prefix: string
  #known: Version | undefined

  /** @param prefix below the queue's root, with a trailing slash */
  constructor(context: QueueContext, prefix: string) {
    this.#context = context
    this.#prefix = context.layout.root + prefix
  }

  /** The newest version. A LIST, and a GET if it changed since this process read it last. */
  async latest(patience = this.#context.store.patience()): Promise<Version | undefined> {
    const { store } = this.#context
    for (;;) {
      const found = await this.#newest(patience)
      if (found?.number === this.#known?.number) return this.#known
      if (this.#known !== undefined && (found === undefined || found.number < this.#known.number)) {
        if (await this.#isThere(this.#known.number, patience)) return this.#known
        // Deleted manually: the remaining versions count.
        this.#known = undefined
        continue
      }
      if (found === undefined) return undefined
      if (await this.#learn(found, patience)) return this.#known
      // Gone already: twenty changes came in between, or the listing is old.
      await store.send({ do: 'again', key: found.key }, patience)
    }
  }

  /**
   * Whether no version after the given one exists: a HEAD. Of use only where not many can have come since.
   */
  async isLast(number: number, patience: Patience): Promise<boolean> {
    return !(await this.#isThere(number + 1, patience))
  }

  /**
   * Creates the version after the given one; `false` when another process has. An own change whose answer was
   * lost is recognized by its token.
   *
   * @param after 0 for the first
   */
  async append(after: number, content: string, patience: Patience): Promise<boolean> {
    const number = after + 1
    const key = this.#keyOf(number)
    const won = await this.#context.run(
      createOnce(key, content, metaOf(content, this.#context.runtime.newId())),
      patience,
    )
    if (won !== 'created') {
      // By its name, which works where the listing is late.
      const isSeen = await this.#learn({ number, key, modifiedAt: won.other?.modifiedAt ?? 0 }, patience)
      // Reported to exist, and not shown: twenty changes came in between, or it never existed.
      if (!isSeen) await this.#context.store.send({ do: 'again', key }, patience)
      return false
    }
    const newest = await this.#newest(patience)
    // So far behind that its name may have been free because it was deleted: then no process sees it.
    if (newest !== undefined && newest.number >= number + KEPT) return false
    const modifiedAt = newest?.number === number ? newest.modifiedAt : this.#context.store.clock.now()
    this.#known = { number, key, content, modifiedAt }
    await this.#prune(number, patience)
    return true
  }

  /** Waits for another try, after another process made its change first. */
  async waitTurn(patience: Patience): Promise<void> {
    await this.#context.store.waitTurn(this.#prefix, patience)
  }

  async #learn({ number, key, modifiedAt }: Found, patience: Patience): Promise<boolean> {
    const object = await this.#context.run(read(key), patience)
    if (object === undefined) return false
    if (number > (this.#known?.number ?? 0))
      this.#known = { number, key, content: object.content, modifiedAt }
    return true
  }

  async #isThere(number: number, patience: Patience): Promise<boolean> {
    return (await this.#context.run(head(this.#keyOf(number)), patience)) !== undefined
  }

  /** The first name that is a number: one LIST, or more where something else sorts before it. */
  async #newest(patience: Patience): Promise<Found | undefined> {
    const { store } = this.#context
    // After the prefix itself: some programs mark a folder by an object of that name.
    let after = this.#prefix
    for (let max = 1; ; max = 1_000) {
      const page = await store.list({ prefix: this.#prefix, after, max }, patience)
      for (const { key, modifiedAt } of page.objects) {
        const number = versionNumberOf(key.slice(this.#prefix.length))
        if (number !== undefined) return { number, key, modifiedAt }
        after = key
      }
      if (!page.more) return undefined
    }
  }

  async #prune(number: number, patience: Patience): Promise<void> {
    if (number % KEPT !== 0 || number <= KEPT) return
    const { store, logger } = this.#context
    const first = number - 2 * KEPT + 1
    const old = Array.from({ length: KEPT }, (_, index) => first + index).filter((one) => one > 0)
    const keys = old.map((one) => this.#keyOf(one))
    await deleteOrLog(store, keys, { logger, patience })
  }

  #keyOf(number: number): string {
    return `${this.#prefix}${(MAX_VERSION - number).toString().padStart(12, '0')}`
  }
}

/**
 * The metadata of an empty version, a removal, say so: an answer that has lost its body is not taken for one.
 */
function metaOf(content: string, token: string) {
  return { token, ...has({ to: content === '' ? 'REMOVED' : undefined }) }
}

interface Found {
  readonly number: number
  readonly key: string
  readonly modifiedAt: number
}

/** The number in the last part of a version's key; `undefined` for a foreign one. */
export function versionNumberOf(text: string): number | undefined {
  return /^\d{12}$/.test(text) ? MAX_VERSION - Number(text) : undefined
}
