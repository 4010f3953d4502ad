import xxhash from 'xxhash-wasm'

/** Hashes an id to 64 bits. */
export type HashId = (id: string) => bigint

/** XXH64, which spreads similar ids. */
export async function openIdHash(): Promise<HashId> {
  const hashes = await xxhash()
  return (id) => hashes.h64(id)
}

/** Tables by the highest bits of a hash, so that growth copies one small table at a time. */
const TABLES = 256
const FIRST_SLOTS = 256
/** With {@link TABLES} and 8 bytes a slot: 153 MB. */
const MAX_SLOTS = 74_733
const GROWTH = 1.5
/** Beyond it, finding a free slot takes many steps. */
const MAX_LOAD = 0.8
const TWO_POW_32 = 2 ** 32

/** The most ids whose hashes are kept; the tables then take 153 MB, and 102 MB for 10 million ids. */
export const MAX_HASHED_IDS = Math.floor(TABLES * MAX_SLOTS * MAX_LOAD)

/**
 * The ids seen so far, 8 bytes each: whether an id may be a repeat. Two ids can have the same hash: only a
 * negative answer is certain.
 */
export class IdHashes {
  readonly #hash: HashId
  readonly #tables = Array.from({ length: TABLES }, () => new HashTable())
  readonly #long = new BigUint64Array(1)
  readonly #words = new Uint32Array(this.#long.buffer)
  /** An id was not kept for lack of room: a negative answer is no longer certain either. */
  isFull = false

  constructor(hash: HashId) {
    this.#hash = hash
  }

  /** @returns whether an id with this hash was added before */
  add(id: string): boolean {
    this.#split(id)
    const added = this.#table().add(this.#low(), this.#high())
    if (added === 'full') this.isFull = true
    return added === 'known'
  }

  /** Whether an id with this hash was added. */
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

/** Open addressing with linear probing. A slot is two words; both are zero in a free one. */
class HashTable {
  #slots = FIRST_SLOTS
  #words = new Uint32Array(2 * FIRST_SLOTS)
  #count = 0

  add(low: number, high: number): 'new' | 'known' | 'full' {
    // The hash 0 would look like a free slot, so it shares the slot of 1.
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

  /** The slot of a hash, or the free one for it. */
  #find(low: number, high: number): number {
    // Scaled, since the number of slots is not a power of two.
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
    // Frees the memory now rather than at the next collection: the tables are large, and all grow at about
    // the same time.
    old.buffer.transfer(0)
  }
}
