import { SluiceError, type JsonValue, type NewItem, type Queue, type Resources } from '@sluice/core'
import { bodyValueAt, checkNewItem, readBodyPath } from '@sluice/core/backend'
import {
  isRefused,
  type GoodEntry,
  type ManifestEntry,
  type ManifestReader,
  type RefusedEntry,
} from './manifest-entry.js'

/** Where a value of each row comes from: a path into its body, or the same number for all. */
export interface ResourceSource {
  readonly name: string
  /** As written. */
  readonly text: string
  readonly keys?: readonly string[]
  readonly amount?: number
}

export interface LimitKeySource {
  /** As written. */
  readonly text: string
  readonly keys: readonly string[]
}

/** What a dispatch policy chooses by, of each row. */
export interface ChosenBy {
  readonly resources?: readonly ResourceSource[] | undefined
  readonly limitKey?: LimitKeySource | undefined
}

/** Commas are between entries where they are not in quotes. */
const ENTRY = /(?:[^,"']|"(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)*')+/gu
const PARTS = /^([A-Za-z][A-Za-z0-9_.-]*)=(?:(\d+(?:\.\d+)?(?:[eE][+-]?\d+)?)|\$(.+))$/su

/**
 * Reads such as `gpu=$.gpu,memoryGiB=4`.
 *
 * @throws TypeError for another text
 */
export function resourceSources(text: string): readonly ResourceSource[] {
  const entries = text.match(ENTRY) ?? []
  if (entries.length === 0 || entries.join(',') !== text) throw badResources(text)
  const sources = entries.map((entry) => sourceOf(entry, text))
  if (new Set(sources.map(({ name }) => name)).size < sources.length) throw badResources(text)
  return sources
}

function sourceOf(entry: string, text: string): ResourceSource {
  const [, name, number, path] = PARTS.exec(entry) ?? []
  if (name === undefined) throw badResources(text)
  const written = entry.slice(name.length + 1)
  if (number !== undefined) return { name, text: written, amount: Number(number) }
  const { keys, end } = readBodyPath(path ?? '')
  if (keys.length === 0 || end !== path?.length) throw badResources(text)
  return { name, text: written, keys }
}

function badResources(text: string): TypeError {
  return new TypeError(
    `${JSON.stringify(text.slice(0, 80))} is no list of resources: write each one once, as a path into the body or a number, such as gpu=$.gpu,memoryGiB=4`,
  )
}

/** @throws TypeError for what is no path */
export function limitKeySource(text: string): LimitKeySource {
  const { keys, end } = text.startsWith('$') ? readBodyPath(text, 1) : { keys: [], end: 0 }
  if (keys.length > 0 && end === text.length) return { text, keys }
  throw new TypeError(`${JSON.stringify(text.slice(0, 80))} is no path into the body, such as $.user`)
}

/** A reader whose items have resources and limit keys out of their bodies. */
export class ChoosingReader implements ManifestReader {
  readonly #reader: ManifestReader
  readonly #by: ChosenBy

  constructor(reader: ManifestReader, by: ChosenBy) {
    this.#reader = reader
    this.#by = by
  }

  push(bytes: Buffer): readonly ManifestEntry[] {
    return this.#reader.push(bytes).map((entry) => this.#entry(entry))
  }

  end(): readonly ManifestEntry[] {
    return this.#reader.end().map((entry) => this.#entry(entry))
  }

  #entry(entry: ManifestEntry): ManifestEntry {
    return isRefused(entry) ? entry : chosenEntry(entry, this.#by)
  }
}

type Fault = Required<Pick<RefusedEntry, 'field' | 'reason'>>

function chosenEntry(entry: GoodEntry, { resources, limitKey }: ChosenBy): ManifestEntry {
  const { item } = entry
  const amounts = resources && amountsOf(item.body, resources)
  if (amounts !== undefined && 'reason' in amounts) return refused(entry, amounts)
  const key = limitKey && keyOf(item.body, limitKey)
  if (typeof key === 'object') return refused(entry, key)
  const chosen: NewItem = {
    ...item,
    ...(amounts !== undefined && { resources: amounts.of }),
    ...(key !== undefined && { limitKey: key }),
  }
  try {
    checkNewItem({ ...chosen, body: null }, Number.POSITIVE_INFINITY)
    return { ...entry, item: chosen }
  } catch (error) {
    if (!(error instanceof TypeError)) throw error
    const field = error.message.startsWith('limitKey') ? limitKey?.text : 'resources'
    return refused(entry, { field: field ?? 'limitKey', reason: error.message })
  }
}

function refused({ item: _item, bytes: _bytes, ...place }: GoodEntry, fault: Fault): RefusedEntry {
  return { ...place, ...fault }
}

function amountsOf(body: JsonValue, sources: readonly ResourceSource[]): { readonly of: Resources } | Fault {
  const amounts: [string, number][] = []
  for (const { name, text, keys, amount } of sources) {
    const value = keys === undefined ? (amount ?? 0) : bodyValueAt(body, keys)
    // In a table an empty cell is the empty text.
    if (value === undefined || value === null || value === '') continue
    const number = typeof value === 'string' && IS_NUMBER.test(value) ? Number(value) : value
    if (typeof number !== 'number')
      return { field: text, reason: `the resource ${name} must be a number, or absent for none` }
    amounts.push([name, number])
  }
  return { of: Object.fromEntries(amounts) }
}

const IS_NUMBER = /^-?\d+(?:\.\d+)?(?:[eE][+-]?\d+)?$/u

function keyOf(body: JsonValue, { text, keys }: LimitKeySource): string | undefined | Fault {
  const value = bodyValueAt(body, keys)
  if (value === undefined || value === null || value === '') return undefined
  if (typeof value === 'string') return value
  if (typeof value === 'number') return String(value)
  return { field: text, reason: 'the limit key must be a string or a number, or absent for none' }
}

/** @throws SluiceError SLUICE_INPUT_INVALID for a queue that would refuse each of the items */
export function assertKeepsChosen(queue: Pick<Queue, 'name' | 'supports'>, isChosen: boolean): void {
  if (!isChosen || queue.supports.selection !== undefined) return
  throw new SluiceError(
    'SLUICE_INPUT_INVALID',
    `The storage of queue ${JSON.stringify(queue.name)} keeps no resources and no limit keys: leave --resources and --limit-key out`,
  )
}
