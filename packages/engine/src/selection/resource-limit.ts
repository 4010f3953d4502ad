import type { ItemSummary } from '@sluice/core'
import { assertCount } from '@sluice/core/backend'
import type { ItemSelection, SelectionPass, SelectionSnapshot, Verdict } from './item-selection.js'

/** The live limit of a resource is this and its name. */
export const RESOURCE_LIMIT_PREFIX = 'resources.'

/** In starts of later items. */
export const DEFAULT_MAX_PASSED = 1_000
/** Sums of fractions: 0.1 and 0.2 fit in 0.3. */
const TOLERANCE = 1e-9

type Amounts = Readonly<Record<string, number>>

/**
 * Unfinished jobs never use more than this of each resource. What an item uses is given at put; a resource
 * without a limit is unlimited. An item that does not fit is passed by later ones that do, at most
 * `maxPassed` times. Live limits `resources.NAME` replace the configured ones.
 *
 * @throws TypeError that names the resource whose limit isn't a number of 0 or more
 */
export function resourceSelection(configured: Amounts, maxPassed: number): ItemSelection {
  assertCount(maxPassed, 'maxPassed')
  for (const [name, amount] of Object.entries(configured))
    if (!(Number.isFinite(amount) && amount >= 0))
      throw new TypeError(`the limit of resource ${name} must be a number of 0 or more; got ${amount}`)
  /** By uid, how often an item that waits was passed. */
  const passed = new Map<string, number>()
  return { begin: (snapshot) => new ResourcePass(configured, { snapshot, maxPassed, passed }) }
}

/** So many items that wait are counted at most; then the one that was passed first is counted afresh. */
const MAX_COUNTED = 10_000

interface PassContext {
  readonly snapshot: SelectionSnapshot
  readonly maxPassed: number
  readonly passed: Map<string, number>
}

class ResourcePass implements SelectionPass {
  /** Of each resource the configured limit, the one in force, what is used, and what is kept free. */
  readonly #resources: ReadonlyMap<string, ResourceUse>
  readonly #maxPassed: number
  readonly #passed: Map<string, number>
  readonly #waiting: ItemSummary[] = []
  #isReserved = false

  constructor(configured: Amounts, { snapshot, maxPassed, passed }: PassContext) {
    this.#maxPassed = maxPassed
    this.#passed = passed
    this.#resources = new Map(
      Object.entries(configured).map(([name, amount]) => {
        const limit = snapshot.limits[`${RESOURCE_LIMIT_PREFIX}${name}`] ?? amount
        return [name, { limit, most: Math.max(amount, limit), used: 0, reserved: 0 }]
      }),
    )
    for (const item of snapshot.running) this.#use(item)
  }

  judge({ resources }: ItemSummary): Verdict {
    let fits = true
    for (const name in resources) {
      const [use, amount] = [this.#resources.get(name), resources[name] ?? 0]
      if (use === undefined || amount === 0) continue
      if (exceeds(amount, use.most))
        return { never: `it needs ${shown(amount)} of ${name}, and the limit is ${shown(use.most)}` }
      fits &&= !exceeds(use.used + use.reserved + amount, use.limit)
    }
    return fits ? 'start' : 'wait'
  }

  noteStart(item: ItemSummary): void {
    this.#passed.delete(item.uid)
    this.#use(item)
    for (const waiting of this.#waiting) if (this.#competes(waiting, item)) this.#notePassed(waiting)
  }

  noteWait(item: ItemSummary): void {
    this.#waiting.push(item)
    this.#reserveFor(item, this.#passed.get(item.uid) ?? 0)
  }

  holdup(): ReturnType<SelectionPass['holdup']> {
    const [first] = this.#waiting
    if (first === undefined) return undefined
    const needs = this.#needsOf(first)
    const used = needs.map(({ name, use }) => `${name} ${shown(use.used)} of ${shown(use.limit)}`).join(', ')
    const wanted = needs.map(({ name, amount }) => `${name} ${shown(amount)}`).join(', ')
    const message = `in use: ${used}; item ${JSON.stringify(first.id)} waits for ${wanted}`
    return { code: 'budget', message, items: this.#waiting.length }
  }

  /** Both need a resource that is limited. */
  #competes({ resources = {} }: ItemSummary, other: ItemSummary): boolean {
    return this.#needsOf(other).some(({ name }) => (resources[name] ?? 0) > 0)
  }

  #notePassed(item: ItemSummary): void {
    const times = (this.#passed.get(item.uid) ?? 0) + 1
    this.#passed.set(item.uid, times)
    const [oldest] = this.#passed.keys()
    if (this.#passed.size > MAX_COUNTED && oldest !== undefined) this.#passed.delete(oldest)
    this.#reserveFor(item, times)
  }

  /** It was passed often enough: what it needs is kept free for it, and for the first such item alone. */
  #reserveFor(item: ItemSummary, timesPassed: number): void {
    if (this.#isReserved || timesPassed < this.#maxPassed) return
    this.#isReserved = true
    for (const { amount, use } of this.#needsOf(item)) use.reserved = amount
  }

  #use(item: ItemSummary): void {
    for (const { amount, use } of this.#needsOf(item)) use.used += amount
  }

  #needsOf({ resources = {} }: ItemSummary): { name: string; amount: number; use: ResourceUse }[] {
    return Object.entries(resources).flatMap(([name, amount]) => {
      const use = this.#resources.get(name)
      return use === undefined || amount === 0 ? [] : [{ name, amount, use }]
    })
  }
}

interface ResourceUse {
  /** In force now. */
  readonly limit: number
  /** The larger one of the limit in force and the configured one: an item that needs more never fits. */
  readonly most: number
  used: number
  reserved: number
}

function exceeds(amount: number, limit: number): boolean {
  return amount > limit + limit * TOLERANCE
}

/** Sums of fractions are not shown digit by digit. */
function shown(amount: number): string {
  return String(Number(amount.toPrecision(6)))
}
