import leven from 'leven'
import { variableOf } from './setting-text.js'

/** An issue of zod, or of any Standard Schema. */
export interface FoundIssue {
  readonly message: string
  readonly path?: readonly (PropertyKey | { readonly key: PropertyKey })[] | undefined
  readonly code?: string | undefined
  readonly keys?: readonly string[] | undefined
  /** Of a union: the issues of each of its options. */
  readonly errors?: readonly (readonly FoundIssue[])[] | undefined
}

/** The context of an issue. */
export interface IssuePlaces {
  /** The schema, to suggest the intended key. */
  readonly schema: unknown
  /** The path of the checked part, such as `['queue']`. */
  readonly prefix: readonly string[]
  readonly placeOf: (path: readonly string[]) => string | undefined
}

/**
 * A line for each issue: the setting, the fault, and its source. Values are never repeated: they may be
 * secrets.
 */
export function describeIssues(issues: readonly FoundIssue[], places: IssuePlaces): string[] {
  return issues.flatMap(alternatives).flatMap((issue) => {
    const path = [...places.prefix, ...(issue.path ?? []).map(stepName)]
    if (issue.code === 'unrecognized_keys' && issue.keys !== undefined) {
      return issue.keys.map((key) => unknownKey([...path, key], places))
    }
    return [line(path, issueText(issue.message), places)]
  })
}

/** Those of the alternative that is meant: something inside of it is wrong, and not the whole. */
function alternatives(issue: FoundIssue): FoundIssue[] {
  const inside = issue.errors?.find((issues) =>
    issues.some(({ path = [], code }) => path.length > 0 || code === 'unrecognized_keys'),
  )
  if (inside === undefined) return [issue]
  return inside
    .map((one) => ({ ...one, path: [...(issue.path ?? []), ...(one.path ?? [])] }))
    .flatMap(alternatives)
}

/** One step of an issue's path. */
export function stepName(step: PropertyKey | { readonly key: PropertyKey }): string {
  return String(typeof step === 'object' ? step.key : step)
}

function unknownKey(path: readonly string[], places: IssuePlaces): string {
  const key = path.at(-1) ?? ''
  const near = nearest(key, keysAt(places.schema, path.slice(places.prefix.length, -1)))
  const hint =
    near === undefined ? '' : `; did you mean ${meantText([...path.slice(0, -1), near], places, path)}?`
  return line(path, `there is no such setting${hint}`, places)
}

/** For a setting from a variable, the name of the intended variable. */
function meantText(meant: readonly string[], { placeOf }: IssuePlaces, given: readonly string[]): string {
  const isVariable = placeOf(given)?.startsWith('SLUICE_') === true
  return isVariable ? variableOf(meant.join('.')) : `\`${meant.at(-1)}\``
}

function line(path: readonly string[], message: string, places: IssuePlaces): string {
  const place = places.placeOf(path) ?? placeOfEntry(path, places)
  const name = path.join('.') || 'the configuration'
  if (place !== undefined) return `  ${name}: ${message} (${place})`
  return `  ${name}: ${message} (set it in the configuration file or as ${variableOf(name)})`
}

/**
 * The source of a missing field in a list entry: that of the entry, since no variable sets the field alone.
 */
function placeOfEntry(path: readonly string[], { placeOf }: IssuePlaces): string | undefined {
  const index = path.findIndex((step) => /^\d+$/u.test(step))
  return index === -1 ? undefined : placeOf(path.slice(0, index + 1))
}

/** The keys of a zod object; other schemas don't expose them. */
function keysAt(schema: unknown, path: readonly string[]): string[] {
  const shape = shapeOf(schema)
  if (shape === undefined) return []
  const [step, ...rest] = path
  // The schema of a list unwraps to that of its entries.
  if (step !== undefined && /^\d+$/u.test(step)) return keysAt(schema, rest)
  return step === undefined ? Object.keys(shape) : keysAt(Reflect.get(shape, step), rest)
}

function shapeOf(schema: unknown): object | undefined {
  if (typeof schema !== 'object' || schema === null) return undefined
  if ('shape' in schema && typeof schema.shape === 'object') return schema.shape ?? undefined
  // A section may be inside several wrappers, such as a default; zod has what is inside in `def`.
  if ('unwrap' in schema && typeof schema.unwrap === 'function') return shapeOf(schema.unwrap())
  const def = 'def' in schema ? schema.def : undefined
  if (!isObject(def)) return undefined
  const options: readonly unknown[] = Array.isArray(def['options']) ? def['options'] : []
  return (
    options.map(shapeOf).find((shape) => shape !== undefined) ?? shapeOf(def['innerType'] ?? def['element'])
  )
}

function isObject(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null
}

/** The most similar name, for a suggestion; `undefined` where none is similar. */
export function nearest(name: string, names: readonly string[]): string | undefined {
  const ranked = names
    .map((other) => ({ other, distance: leven(other.toLowerCase(), name.toLowerCase()) }))
    .toSorted((a, b) => a.distance - b.distance)
  const [best] = ranked
  return best !== undefined && best.distance <= Math.max(2, Math.floor(name.length / 3))
    ? best.other
    : undefined
}

const KINDS: Readonly<Record<string, string>> = {
  array: 'a list',
  boolean: 'true or false',
  int: 'a whole number',
  null: 'null',
  number: 'a number',
  object: 'settings by name',
  record: 'settings by name',
  string: 'text',
}

const PLAIN: readonly (readonly [RegExp, (...parts: readonly string[]) => string])[] = [
  [/^Too (?:small|big): expected (?:number|int) to be ([<>]=?)(\S+)$/u, boundText],
  [/^Too (?:small|big): expected (?:string|array) to have ([<>]=?)(\d+) (\w+)$/u, lengthText],
  [/^Invalid input: expected (\w+), received (\w+)$/u, kindText],
  [
    /^Invalid option: expected one of (.+)$/u,
    (options = '') => `must be one of ${options.replaceAll('"', '').replaceAll('|', ', ')}`,
  ],
]

/**
 * The message of an issue in the terms of a configuration; messages that are not zod's own stay unchanged.
 */
export function issueText(message: string): string {
  for (const [pattern, text] of PLAIN) {
    const parts = pattern.exec(message)
    if (parts !== null) return text(...parts.slice(1))
  }
  return message
}

function boundText(sign = '', bound = ''): string {
  return (
    {
      '>=': `must be ${bound} or more`,
      '>': `must be more than ${bound}`,
      '<=': `must be ${bound} or less`,
      '<': `must be less than ${bound}`,
    }[sign] ?? ''
  )
}

function lengthText(sign = '', count = '', unit = ''): string {
  if (sign === '>=' && count === '1') return 'must not be empty'
  return `must have ${sign.startsWith('>') ? 'at least' : 'at most'} ${count} ${unit}`
}

function kindText(expected = '', received = ''): string {
  if (received === 'undefined') return 'is missing'
  const kind = KINDS[expected] ?? expected
  // For an `int`, a received `number` is a fraction.
  return expected === 'int' && received === 'number'
    ? `must be ${kind}`
    : `must be ${kind}, not ${KINDS[received] ?? received}`
}
