import { issueText } from './issue-text.js'
import { nearest } from './nearest.js'
import { variableOf } from './setting-text.js'

/** What a schema found wrong: zod's issue, or any Standard Schema's. */
export interface FoundIssue {
  readonly message: string
  readonly path?: readonly (PropertyKey | { readonly key: PropertyKey })[] | undefined
  readonly code?: string | undefined
  readonly keys?: readonly string[] | undefined
}

/** What is needed to say where an issue comes from. */
export interface IssuePlaces {
  /** The schema, to suggest the key that was meant. */
  readonly schema: unknown
  /** Path of the part that was checked, such as `['queue']`. */
  readonly prefix: readonly string[]
  readonly placeOf: (path: readonly string[]) => string | undefined
}

/** A line for each issue: the setting, what is wrong, where it was given. Values are never repeated: they may be secrets. */
export function describeIssues(issues: readonly FoundIssue[], places: IssuePlaces): string[] {
  return issues.flatMap((issue) => {
    const path = [...places.prefix, ...(issue.path ?? []).map(stepName)]
    if (issue.code === 'unrecognized_keys' && issue.keys !== undefined) {
      return issue.keys.map((key) => unknownKey([...path, key], places))
    }
    return [line(path, issueText(issue.message), places)]
  })
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

/** What was given by a variable is to be named as the variable that it should be. */
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

/** Of what is missing within a list: it was given with its entry, and no variable is about it alone. */
function placeOfEntry(path: readonly string[], { placeOf }: IssuePlaces): string | undefined {
  const index = path.findIndex((step) => /^\d+$/u.test(step))
  return index === -1 ? undefined : placeOf(path.slice(0, index + 1))
}

/** The keys that a zod object takes; other schemas don't tell. */
function keysAt(schema: unknown, path: readonly string[]): string[] {
  const shape = shapeOf(schema)
  if (shape === undefined) return []
  const [step, ...rest] = path
  // An entry of a list: the schema of a list leads to that of its entries.
  if (step !== undefined && /^\d+$/u.test(step)) return keysAt(schema, rest)
  return step === undefined ? Object.keys(shape) : keysAt(Reflect.get(shape, step), rest)
}

function shapeOf(schema: unknown): object | undefined {
  if (typeof schema !== 'object' || schema === null) return undefined
  if ('shape' in schema && typeof schema.shape === 'object') return schema.shape ?? undefined
  // Wrappers, such as a default, are unwrapped; a section may be inside of several.
  if ('unwrap' in schema && typeof schema.unwrap === 'function') return shapeOf(schema.unwrap())
  return undefined
}
