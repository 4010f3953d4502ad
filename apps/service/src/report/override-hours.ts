import type { AttemptRecord, ItemRecord, JsonValue } from '@sluice/core'
import { isSize, quantityOf } from '@sluice/core/backend'
import type { Output } from '../output/output.js'
import { printable } from '../output/output.js'
import { countText } from '../output/amounts.js'

/** The attempts that ran with one value of an escalated parameter. */
export interface OverrideUse {
  readonly parameter: string
  readonly value: string
  readonly attempts: number
  /** From the start of each job to its end, in total. */
  readonly jobHours: number
  /** Of sizes, such as `8Gi`: GiB times hours. */
  readonly gibHours?: number
}

interface Tally {
  readonly parameter: string
  readonly value: string
  attempts: number
  ms: number
}

const HOUR_MS = 3_600_000
const GIB = 1024 ** 3
/** A parameter has few values; more are not counted separately. */
const MAX_VALUES = 1_000

/** Adds up how long jobs ran with each value of the escalated parameters. */
export class OverrideHours {
  readonly #parameters: ReadonlySet<string>
  readonly #tallies = new Map<string, Tally>()

  constructor(parameters: readonly string[]) {
    this.#parameters = new Set(parameters)
  }

  add({ history }: Pick<ItemRecord, 'history'>): void {
    for (const attempt of history) {
      const overrides = objectOf(objectOf(attempt.details)['overrides'])
      for (const [parameter, value] of Object.entries(overrides))
        if (this.#parameters.has(parameter) && typeof value === 'string')
          this.#add(attempt, { parameter, value })
    }
  }

  /** By parameter, the smallest size first. */
  uses(): OverrideUse[] {
    const uses = [...this.#tallies.values()].map(({ ms, ...use }) => ({ ...use, ...hoursOf(use.value, ms) }))
    return uses.toSorted(
      (a, b) =>
        a.parameter.localeCompare(b.parameter) ||
        (quantityOf(a.value) ?? 0) - (quantityOf(b.value) ?? 0) ||
        a.value.localeCompare(b.value),
    )
  }

  #add(attempt: AttemptRecord, { parameter, value }: Pick<Tally, 'parameter' | 'value'>): void {
    const key = `${parameter} ${value}`
    const known = this.#tallies.get(key)
    if (known === undefined && this.#tallies.size >= MAX_VALUES) return
    const tally = known ?? { parameter, value, attempts: 0, ms: 0 }
    tally.attempts += 1
    tally.ms += spanMs(attempt)
    this.#tallies.set(key, tally)
  }
}

function hoursOf(value: string, ms: number): Pick<OverrideUse, 'jobHours' | 'gibHours'> {
  const jobHours = ms / HOUR_MS
  if (!isSize(value)) return { jobHours: rounded(jobHours) }
  return { jobHours: rounded(jobHours), gibHours: rounded((jobHours * (quantityOf(value) ?? 0)) / GIB) }
}

/** The job's own, where the worker says when it began and ended; else that of the claim. */
function spanMs({ details, claimedAt, endedAt = claimedAt }: AttemptRecord): number {
  const { startedAt, finishedAt } = objectOf(details)
  const own =
    typeof startedAt === 'number' && typeof finishedAt === 'number' ? finishedAt - startedAt : undefined
  return Math.max(0, own ?? endedAt - claimedAt)
}

function objectOf(value: JsonValue | undefined): Readonly<Record<string, JsonValue>> {
  return isObject(value) ? value : {}
}

function isObject(value: JsonValue | undefined): value is Readonly<Record<string, JsonValue>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

function rounded(hours: number): number {
  return Math.round(hours * 1_000) / 1_000
}

/** A table of the attempts at each value. Empty without any. */
export function overrideLines(uses: readonly OverrideUse[], output: Output): string[] {
  if (uses.length === 0) return []
  const rows = uses.map(({ parameter, value, attempts, jobHours, gibHours }) => [
    printable(parameter, 30),
    printable(value, 30),
    countText(attempts),
    hoursText(jobHours),
    gibHours === undefined ? '-' : hoursText(gibHours),
  ])
  return ['', output.table(['parameter', 'value', 'attempts', 'job hours', 'GiB hours'], rows)]
}

function hoursText(hours: number): string {
  return hours < 10 ? hours.toFixed(3) : hours.toFixed(1)
}
