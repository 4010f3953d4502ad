/** An item as the cases make it: an id and about 300 bytes of JSON. */
export interface BenchItem {
  readonly id: string
  readonly body: { readonly [key: string]: string | number }
}

/** What a claim gave, as the same adapter's `settle` takes it back. */
export interface Claimed {
  readonly id: string
  readonly attempt: number
}

/** One open store of one contender. `client` tells which of the concurrent callers it is that calls. */
export interface Store {
  /** Adds the items, in one statement where the contender has one for it. */
  put(items: readonly BenchItem[], client: number): Promise<void>
  /** Takes up to `max` items. */
  claim?(max: number, client: number): Promise<readonly Claimed[]>
  /** Finishes what was claimed. */
  settle?(claimed: readonly Claimed[], client: number): Promise<void>
  /** How many items wait. */
  countWaiting?(): Promise<number>
  lookup?(id: string, client: number): Promise<unknown>
  close(): Promise<void>
}

/** Where a store may be opened. */
export interface Ground {
  /** A database of its own, empty at first. */
  readonly postgresUrl: string
  /** Absent where there is no redis-server. */
  readonly redisPort: number | undefined
  /** A directory of its own, empty at first. */
  readonly directory: string
}

/** A contender. */
export interface Adapter {
  readonly name: string
  /** @param clients how many callers there will be at once: the connections it may have */
  open(ground: Ground, clients: number): Promise<Store>
}

let serial = 0

/** New items; no two in a run have the same id. */
export function makeItems(count: number): BenchItem[] {
  return Array.from({ length: count }, () => {
    const n = serial++
    const number = String(n).padStart(9, '0')
    return {
      id: `item-${number}`,
      body: {
        url: `s3://a-bucket-of-maps/tiles/${number.slice(0, 3)}/${number}.tif`,
        sha256: number.repeat(7),
        width: 4096,
        height: 4096,
        zoom: n % 20,
        title: `tile ${number} of the bench, whose body is about three hundred bytes of JSON long`,
        bucket: 'a-bucket-of-results',
      },
    }
  })
}
