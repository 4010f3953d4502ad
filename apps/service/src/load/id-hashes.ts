import xxhash from 'xxhash-wasm'

/** Hashes an id to 64 bits. */
export type HashId = (id: string) => bigint

/** XXH64: far apart for ids that are alike. */
export async function openIdHash(): Promise<HashId> {
  const hashes = await xxhash()
  return (id) => hashes.h64(id)
}

/** By the highest bits of a hash, so that growing copies one small table at a time and never the whole. */
const TABLES = 256
const FIRST_SLOTS = 256
/** With {@link TABLES} and 8 bytes a slot: 153 MB. */
const MAX_SLOTS = 74_733
const GROWTH = 1.5
/** Beyond it, finding a free slot takes many steps. */
const MAX_LOAD = 0.8
const TWO_POW_32 = 2 ** 32

/** Of so many different ids the hashes are kept; the tables then take 153 MB, and 102 MB for 10 million. */
export const MAX_HASHED_IDS = Math.floor(TABLES * MAX_SLOTS * MAX_LOAD)

/**
 * Ids that have been met, 8 bytes for each: whether an id may have come before. Two ids can have the same hash, so a yes is a suspicion, and only a no
 * is certain.
 */
export class IdHashes {
  readonly #hash: HashId
  readonly #tables = Array.from({ length: TABLES }, () => new HashTable())
  readonly #long = new BigUint64Array(1)
  readonly #words = new Uint32Array(this.#long.buffer)
  /** An id was not kept for lack of room: from now on a no is not certain either. */
  isFull = false

  constructor(hash: HashId) {
    this.#hash = hash
  }

  /** @returns whether an id of this hash was added before */
  add(id: string): boolean {
    this.#split(id)
    const added = this.#table().add(this.#low(), this.#high())
    if (added === 'full') this.isFull = true
    return added === 'known'
  }

  /** Whether an id of this hash was added. */
  has(id: string): boolean {
    this.#split(id)
    return this.#table().has(this.#low(), this.#high())
  }

  #split(id: string): void {
    this.#long[0] = this.#hash(id)
  }

  #table(): HashTable {
    const table = this.#tables[this.#high() >>> 24]
    if (table === undefined) throw new RangeError('a hash of more than 64 bits')
    return table
  }

  #low(): number {
    return this.#words[0] ?? 0
  }

  #high(): number {
    return this.#words[1] ?? 0
  }
}

/** Open addressing with linear probing. A slot is two words, both zero where it is free. */
class HashTable {
  #slots = FIRST_SLOTS
  #words = new Uint32Array(2 * FIRST_SLOTS)
  #count = 0

  add(low: number, high: number): 'new' | 'known' | 'full' {
    // The one hash that would look like a free slot shares another's.
    const filled = low === 0 && high === 0 ? 1 : low
    const at = this.#find(filled, high)
    if (this.#isSet(at)) return 'known'
    if (this.#count >= this.#slots * MAX_LOAD) {
      if (this.#slots >= MAX_SLOTS) return 'full'
      this.#grow()
      this.#set(this.#find(filled, high), filled, high)
    } else this.#set(at, filled, high)
    this.#count += 1
    return 'new'
  }

  has(low: number, high: number): boolean {
    return this.#isSet(this.#find(low === 0 && high === 0 ? 1 : low, high))
  }

  /** The slot of a hash, or the free one where it belongs. */
  #find(low: number, high: number): number {
    // In proportion, since the number of slots is no power of two.
    let slot = Math.floor((low * this.#slots) / TWO_POW_32)
    for (;;) {
      const at = 2 * slot
      if (this.#words[at] === low && this.#words[at + 1] === high) return at
      if (!this.#isSet(at)) return at
      slot = slot + 1 === this.#slots ? 0 : slot + 1
    }
  }

  #isSet(at: number): boolean {
    return this.#words[at] !== 0 || this.#words[at + 1] !== 0
  }

  #set(at: number, low: number, high: number): void {
    this.#words[at] = low
    this.#words[at + 1] = high
  }

  #grow(): void {
    const old = this.#words
    this.#slots = Math.min(MAX_SLOTS, Math.ceil(this.#slots * GROWTH))
    this.#words = new Uint32Array(2 * this.#slots)
    for (let at = 0; at < old.length; at += 2) {
      const low = old[at] ?? 0
      const high = old[at + 1] ?? 0
      if (low !== 0 || high !== 0) this.#set(this.#find(low, high), low, high)
    }
    // At once, and not when the garbage collector comes to it: the tables are large, and all grow at about the same time.
    old.buffer.transfer(0)
  }
}
