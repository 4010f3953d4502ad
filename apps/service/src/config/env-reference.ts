import { SluiceError } from '@sluice/core'
import type { Environment } from './config-environment.js'
import { isTree, type ConfigTree } from './config-layer.js'
import type { EnvReference } from '../secrets/config-secrets.js'

/**
 * Replaces each value `{ env: NAME }` with the variable's text: secrets stay out of files, and a `${…}` for a
 * job's shell stays unchanged. A reference to an unset variable stays, and is returned in `unset`.
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

/** A setting `{ env: NAME }` whose variable is not set. */
export interface UnsetReference extends EnvReference {
  /** The source of the setting, for messages. */
  readonly place?: string
}

/**
 * Refuses settings whose variables are not set, in one message.
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
      ? `${one}. Set it, or replace the reference with the value.`
      : `Variables in the configuration are not set:\n${lines.map((line) => `  ${line}`).join('\n')}\nSet them, or replace the references with the values.`
  throw new SluiceError('SLUICE_CONFIG_INVALID', message)
}

/** The unset references of one section of the configuration. */
export function unsetIn(unset: readonly UnsetReference[], section: string): readonly UnsetReference[] {
  return unset.filter(({ path }) => path[0] === section)
}

/** A tree with its references replaced, and the references. */
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
  // Class instances, such as a runtime or credentials in a TypeScript configuration, are passed on unchanged.
  if (!isTree(value) || !isPlain(value)) return value
  const name = referenceIn(value)
  if (path.length > 0 && name !== undefined) return lookup(name, path)
  return Object.fromEntries(
    Object.entries(value).map(([key, below]) => [key, resolveValue(below, [...path, key], lookup)]),
  )
}

/** The variable of a reference; `undefined` for any other value. */
export function referenceIn(value: unknown): string | undefined {
  if (!isTree(value) || Object.keys(value).length !== 1) return undefined
  return typeof value['env'] === 'string' ? value['env'] : undefined
}

/** Whether an object is plain, not an instance of a class. */
export function isPlain(value: object): boolean {
  const prototype: unknown = Object.getPrototypeOf(value)
  return prototype === null || Object.getPrototypeOf(prototype) === null
}
