import type { Lease } from '@sluice/core'
import type { Ground } from './ground.js'
import { encodeKey } from './key-encoding.js'
import { parseObject } from './object-texts.js'
import { VersionChain, type Version } from './version-chain.js'

interface Holding {
  readonly holder: string
  readonly fence: number
  readonly ttlMs: number
  readonly released: boolean
}

interface Asked {
  readonly name: string
  readonly holder: string
  readonly ttlMs: number
}

/** `Last-Modified` has whole seconds: an object may be so much younger than it says. */
const SECOND_MS = 1_000

/**
 * The leases of one queue, each a chain of versions: taking and renewing creates the next. Two machines' clocks are never compared. A
 * holder judges itself by its own monotonic clock, from the sending of its last good renewal. Others judge it run out when they have
 * seen no new version for its ttl by their own monotonic clock, or when the store's clock, at the store, says that the newest is older.
 */
export class S3Leases {
  readonly #ground: Ground
  readonly #chains = new Map<string, VersionChain>()
  readonly #seen = new Map<string, { readonly number: number; readonly at: number }>()

  constructor(ground: Ground) {
    this.#ground = ground
  }

  async take(asked: Asked): Promise<Lease | undefined> {
    const chain = this.#chain(asked.name)
    const version = await chain.latest()
    const last = version && holdingOf(version)
    const mine = last?.holder === asked.holder
    if (version !== undefined && last !== undefined && !mine && !this.#isOver(asked.name, version, last))
      return undefined
    const fence = last === undefined ? 1 : last.fence + (mine ? 0 : 1)
    const sentAt = this.#ground.store.clock.monotonicMs()
    const { holder, ttlMs } = asked
    if (!(await chain.append(version?.number ?? 0, textOf({ holder, fence, ttlMs, released: false }))))
      return undefined
    return this.#lease({ ...asked, fence }, sentAt)
  }

  #lease(facts: Asked & { readonly fence: number }, takenAt: number): Lease {
    const { store } = this.#ground
    const { name, holder, fence, ttlMs } = facts
    let goodAt = takenAt
    let lost = false
    const isMine = (version: Version | undefined) => {
      const last = version && holdingOf(version)
      return last?.holder === holder && last.fence === fence && !last.released
    }
    const write = async (released: boolean): Promise<boolean> => {
      for (;;) {
        const sentAt = store.clock.monotonicMs()
        if (lost || sentAt - goodAt >= ttlMs) return false
        const version = await this.#chain(name).latest()
        if (!isMine(version) || version === undefined) return false
        if (!(await this.#chain(name).append(version.number, textOf({ holder, fence, ttlMs, released }))))
          continue
        goodAt = sentAt
        return true
      }
    }
    const renew = async () => {
      const kept = await write(false)
      lost ||= !kept
      return kept
    }
    const release = async () => {
      await write(true)
      lost = true
    }
    return { ...facts, renew, release }
  }

  #isOver(name: string, version: Version, last: Holding): boolean {
    if (last.released) return true
    const { clock } = this.#ground.store
    const known = this.#seen.get(name)
    const seen =
      known?.number === version.number ? known : { number: version.number, at: clock.monotonicMs() }
    this.#seen.set(name, seen)
    if (clock.monotonicMs() - seen.at >= last.ttlMs) return true
    return clock.now() - version.modifiedAt >= last.ttlMs + SECOND_MS
  }

  #chain(name: string): VersionChain {
    const known = this.#chains.get(name)
    if (known !== undefined) return known
    const chain = new VersionChain(this.#ground, `LEASES/${encodeKey(name)}/`)
    this.#chains.set(name, chain)
    return chain
  }
}

function textOf(holding: Holding): string {
  return JSON.stringify({ sluice: 1, ...holding })
}

function holdingOf(version: Version): Holding | undefined {
  const { holder, fence, ttlMs, released } = parseObject(version.content) ?? {}
  if (typeof holder !== 'string' || typeof fence !== 'number' || typeof ttlMs !== 'number') return undefined
  return { holder, fence, ttlMs, released: released === true }
}
