import { SluiceError } from '@sluice/core'
import type { Environment } from './config-environment.js'
import { isTree, type ConfigTree } from './config-layer.js'
import type { EnvReference } from '../secrets/config-secrets.js'

/**
 * Replaces `{ env: NAME }`, wherever it stands as a value, by the variable's text. So secrets stay out of files, and a
 * `${…}` meant for a job's own shell stays what it is. A reference to a variable that is not set stays, and is listed.
 */
export function resolveReferences(
  tree: ConfigTree,
  env: Environment,
  placeOf: (path: readonly string[]) => string | undefined,
): ResolvedTree {
  const references: EnvReference[] = []
  const unset: UnsetReference[] = []
  const resolved = resolveValue(tree, [], (variable, path) => {
    const value = env[variable]
    references.push({ path, variable })
    if (value !== undefined) return value
    const place = placeOf(path)
    unset.push({ path, variable, ...(place === undefined ? {} : { place }) })
    return { env: variable }
  })
  return { tree: isTree(resolved) ? resolved : tree, references, unset }
}

/** A setting that was given as `{ env: NAME }`, and the variable is not set. */
export interface UnsetReference extends EnvReference {
  /** Where the setting stands, for messages. */
  readonly place?: string
}

/**
 * Refuses settings whose variables are not set; all of them in one message.
 *
 * @throws SluiceError SLUICE_CONFIG_INVALID
 */
export function assertSet(unset: readonly UnsetReference[]): void {
  if (unset.length === 0) return
  const lines = unset.map(({ path, variable, place }) => {
    const where = place === undefined ? '' : ` (${place})`
    return `${path.join('.')}: the variable ${variable} is not set${where}`
  })
  const [one] = lines
  const message =
    lines.length === 1
      ? `${one}. Set it, or write the value itself.`
      : `Variables that the configuration names are not set:\n${lines.map((line) => `  ${line}`).join('\n')}\nSet them, or write the values themselves.`
  throw new SluiceError('SLUICE_CONFIG_INVALID', message)
}

/** Those of one section of the configuration. */
export function unsetIn(unset: readonly UnsetReference[], section: string): readonly UnsetReference[] {
  return unset.filter(({ path }) => path[0] === section)
}

/** A tree with its references replaced, and what they were. */
export interface ResolvedTree {
  readonly tree: ConfigTree
  readonly references: readonly EnvReference[]
  readonly unset: readonly UnsetReference[]
}

type Lookup = (name: string, path: readonly string[]) => unknown

function resolveValue(value: unknown, path: readonly string[], lookup: Lookup): unknown {
  if (Array.isArray(value)) {
    return value.map((item: unknown, index) => resolveValue(item, [...path, String(index)], lookup))
  }
  // Instances, such as a clock or credentials in a configuration written in TypeScript, are handed on untouched.
  if (!isTree(value) || !isPlain(value)) return value
  const name = referenceIn(value)
  if (path.length > 0 && name !== undefined) return lookup(name, path)
  return Object.fromEntries(
    Object.entries(value).map(([key, below]) => [key, resolveValue(below, [...path, key], lookup)]),
  )
}

/** The variable that a value names, if it is a reference to one. */
export function referenceIn(value: unknown): string | undefined {
  if (!isTree(value) || Object.keys(value).length !== 1) return undefined
  return typeof value['env'] === 'string' ? value['env'] : undefined
}

/** Whether an object is nobody's instance. */
export function isPlain(value: object): boolean {
  const prototype: unknown = Object.getPrototypeOf(value)
  return prototype === null || Object.getPrototypeOf(prototype) === null
}
