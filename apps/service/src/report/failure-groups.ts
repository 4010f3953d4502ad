import type { ItemRecord } from '@sluice/core'
import { failureGroupOf, type FailureGroup } from '@sluice/core/backend'

/** A failure group, with facts of its members. */
export interface CountedGroup extends FailureGroup {
  readonly count: number
  /** When the first and the last failed: epoch ms of the storage's clock. Absent where not recorded. */
  readonly firstAt?: number
  readonly lastAt?: number
  /** The ids of the first few. */
  readonly samples: readonly string[]
}

/** Failures in small groups that are no longer counted separately. */
export interface OtherFailures {
  /** The number of evicted groups; one that returned and was evicted again counts twice. */
  readonly groups: number
  readonly count: number
}

interface Tally {
  readonly group: FailureGroup
  count: number
  firstAt: number | undefined
  lastAt: number | undefined
  readonly samples: string[]
}

/** Limits the memory for failures that all differ: beyond this many groups the smaller half is evicted. */
const MAX_GROUPS = 10_000
const SAMPLES = 3

/** Counts failures by group, in bounded memory. */
export class FailureGroups {
  readonly #groups = new Map<string, Tally>()
  #failures = 0
  #other: OtherFailures = { groups: 0, count: 0 }

  add(item: Pick<ItemRecord, 'id' | 'reason' | 'failureClass' | 'exitCode' | 'finishedAt'>): void {
    const group = failureGroupOf(item)
    this.#failures += 1
    const tally = this.#groups.get(group.id)
    if (tally === undefined) this.#begin(group, item)
    else count(tally, item)
  }

  /** The largest first. */
  top(limit: number): CountedGroup[] {
    return this.#sorted()
      .slice(0, limit)
      .map(({ group, firstAt, lastAt, ...counted }) => ({
        ...group,
        ...counted,
        ...(firstAt === undefined ? {} : { firstAt }),
        ...(lastAt === undefined ? {} : { lastAt }),
      }))
  }

  /** How many groups are counted. */
  get size(): number {
    return this.#groups.size
  }

  /** How many failures were added. */
  get failures(): number {
    return this.#failures
  }

  /** Failures of evicted groups. If there are any, the counts of groups are lower bounds. */
  get other(): OtherFailures {
    return this.#other
  }

  #begin(group: FailureGroup, item: Pick<ItemRecord, 'id' | 'finishedAt'>): void {
    const tally: Tally = { group, count: 0, firstAt: undefined, lastAt: undefined, samples: [] }
    count(tally, item)
    this.#groups.set(group.id, tally)
    if (this.#groups.size > MAX_GROUPS) this.#evictSmall()
  }

  /** Keeps the larger half, so that a cause of many failures stays even if it begins late. */
  #evictSmall(): void {
    for (const tally of this.#sorted().slice(MAX_GROUPS / 2)) {
      this.#groups.delete(tally.group.id)
      this.#other = { groups: this.#other.groups + 1, count: this.#other.count + tally.count }
    }
  }

  #sorted(): Tally[] {
    return [...this.#groups.values()].toSorted(
      (a, b) => b.count - a.count || (a.group.id < b.group.id ? -1 : 1),
    )
  }
}

function count(tally: Tally, { id, finishedAt }: Pick<ItemRecord, 'id' | 'finishedAt'>): void {
  tally.count += 1
  if (tally.samples.length < SAMPLES) tally.samples.push(id)
  if (finishedAt === undefined) return
  tally.firstAt = Math.min(finishedAt, tally.firstAt ?? finishedAt)
  tally.lastAt = Math.max(finishedAt, tally.lastAt ?? finishedAt)
}
